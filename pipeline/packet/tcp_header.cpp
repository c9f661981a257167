#include "pipeline/packet/tcp_header.h"

namespace doorslam::packet {
namespace {

namespace kind {
constexpr std::uint8_t kEnd = 0;
constexpr std::uint8_t kNop = 1;
constexpr std::uint8_t kMss = 2;
constexpr std::uint8_t kWindowScale = 3;
constexpr std::uint8_t kSackPermitted = 4;
constexpr std::uint8_t kSack = 5;
constexpr std::uint8_t kTimestamps = 8;
constexpr std::uint8_t kFastOpen = 34;
constexpr std::uint8_t kExperiment = 254;
}  // namespace kind

/// Reads one option after kind and length; false when its length is not one that this kind can have.
bool parse_option(std::uint8_t option, const Reader& body, TcpOptions& out) noexcept {
  const std::size_t octets = body.wire_size();
  switch (option) {
    case kind::kMss: {
      const auto mss = body.peek<2>();
      if (octets != 2 || !mss) return false;
      out.present |= TcpOptions::kMss;
      out.mss = mss.be16<0>();
      return true;
    }
    case kind::kWindowScale: {
      const auto shift = body.peek<1>();
      if (octets != 1 || !shift) return false;
      out.present |= TcpOptions::kWindowScale;
      out.window_scale = shift.u8<0>();
      return true;
    }
    case kind::kSackPermitted:
      if (octets != 0) return false;
      out.present |= TcpOptions::kSackPermitted;
      return true;
    case kind::kSack:
      if (octets == 0 || octets % 8 != 0) return false;
      out.present |= TcpOptions::kSack;
      return true;
    case kind::kTimestamps: {
      const auto times = body.peek<8>();
      if (octets != 8 || !times) return false;
      out.present |= TcpOptions::kTimestamps;
      out.timestamp_value = times.be32<0>();
      out.timestamp_echo = times.be32<4>();
      return true;
    }
    case kind::kFastOpen:
      out.present |= TcpOptions::kFastOpen;
      return true;
    case kind::kExperiment: {
      const auto magic = body.peek<2>();
      if (magic && magic.be16<0>() == 0xf989) out.present |= TcpOptions::kFastOpen;  // RFC 7413, section 4.1.1
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

void parse_tcp_options(Reader options, TcpOptions& out) noexcept {
  while (const auto first = options.peek<1>()) {
    const std::uint8_t option = first.u8<0>();
    if (option == kind::kEnd) return;
    if (option == kind::kNop) {
      options.skip(1);
      continue;
    }
    const auto head = options.peek<2>();
    const bool cut = options.captured_size() < options.wire_size();
    if (!head) {
      if (!cut) out.present |= TcpOptions::kMalformed;
      return;
    }
    const std::size_t octets = head.u8<1>();
    if (octets < 2 || octets > options.wire_size()) {
      out.present |= TcpOptions::kMalformed;
      return;
    }
    if (octets > options.captured_size()) return;  // the snap length, nobody's fault
    Reader body = options;
    body.skip(2);
    body.limit(octets - 2);
    if (!parse_option(option, body, out)) {
      out.present |= TcpOptions::kMalformed;
      return;
    }
    options.skip(octets);
  }
}

}  // namespace doorslam::packet
