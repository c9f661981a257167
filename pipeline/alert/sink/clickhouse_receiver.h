#pragma once

#include <memory>

#include "pipeline/alert/sink/http_client.h"
#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

struct ClickHouseOptions {
  HttpOptions http;  ///< user and password are ClickHouse's, by basic authentication
  std::string database = "doorslam";
  std::string alert_table = "alerts";
  std::string flow_table = "flows";
};

/// Inserts over HTTP into the tables of config/clickhouse/*.sql. An insert either happens as a whole or is sent again
/// as the same block, which replicated tables recognise; what is doubled all the same has the same id, by which the
/// tables are ordered and merged. Errors (usage): a secret or TLS file is not usable.
Result<std::unique_ptr<Receiver>> make_clickhouse_receiver(const ClickHouseOptions& options);

}  // namespace doorslam::sink
