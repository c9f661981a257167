#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/alert/store/record.h"

namespace doorslam::format {

/// What a receiver wants to read. docs/siem.md has the tables of fields.
enum class Format : std::uint8_t {
  ecs,         ///< Elastic Common Schema 8.17, JSON
  ocsf,        ///< Open Cybersecurity Schema Framework 1.3, JSON
  eve,         ///< Suricata's EVE, JSON
  cef,         ///< ArcSight Common Event Format 0
  leef,        ///< QRadar Log Event Extended Format 2.0
  clickhouse,  ///< rows of doorslam's own tables in ClickHouse; nothing else reads it
};

inline constexpr std::array<std::string_view, 6> kFormatNames = {"ecs", "ocsf", "eve", "cef", "leef", "clickhouse"};

constexpr std::string_view name_of(Format format) { return kFormatNames[static_cast<std::size_t>(format)]; }

/// Writes a stored record in a receiver's form. Not thread-safe: it reuses memory; one per thread.
class Formatter {
 public:
  static std::unique_ptr<Formatter> make(Format format);
  virtual ~Formatter() = default;

  /// One line without '\n'; borrowed from `record` or from `room`. Empty: the record is no JSON object (a damaged
  /// store).
  virtual std::string_view format(const store::Record& record, std::string& room) = 0;
};

}  // namespace doorslam::format
