#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "flowtable/ip_address.h"

/// The two-way key of a connection: both directions give the same one.
///
/// The end with the numerically lower (address, port) is `lo`, the other is `hi`. Numbers are in host byte order.
/// The VLAN is 0 unless the caller tells connections apart by VLAN: a mirror port may tag one direction only.
/// Keys have no padding, so that they compare and hash as whole words.
namespace doorslam::flowtable {

struct FlowKey4 {
  static constexpr IpVersion kVersion = IpVersion::v4;

  std::uint32_t lo_address = 0;
  std::uint32_t hi_address = 0;
  std::uint16_t lo_port = 0;
  std::uint16_t hi_port = 0;
  std::uint16_t vlan = 0;
  std::uint16_t reserved = 0;  ///< always 0

  std::array<std::uint64_t, 2> words() const noexcept { return std::bit_cast<std::array<std::uint64_t, 2>>(*this); }
  Endpoint lo() const noexcept;
  Endpoint hi() const noexcept;
  /// Both ends, written where they are to stand.
  void write_ends(Endpoint& lo, Endpoint& hi) const noexcept;

  friend bool operator==(const FlowKey4& a, const FlowKey4& b) noexcept {
    const auto x = a.words();
    const auto y = b.words();
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
};

/// An IPv6 address as a number: `high` holds its first eight octets.
struct Address6 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const Address6&, const Address6&) = default;
};

struct FlowKey6 {
  static constexpr IpVersion kVersion = IpVersion::v6;

  Address6 lo_address;
  Address6 hi_address;
  std::uint16_t lo_port = 0;
  std::uint16_t hi_port = 0;
  std::uint16_t vlan = 0;
  std::uint16_t reserved = 0;  ///< always 0

  std::array<std::uint64_t, 5> words() const noexcept { return std::bit_cast<std::array<std::uint64_t, 5>>(*this); }
  Endpoint lo() const noexcept;
  Endpoint hi() const noexcept;
  /// Both ends, written where they are to stand.
  void write_ends(Endpoint& lo, Endpoint& hi) const noexcept;

  friend bool operator==(const FlowKey6& a, const FlowKey6& b) noexcept {
    const auto x = a.words();
    const auto y = b.words();
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < x.size(); ++i) difference |= x[i] ^ y[i];
    return difference == 0;
  }
};

static_assert(sizeof(FlowKey4) == 16 && std::has_unique_object_representations_v<FlowKey4>);
static_assert(sizeof(FlowKey6) == 40 && std::has_unique_object_representations_v<FlowKey6>);
static_assert(std::is_trivially_copyable_v<FlowKey4> && std::is_trivially_copyable_v<FlowKey6>);

/// A key, and which of its ends sent the packet that it was made of.
template <class Key>
struct OrientedKey {
  Key key;
  bool source_is_lo = false;
};

