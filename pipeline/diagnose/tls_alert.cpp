#include "pipeline/diagnose/tls_alert.h"

#include <algorithm>
#include <array>

namespace doorslam::diagnose {

namespace {

struct Alert {
  std::uint8_t description;
  bool certificate;
  std::string_view meaning;
};

/// RFC 8446, section 6, and the registry of IANA.
constexpr auto kAlerts = std::to_array<Alert>({{0, false, "close notify"},
                                               {10, false, "unexpected message"},
                                               {20, false, "bad record MAC"},
                                               {22, false, "record overflow"},
                                               {40, false, "handshake failure"},
                                               {42, true, "bad certificate"},
                                               {43, true, "unsupported certificate"},
                                               {44, true, "certificate revoked"},
                                               {45, true, "certificate expired"},
                                               {46, true, "certificate unknown"},
                                               {47, false, "illegal parameter"},
                                               {48, true, "unknown CA"},
                                               {49, false, "access denied"},
                                               {50, false, "decode error"},
                                               {51, false, "decrypt error"},
                                               {70, false, "protocol version"},
                                               {71, false, "insufficient security"},
                                               {80, false, "internal error"},
                                               {86, false, "inappropriate fallback"},
                                               {90, false, "user canceled"},
                                               {109, false, "missing extension"},
                                               {110, false, "unsupported extension"},
                                               {112, false, "unrecognized name"},
                                               {113, true, "bad certificate status response"},
                                               {115, false, "unknown PSK identity"},
                                               {116, true, "certificate required"},
                                               {120, false, "no application protocol"}});

const Alert* find_alert(std::uint8_t description) noexcept {
  const auto found = std::ranges::find(kAlerts, description, &Alert::description);
  return found == kAlerts.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::uint8_t> tls_alert_in(packet::ByteView words) noexcept {
  const bool is_alert = words.size() >= 7 && words[0] == 21 && words[1] == 3 && words[3] == 0 && words[4] == 2 &&
                        (words[5] == 1 || words[5] == 2);
  return is_alert ? std::optional(words[6]) : std::nullopt;
}

std::string_view meaning_of_alert(std::uint8_t description) noexcept {
  const Alert* alert = find_alert(description);
  return alert == nullptr ? std::string_view{} : alert->meaning;
}

bool is_about_certificate(std::uint8_t description) noexcept {
  const Alert* alert = find_alert(description);
  return alert != nullptr && alert->certificate;
}

}  // namespace doorslam::diagnose
