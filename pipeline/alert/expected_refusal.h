#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pipeline/base/address_prefix.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::alert {

/// Refusals that are no news to this site: those of its own scanner, of a list that is meant to refuse. They are in no
/// incident. What is not said holds for any.
struct ExpectedRefusal {
  std::optional<AddressPrefix> client;
  std::optional<AddressPrefix> server;
  std::optional<std::uint16_t> port;  ///< the server's
  std::optional<diagnose::Cause> cause;

  bool covers(const diagnose::DiagnosedConnection& refused) const;

  friend bool operator==(const ExpectedRefusal&, const ExpectedRefusal&) = default;
};

/// Reads "client 10.9.0.0/16 server 192.0.2.5 port 22 cause acl_denied": pairs of a name and a value, in any order, one
/// at least and none twice. Errors (usage) say which word is wrong, and what is allowed there.
Result<ExpectedRefusal> parse_expected_refusal(std::string_view text);

}  // namespace doorslam::alert
