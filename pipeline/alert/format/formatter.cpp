#include "pipeline/alert/format/formatter.h"

#include "pipeline/alert/format/formatters.h"

namespace doorslam::format {

namespace {

/// The store holds ECS already.
class EcsFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string&) override { return record.body; }
};

}  // namespace

std::unique_ptr<Formatter> Formatter::make(Format format) {
  switch (format) {
    case Format::ocsf:
      return make_ocsf_formatter();
    case Format::eve:
      return make_eve_formatter();
    case Format::cef:
      return make_cef_formatter();
    case Format::leef:
      return make_leef_formatter();
    case Format::clickhouse:
      return make_clickhouse_formatter();
    case Format::ecs:
      break;
  }
  return std::make_unique<EcsFormatter>();
}

}  // namespace doorslam::format
