#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::alert {

/// What both encoders put into every record.
struct EncoderOptions {
  std::uint16_t community_id_seed = 0;  ///< Community ID v1 seed; must be the one of the site's other tools
  bool banner = true;                   ///< write doorslam.banner, what the server said first
  std::string version = {};             ///< observer.version: doorslam's own; left out when empty
  std::string observer_name = {};       ///< observer.name: which sensor; left out when empty

  friend bool operator==(const EncoderOptions&, const EncoderOptions&) = default;
};

/// Turns a diagnosed connection into one line of NDJSON in the form of the Elastic Common Schema.
/// Not thread-safe: it reuses one buffer; make one per thread.
class FlowEncoder {
 public:
  explicit FlowEncoder(const EncoderOptions& options = {});
  ~FlowEncoder();
  FlowEncoder(FlowEncoder&&) noexcept;
  FlowEncoder& operator=(FlowEncoder&&) noexcept;

  /// The record with its '\n'; borrowed until the next call. Always valid JSON in valid UTF-8.
  std::string_view encode(const diagnose::DiagnosedConnection& connection);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace doorslam::alert
