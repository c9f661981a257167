#pragma once

#include <cstddef>
#include <cstdint>

/// What the readers of captures have in common: which records they believe, and what they took.
namespace doorslam::port {

/// libpcap's limit of a packet's length (MAXIMUM_SNAPLEN) for the link types that doorslam reads; beyond it is damage.
inline constexpr std::uint32_t kMaxCaptured = 262'144;

/// A field of a file whose byte order is the other one, or the host's.
template <bool kSwapped>
std::uint32_t in_host_order(std::uint32_t value) noexcept {
  return kSwapped ? __builtin_bswap32(value) : value;
}

/// What a reader of records has taken from the start of a window of memory.
struct TakenRecords {
  std::size_t packets = 0;
  std::size_t octets = 0;
  /// True: the next record is not yet whole in the window. False: it is of a kind not read here, or `out` is full.
  bool cut = false;
};

}  // namespace doorslam::port
