#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/tcp/evidence.h"

/// How a client begins to speak: enough to see that one speaks another protocol than the others.
namespace doorslam::diagnose {

enum class Opening : std::uint8_t {
  none,   ///< it said nothing, or its first words were not captured
  other,  ///< nothing that is known here
  text,   ///< a line of text
  tls,    ///< ClientHello (RFC 8446, section 4.1.2)
  http,   ///< HTTP/1 request line (RFC 9112, section 3)
  http2,  ///< connection preface (RFC 9113, section 3.4)
  proxy,  ///< PROXY protocol, version 1 or 2: a load balancer tells whom it speaks for
  ssh,    ///< identification string (RFC 4253, section 4.2)
  smb1,
  smb2,
};

Opening opening_of(const tcp::PayloadHead& head) noexcept;

/// With its article: "a TLS ClientHello"; empty for `none`.
std::string_view words_of(Opening opening) noexcept;

/// Whether the opening tells the protocol.
constexpr bool tells_protocol(Opening opening) { return opening > Opening::text; }

}  // namespace doorslam::diagnose
