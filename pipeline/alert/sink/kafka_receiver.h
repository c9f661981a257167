#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/alert/sink/receiver.h"
#include "pipeline/base/result.h"

namespace doorslam::sink {

struct KafkaOptions {
  std::vector<std::string> brokers;        ///< host:port
  std::string topic = "doorslam-{kind}s";  ///< {kind} is alert or flow
  std::vector<std::string> options;  ///< "name=value" of librdkafka; a value file:PATH or env:NAME is a secret's place
  std::chrono::milliseconds timeout{30'000};  ///< for a batch to be acknowledged
};

/// Kafka by librdkafka's idempotent producer: a batch has arrived when all in-sync replicas have it, once and in order.
/// The key is the server's endpoint, so that what concerns one server stays in order. Errors (usage): an option that
/// librdkafka does not know, or a secret that is not there.
Result<std::unique_ptr<Receiver>> make_kafka_receiver(const KafkaOptions& options);

}  // namespace doorslam::sink
