#pragma once

#include <chrono>
#include <memory>

#include "pipeline/alert/sink/http_client.h"
#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

struct SplunkOptions {
  HttpOptions http;                                ///< its token is HEC's
  std::string index;                               ///< empty: the token's own
  std::string host;                                ///< of the events; empty: this machine's name
  std::chrono::milliseconds ack_timeout{300'000};  ///< what is not indexed by then is posted once more
};

/// Splunk's HTTP Event Collector. Where the token has indexer acknowledgement on, a batch has arrived when Splunk says
/// that it is indexed, for which it is asked on, without posting the batch again, until ack_timeout; else when it was
/// taken. Errors (usage): a secret or TLS file is not usable.
Result<std::unique_ptr<Receiver>> make_splunk_receiver(const SplunkOptions& options);

}  // namespace doorslam::sink
