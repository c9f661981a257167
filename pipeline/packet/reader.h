#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pipeline/packet/raw_packet.h"

/// Bounds-checked, non-owning access to packet octets. No parser of doorslam touches a raw pointer.
///
/// A Reader hands out Octets<N>: N octets that are certainly there, so that fields inside them are read without a
/// further check; their offsets are checked by the compiler. Copies are cheap; both borrow the packet.
namespace doorslam::packet {

/// N octets of a packet, or nothing (then it tests false and must not be read).
template <std::size_t N>
class Octets {
 public:
  Octets() = default;
  explicit operator bool() const noexcept { return at_ != nullptr; }

  template <std::size_t Offset>
  std::uint8_t u8() const noexcept {
    static_assert(Offset < N);
    return at_[Offset];
  }
  template <std::size_t Offset>
  std::uint16_t be16() const noexcept {
    return big_endian(raw<std::uint16_t, Offset>());
  }
  template <std::size_t Offset>
  std::uint32_t be32() const noexcept {
    return big_endian(raw<std::uint32_t, Offset>());
  }
  template <std::size_t Offset>
  std::uint16_t le16() const noexcept {
    static_assert(Offset + 2 <= N);
    return static_cast<std::uint16_t>(at_[Offset] | at_[Offset + 1] << 8);
  }
  /// The octets as they lie in memory, in the host's order: for checksums and comparisons.
  template <std::unsigned_integral T, std::size_t Offset>
  T raw() const noexcept {
    static_assert(Offset + sizeof(T) <= N);
    T value;
    std::memcpy(&value, at_ + Offset, sizeof(T));
    return value;
  }
  template <std::size_t Offset, std::size_t Count>
  ByteView view() const noexcept {
    static_assert(Offset + Count <= N);
    return {at_ + Offset, Count};
  }

 private:
  friend class Reader;
  explicit Octets(const std::uint8_t* at) noexcept : at_(at) {}

  static std::uint16_t big_endian(std::uint16_t value) noexcept {
    return std::endian::native == std::endian::big ? value : __builtin_bswap16(value);
  }
  static std::uint32_t big_endian(std::uint32_t value) noexcept {
    return std::endian::native == std::endian::big ? value : __builtin_bswap32(value);
  }

  const std::uint8_t* at_ = nullptr;
};

/// Walks a packet from front to back. It knows two lengths: the octets captured, and the octets on the wire, of which
/// the snap length may have cut off the end. Captured never exceeds wire.
class Reader {
 public:
  Reader() = default;
  Reader(ByteView captured, std::size_t wire_octets) noexcept
      : at_(captured.data()), captured_(captured.size()), wire_(std::max(wire_octets, captured.size())) {}
  explicit Reader(ByteView whole) noexcept : Reader(whole, whole.size()) {}

  std::size_t captured_size() const noexcept { return captured_; }
  std::size_t wire_size() const noexcept { return wire_; }
  ByteView captured() const noexcept { return {at_, captured_}; }

  /// The next N octets; false when they were not captured.
  template <std::size_t N>
  Octets<N> peek() const noexcept {
    if (captured_ < N) return {};
    if (at_ == nullptr) __builtin_unreachable();  // there are octets: they need not be looked for again
    return Octets<N>(at_);
  }

  /// As peek(), and moves past them.
  template <std::size_t N>
  Octets<N> take() noexcept {
    const Octets<N> octets = peek<N>();
    if (octets) advance(N);
    return octets;
  }

  /// Moves past `octets`; false, and does not move, when they were not captured.
  bool skip(std::size_t octets) noexcept {
    if (captured_ < octets) return false;
    advance(octets);
    return true;
  }

  /// Moves past `octets` that are on the wire, captured or not; false when the wire did not have them.
  bool skip_on_wire(std::size_t octets) noexcept {
    if (wire_ < octets) return false;
    const std::size_t there = std::min(octets, captured_);
    at_ += there;
    captured_ -= there;
    wire_ -= octets;
    return true;
  }

  /// Forgets what lies beyond the next `octets`: padding and trailers.
  void limit(std::size_t octets) noexcept {
    wire_ = std::min(wire_, octets);
    captured_ = std::min(captured_, wire_);
  }

 private:
  void advance(std::size_t octets) noexcept {
    at_ += octets;
    captured_ -= octets;
    wire_ -= octets;
  }

  const std::uint8_t* at_ = nullptr;
  std::size_t captured_ = 0;
  std::size_t wire_ = 0;
};

}  // namespace doorslam::packet
