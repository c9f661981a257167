#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pipeline/packet/raw_packet.h"

/// TLS alerts that can be read: those before the keys are in use (RFC 8446, section 6).
namespace doorslam::diagnose {

/// The description of the alert that `words` begin with, or nothing.
std::optional<std::uint8_t> tls_alert_in(packet::ByteView words) noexcept;

/// What whoever sends it says by it: "unknown CA"; empty where the number is not assigned.
std::string_view meaning_of_alert(std::uint8_t description) noexcept;

/// It is about the certificate that the other side has shown.
bool is_about_certificate(std::uint8_t description) noexcept;

}  // namespace doorslam::diagnose
