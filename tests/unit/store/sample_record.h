#pragma once

#include <fmt/format.h>

#include <string>

#include "pipeline/alert/store/record.h"

namespace doorslam::store {

/// Record number `number`: an alert of its own server, with a body of about `octets`.
inline Record sample_record(int number, std::size_t octets = 200) {
  Record record;
  record.id = fmt::format("{:032x}", static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15U);
  record.time_ns = 1'700'000'000'000'000'000 + number;
  record.cause = diagnose::Cause::acl_denied;
  record.severity = 47;
  record.server.address.octets = {10, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
  record.server.port = 443;
  record.body =
      fmt::format(R"({{"event":{{"id":"{}"}},"number":{},"pad":"{}"}})", record.id, number, std::string(octets, 'x'));
  return record;
}

}  // namespace doorslam::store
