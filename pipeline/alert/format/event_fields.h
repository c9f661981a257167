#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/store/record.h"

namespace doorslam::format {

/// What all formats say of a record, out of its ECS object. Texts are borrowed from the reader, until it reads again;
/// what a record has not is empty or 0.
struct EventFields {
  std::string_view id, action, outcome, reason, message, title, description, protocol, community_id;
  std::string_view sensor, version, network_type, stage, conn_state, history, signature, program, banner, flow_id;
  std::string_view incident, scope;
  std::string_view evidence_file;  ///< path; alerts
  flowtable::TimeNs start_ns = 0;
  flowtable::TimeNs end_ns = 0;
  std::string_view client_ip, server_ip;  ///< of an alert about several: of its sample connection
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
  std::uint64_t client_bytes = 0, server_bytes = 0, client_packets = 0, server_packets = 0;  ///< flow records
  double confidence = 0;
  std::uint64_t refused = 0, refused_since_update = 0, clients = 0;  ///< alerts
  std::string_view first_seen, last_seen;
  std::vector<std::string_view> next_steps;
};

/// Reads records. Not thread-safe; keeps its memory from one record to the next.
class EventReader {
 public:
  EventReader();
  ~EventReader();

  /// Nothing: the body is no JSON object.
  const EventFields* read(const store::Record& record);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Nanoseconds since the epoch of "2026-11-22T14:39:47.241477120Z"; 0 where it is no such time.
flowtable::TimeNs time_of(std::string_view text) noexcept;
/// The record's member "doorslam" as it stands: JSON. Not part of EventFields, as finding it takes as long as reading
/// the record, and few formats want it.
std::string_view detail_of(const store::Record& record) noexcept;
/// The value of a member of the outermost object, as it stands in the text; empty: there is none. `object` is valid
/// JSON.
std::string_view raw_member(std::string_view object, std::string_view key) noexcept;

}  // namespace doorslam::format
