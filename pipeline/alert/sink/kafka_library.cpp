#include "pipeline/alert/sink/kafka_library.h"

#include "pipeline/base/late_library.h"

namespace doorslam::sink {

namespace {

Result<KafkaLibrary> bind() {
  auto library = LateLibrary::load("librdkafka.so.1", "librdkafka1");
  if (!library) return tl::unexpected(library.error());
  KafkaLibrary functions;
  library->find(functions.conf_destroy, "rd_kafka_conf_destroy");
  library->find(functions.conf_dup, "rd_kafka_conf_dup");
  library->find(functions.conf_new, "rd_kafka_conf_new");
  library->find(functions.conf_set, "rd_kafka_conf_set");
  library->find(functions.conf_set_dr_msg_cb, "rd_kafka_conf_set_dr_msg_cb");
  library->find(functions.conf_set_error_cb, "rd_kafka_conf_set_error_cb");
  library->find(functions.conf_set_log_cb, "rd_kafka_conf_set_log_cb");
  library->find(functions.conf_set_opaque, "rd_kafka_conf_set_opaque");
  library->find(functions.destroy, "rd_kafka_destroy");
  library->find(functions.err2str, "rd_kafka_err2str");
  library->find(functions.error_code, "rd_kafka_error_code");
  library->find(functions.error_destroy, "rd_kafka_error_destroy");
  library->find(functions.make, "rd_kafka_new");
  library->find(functions.poll, "rd_kafka_poll");
  library->find(functions.produceva, "rd_kafka_produceva");
  library->find(functions.purge, "rd_kafka_purge");
  if (const auto complete = library->complete(); !complete) return tl::unexpected(complete.error());
  return functions;
}

}  // namespace

Result<const KafkaLibrary*> load_kafka() {
  static const Result<KafkaLibrary> bound = bind();
  if (!bound) return tl::unexpected(bound.error());
  return &*bound;
}

}  // namespace doorslam::sink
