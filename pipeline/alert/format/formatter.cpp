#include "pipeline/alert/format/formatter.h"

namespace doorslam::format {

namespace {

/// The store holds ECS already.
class EcsFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string&) override { return record.body; }
};

}  // namespace

std::unique_ptr<Formatter> Formatter::make(Format) { return std::make_unique<EcsFormatter>(); }

}  // namespace doorslam::format
