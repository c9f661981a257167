#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/community_id.h"
#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/json_line.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::alert {

/// A line of JSON, and the pieces that all of doorslam's ECS records share. Not thread-safe.
class EcsRecord : public JsonLine {
 public:
  explicit EcsRecord(const EncoderOptions& options);

  void address(std::string_view key, const flowtable::IpAddress& value) { word(key, AddressText(value).view()); }
  void address_item(const flowtable::IpAddress& value) { word_item(AddressText(value).view()); }
  void time(std::string_view key, flowtable::TimeNs time_ns) { word(key, time_.of(time_ns)); }
  void texts(std::string_view key, const std::vector<std::string>& values);

  /// network.transport, .type, .community_id and, where the connection was seen in one, .vlan.id.
  void add_network(const flowtable::Endpoint& source, const flowtable::Endpoint& destination, std::uint16_t vlan);
  void add_hypotheses(const std::vector<diagnose::Hypothesis>& hypotheses);
  /// signature, banner (where the options let it) and caveats; absent ones are left out.
  void add_findings(const diagnose::Diagnosis& diagnosis);
  void add_contributions(const std::vector<diagnose::Contribution>& contributions);
  bool shows_banner() const noexcept { return banner_; }
  /// observer.* and ecs.version, which close every record.
  void add_observer() { json("observer", observer_); }

 private:
  bool banner_;
  CommunityId community_id_;
  TimeText time_;
  std::string observer_;  ///< its value, and the member "ecs" after it
};

/// 128 bits in hexadecimal from numbers that name a thing: an event.id that is the same whenever the same packets are
/// read again. Not a cryptographic hash.
class StableId {
 public:
  StableId& mix(std::uint64_t value) noexcept;
  StableId& mix(const flowtable::IpAddress& address) noexcept;
  StableId& mix(const flowtable::Endpoint& endpoint) noexcept;
  /// The shorter form of it.
  std::uint64_t value() const noexcept { return high_ ^ low_; }
  /// Borrowed from this object.
  std::string_view text() noexcept;

 private:
  std::uint64_t high_ = 0x243f6a8885a308d3;  // digits of pi: nothing up the sleeve
  std::uint64_t low_ = 0x13198a2e03707344;
  std::array<char, 32> text_{};
};

/// event.id of a connection's flow record.
StableId flow_id(const tcp::ConnectionSummary& summary) noexcept;

}  // namespace doorslam::alert
