#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "flowtable/ip_address.h"

/// The two-way key of a connection: both directions give the same one.
///
/// The end with the numerically lower (address, port) is `lo`, the other is `hi`. Numbers are in host byte order.
/// The VLAN is 0 unless the caller tells connections apart by VLAN: a mirror port may tag one direction only.
/// Keys are made of whole 64-bit words: as fields of their own, compilers write them in pieces and read them back as
/// words, which has to wait until the pieces have arrived.
namespace doorslam::flowtable {

class FlowKey4 {
 public:
  static constexpr IpVersion kVersion = IpVersion::v4;

  constexpr FlowKey4() noexcept = default;
  constexpr FlowKey4(std::uint32_t lo_address, std::uint16_t lo_port, std::uint32_t hi_address, std::uint16_t hi_port,
                     std::uint16_t vlan = 0) noexcept
      : FlowKey4(rank(lo_address, lo_port), rank(hi_address, hi_port), vlan) {}
  /// Of ends by their ranks, the lower first.
  constexpr FlowKey4(std::uint64_t lo, std::uint64_t hi, std::uint16_t vlan) noexcept : words_{lo | vlan, hi} {}

  /// An end in one number by which ends are ordered: address above port above 16 bits of 0.
  static constexpr std::uint64_t rank(std::uint32_t address, std::uint16_t port) noexcept {
    return std::uint64_t{address} << 32 | std::uint64_t{port} << 16;
  }

  constexpr std::uint32_t lo_address() const noexcept { return static_cast<std::uint32_t>(words_[0] >> 32); }
  constexpr std::uint32_t hi_address() const noexcept { return static_cast<std::uint32_t>(words_[1] >> 32); }
  constexpr std::uint16_t lo_port() const noexcept { return static_cast<std::uint16_t>(words_[0] >> 16); }
  constexpr std::uint16_t hi_port() const noexcept { return static_cast<std::uint16_t>(words_[1] >> 16); }
  constexpr std::uint16_t vlan() const noexcept { return static_cast<std::uint16_t>(words_[0]); }

  constexpr const std::array<std::uint64_t, 2>& words() const noexcept { return words_; }
  Endpoint lo() const noexcept;
  Endpoint hi() const noexcept;
  /// Both ends, written where they are to stand.
  void write_ends(Endpoint& lo, Endpoint& hi) const noexcept;

  /// Makes it a key that equals none of a packet.
  void invalidate() noexcept { words_[1] |= 1; }

  friend bool operator==(const FlowKey4& a, const FlowKey4& b) noexcept {
    return ((a.words_[0] ^ b.words_[0]) | (a.words_[1] ^ b.words_[1])) == 0;
  }

 private:
  std::array<std::uint64_t, 2> words_{};
};

/// An IPv6 address as a number: `high` holds its first eight octets.
struct Address6 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const Address6&, const Address6&) = default;
};

class FlowKey6 {
 public:
  static constexpr IpVersion kVersion = IpVersion::v6;

  constexpr FlowKey6() noexcept = default;
  constexpr FlowKey6(const Address6& lo_address, std::uint16_t lo_port, const Address6& hi_address,
                     std::uint16_t hi_port, std::uint16_t vlan = 0) noexcept
      : words_{lo_address.high, lo_address.low, hi_address.high, hi_address.low,
               std::uint64_t{vlan} << 32 | std::uint64_t{lo_port} << 16 | hi_port} {}

  constexpr Address6 lo_address() const noexcept { return {words_[0], words_[1]}; }
  constexpr Address6 hi_address() const noexcept { return {words_[2], words_[3]}; }
  constexpr std::uint16_t lo_port() const noexcept { return static_cast<std::uint16_t>(words_[4] >> 16); }
  constexpr std::uint16_t hi_port() const noexcept { return static_cast<std::uint16_t>(words_[4]); }
  constexpr std::uint16_t vlan() const noexcept { return static_cast<std::uint16_t>(words_[4] >> 32); }

  constexpr const std::array<std::uint64_t, 5>& words() const noexcept { return words_; }
  Endpoint lo() const noexcept;
  Endpoint hi() const noexcept;
  /// Both ends, written where they are to stand.
  void write_ends(Endpoint& lo, Endpoint& hi) const noexcept;

  /// Makes it a key that equals none of a packet.
  void invalidate() noexcept { words_[4] |= std::uint64_t{1} << 63; }

  friend bool operator==(const FlowKey6& a, const FlowKey6& b) noexcept {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < a.words_.size(); ++i) difference |= a.words_[i] ^ b.words_[i];
    return difference == 0;
  }

 private:
  std::array<std::uint64_t, 5> words_{};
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
  detail::write_address4(lo_address(), lo.address);
  detail::write_address4(hi_address(), hi.address);
  lo.port = lo_port();
  hi.port = hi_port();
}
inline void FlowKey6::write_ends(Endpoint& lo, Endpoint& hi) const noexcept {
  detail::write_address6(lo_address(), lo.address);
  detail::write_address6(hi_address(), hi.address);
  lo.port = lo_port();
  hi.port = hi_port();
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
  const auto rank = [](const Endpoint& end) {
    return FlowKey4::rank(detail::load_big_endian32(end.address.octets.data()), end.port);
  };
  const std::uint64_t from = rank(source);
  const std::uint64_t to = rank(destination);
  // Who is lower cannot be foreseen: a conditional move, not a branch that guesses.
  const bool source_is_lo = from <= to;
  return {{source_is_lo ? from : to, source_is_lo ? to : from, vlan_or_0}, source_is_lo};
}

/// Key of a packet between two IPv6 ends; see make_key4().
inline OrientedKey<FlowKey6> make_key6(const Endpoint& source, const Endpoint& destination,
                                       std::uint16_t vlan_or_0) noexcept {
  const auto number = [](const Endpoint& end) {
    return Address6{detail::load_big_endian64(end.address.octets.data()),
                    detail::load_big_endian64(end.address.octets.data() + 8)};
  };
  const Address6 from = number(source);
  const Address6 to = number(destination);
  // As above, without branches: all bits are set where the ends change places.
  const bool same_high = from.high == to.high;
  const bool same = same_high & (from.low == to.low);
  const bool source_is_lo =
      (from.high < to.high) | (same_high & (from.low < to.low)) | (same & (source.port <= destination.port));
  const std::uint64_t swapped = static_cast<std::uint64_t>(source_is_lo) - 1;
  const std::uint64_t high = (from.high ^ to.high) & swapped;
  const std::uint64_t low = (from.low ^ to.low) & swapped;
  const auto port = static_cast<std::uint16_t>((source.port ^ destination.port) & swapped);
  return {{{from.high ^ high, from.low ^ low},
           static_cast<std::uint16_t>(source.port ^ port),
           {to.high ^ high, to.low ^ low},
           static_cast<std::uint16_t>(destination.port ^ port),
           vlan_or_0},
          source_is_lo};
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
