#pragma once

#include <memory>

#include "pipeline/alert/sink/http_client.h"
#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

struct ElasticOptions {
  HttpOptions http;                                    ///< a token is sent as "Authorization: ApiKey"
  std::string index = "logs-doorslam.{kind}-default";  ///< {kind} is alert or flow
};

/// Elasticsearch and OpenSearch: `_bulk` with `create` and event.id as the document's _id, so that a record that is
/// sent again is found to be there (409) and not doubled. Each item's own result decides: what is at fault itself
/// (a field that the mapping does not take) is refused for good, all else (429, 5xx, an index, right or shard that is
/// missing) is sent again. Errors (usage): a secret or TLS file is not usable.
Result<std::unique_ptr<Receiver>> make_elastic_receiver(const ElasticOptions& options);

}  // namespace doorslam::sink
