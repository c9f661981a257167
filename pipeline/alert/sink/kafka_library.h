#pragma once

#include <librdkafka/rdkafka.h>

#include "pipeline/base/result.h"

namespace doorslam::sink {

/// What the sinks use of librdkafka, which is loaded with the first sink that writes to Kafka.
struct KafkaLibrary {
  decltype(&::rd_kafka_conf_destroy) conf_destroy = nullptr;
  decltype(&::rd_kafka_conf_dup) conf_dup = nullptr;
  decltype(&::rd_kafka_conf_new) conf_new = nullptr;
  decltype(&::rd_kafka_conf_set) conf_set = nullptr;
  decltype(&::rd_kafka_conf_set_dr_msg_cb) conf_set_dr_msg_cb = nullptr;
  decltype(&::rd_kafka_conf_set_error_cb) conf_set_error_cb = nullptr;
  decltype(&::rd_kafka_conf_set_log_cb) conf_set_log_cb = nullptr;
  decltype(&::rd_kafka_conf_set_opaque) conf_set_opaque = nullptr;
  decltype(&::rd_kafka_destroy) destroy = nullptr;
  decltype(&::rd_kafka_err2str) err2str = nullptr;
  decltype(&::rd_kafka_error_code) error_code = nullptr;
  decltype(&::rd_kafka_error_destroy) error_destroy = nullptr;
  decltype(&::rd_kafka_new) make = nullptr;
  decltype(&::rd_kafka_poll) poll = nullptr;
  decltype(&::rd_kafka_produceva) produceva = nullptr;
  decltype(&::rd_kafka_purge) purge = nullptr;
};

/// Loads it with the first call. Thread-safe. Errors (data): it is not installed.
Result<const KafkaLibrary*> load_kafka();

}  // namespace doorslam::sink