namespace detail {

inline std::uint32_t load_big_endian32(const std::uint8_t* octets) noexcept {
  std::uint32_t value;
  std::memcpy(&value, octets, sizeof(value));
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap32(value);
  return value;
}

inline std::uint64_t load_big_endian64(const std::uint8_t* octets) noexcept {
  std::uint64_t value;
  std::memcpy(&value, octets, sizeof(value));
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  return value;
}

/// In place and in whole words: what is put together octet by octet and then copied has to wait for the octets.
inline void write_address4(std::uint32_t address, IpAddress& out) noexcept {
  std::uint32_t word = address;
  if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap32(word);
  std::memcpy(out.octets.data(), &word, sizeof(word));
  std::memset(out.octets.data() + sizeof(word), 0, out.octets.size() - sizeof(word));
  out.version = IpVersion::v4;
}

inline void write_address6(const Address6& address, IpAddress& out) noexcept {
  std::array<std::uint64_t, 2> words = {address.high, address.low};
  if constexpr (std::endian::native == std::endian::little) {
    words = {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
  }
  std::memcpy(out.octets.data(), words.data(), sizeof(words));
  out.version = IpVersion::v6;
}

}  // namespace detail

inline void FlowKey4::write_ends(Endpoint& lo, Endpoint& hi) const noexcept {
  detail::write_address4(lo_address, lo.address);
  detail::write_address4(hi_address, hi.address);
  lo.port = lo_port;
  hi.port = hi_port;
}
inline void FlowKey6::write_ends(Endpoint& lo, Endpoint& hi) const noexcept {
  detail::write_address6(lo_address, lo.address);
  detail::write_address6(hi_address, hi.address);
  lo.port = lo_port;
  hi.port = hi_port;
}

namespace detail {
template <class Key>
inline std::array<Endpoint, 2> ends_of(const Key& key) noexcept {
  std::array<Endpoint, 2> ends;
  key.write_ends(ends[0], ends[1]);
  return ends;
}
}  // namespace detail

inline Endpoint FlowKey4::lo() const noexcept { return detail::ends_of(*this)[0]; }
inline Endpoint FlowKey4::hi() const noexcept { return detail::ends_of(*this)[1]; }
inline Endpoint FlowKey6::lo() const noexcept { return detail::ends_of(*this)[0]; }
inline Endpoint FlowKey6::hi() const noexcept { return detail::ends_of(*this)[1]; }

/// Key of a packet between two IPv4 ends. `vlan_or_0`: 0 unless connections are told apart by VLAN.
/// Where both ends are the same (address, port), the source counts as `lo`.
inline OrientedKey<FlowKey4> make_key4(const Endpoint& source, const Endpoint& destination,
                                       std::uint16_t vlan_or_0) noexcept {
  // Address above port in one number: swapping the ends is then a conditional move, not a branch that guesses.
  const auto rank = [](const Endpoint& end) {
    return std::uint64_t{detail::load_big_endian32(end.address.octets.data())} << 16 | end.port;
  };
  const std::uint64_t from = rank(source);
  const std::uint64_t to = rank(destination);
  const bool source_is_lo = from <= to;
  const std::uint64_t lo = source_is_lo ? from : to;
  const std::uint64_t hi = source_is_lo ? to : from;
  if constexpr (std::endian::native == std::endian::little) {
    // In whole words: pieced together in memory, it would be read back before the pieces have arrived there.
    const std::array<std::uint64_t, 2> words = {lo >> 16 | hi >> 16 << 32,
                                                (lo & 0xffff) | (hi & 0xffff) << 16 | std::uint64_t{vlan_or_0} << 32};
    return {std::bit_cast<FlowKey4>(words), source_is_lo};
  }
  return {{static_cast<std::uint32_t>(lo >> 16), static_cast<std::uint32_t>(hi >> 16), static_cast<std::uint16_t>(lo),
           static_cast<std::uint16_t>(hi), vlan_or_0, 0},
          source_is_lo};
}

/// Key of a packet between two IPv6 ends; see make_key4().
inline OrientedKey<FlowKey6> make_key6(const Endpoint& source, const Endpoint& destination,
                                       std::uint16_t vlan_or_0) noexcept {
  const auto number = [](const Endpoint& end) {
    return Address6{detail::load_big_endian64(end.address.octets.data()),
                    detail::load_big_endian64(end.address.octets.data() + 8)};
  };
  Address6 lo = number(source);
  Address6 hi = number(destination);
  std::uint16_t lo_port = source.port;
  std::uint16_t hi_port = destination.port;
  const bool source_is_lo = lo < hi || (lo == hi && lo_port <= hi_port);
  if (!source_is_lo) {
    std::swap(lo, hi);
    std::swap(lo_port, hi_port);
  }
  return {{lo, hi, lo_port, hi_port, vlan_or_0, 0}, source_is_lo};
}

/// make_key4() or make_key6(), for code that is written once for both. Both ends must be of the key's IP version.
template <class Key>
OrientedKey<Key> make_key(const Endpoint& source, const Endpoint& destination, std::uint16_t vlan_or_0) noexcept {
  if constexpr (Key::kVersion == IpVersion::v4) {
    return make_key4(source, destination, vlan_or_0);
  } else {
    return make_key6(source, destination, vlan_or_0);
  }
}

}  // namespace doorslam::flowtable
