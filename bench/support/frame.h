#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bench/support/traffic.h"

/// Frames as a port would deliver them: Ethernet, IPv4 or IPv6, TCP without options, right checksums.
///
/// A buffer holds a frame of each IP version, made once; what follows rewrites only what differs between two packets.
namespace doorslam::bench {

namespace detail {

template <class Number>
void store(std::uint8_t* at, Number value) noexcept {
  std::memcpy(at, &value, sizeof(value));
}
inline void store16(std::uint8_t* at, std::uint16_t value) noexcept { store(at, __builtin_bswap16(value)); }
inline void store32(std::uint8_t* at, std::uint32_t value) noexcept { store(at, __builtin_bswap32(value)); }

inline std::uint32_t halves(std::uint32_t word) noexcept { return (word >> 16U) + (word & 0xffffU); }
inline std::uint16_t folded(std::uint32_t sum) noexcept {
  sum = halves(sum);
  return static_cast<std::uint16_t>(~halves(sum));
}

}  // namespace detail

class FrameBuffer {
 public:
  static constexpr std::size_t kLongestPayload = 1460;
  static constexpr std::size_t kFrame4 = 0;     ///< where the IPv4 frame begins
  static constexpr std::size_t kFrame6 = 2048;  ///< and the IPv6 frame
  static constexpr std::size_t kOctets = 4096;
  static constexpr std::size_t kHeaders4 = 14 + 20 + 20;
  static constexpr std::size_t kHeaders6 = 14 + 40 + 20;

  /// Makes the frames; `octets` has kOctets.
  static void prepare(std::uint8_t* octets) noexcept;

  /// Writes a line into the frame of its IP version; returns the frame's length without FCS.
  static std::size_t write(const Line& line, std::uint8_t* octets) noexcept {
    return line.v6 ? write6(line, octets + kFrame6) : write4(line, octets + kFrame4);
  }
  static std::uint8_t* frame(const Line& line, std::uint8_t* octets) noexcept {
    return octets + (line.v6 ? kFrame6 : kFrame4);
  }

 private:
  static constexpr std::uint16_t kWindow = 8192;
  static constexpr std::uint16_t kPayloadWord = 0x7878;
  /// Sums of what every header has, for its checksum.
  static constexpr std::uint32_t kConstantIp = 0x4500 + 0x4000 + 0x4006;
  static constexpr std::uint32_t kConstantTcp = 6 + 0x5000 + kWindow;
  static constexpr std::uint32_t kConstantAddresses6 = 2 * (0x2001 + 0x0db8);

  static std::size_t write4(const Line& line, std::uint8_t* frame) noexcept {
    const Ends ends = ends_of(line.connection);
    const std::uint32_t source = line.from_client ? ends.client : ends.server;
    const std::uint32_t destination = line.from_client ? ends.server : ends.client;
    const std::uint32_t addresses = detail::halves(source) + detail::halves(destination);
    const auto length = static_cast<std::uint16_t>(40 + line.payload);
    detail::store16(frame + 16, length);
    detail::store16(frame + 24, detail::folded(kConstantIp + length + addresses));
    detail::store32(frame + 26, source);
    detail::store32(frame + 30, destination);
    write_tcp(line, ends, addresses, frame + 34);
    return kHeaders4 + line.payload;
  }

  static std::size_t write6(const Line& line, std::uint8_t* frame) noexcept {
    const Ends ends = ends_of(line.connection);
    const std::uint32_t source = line.from_client ? ends.client : ends.server;
    const std::uint32_t destination = line.from_client ? ends.server : ends.client;
    detail::store16(frame + 18, static_cast<std::uint16_t>(20 + line.payload));
    detail::store32(frame + 34, source);
    detail::store32(frame + 50, destination);
    write_tcp(line, ends, detail::halves(source) + detail::halves(destination) + kConstantAddresses6, frame + 54);
    return kHeaders6 + line.payload;
  }

  static void write_tcp(const Line& line, const Ends& ends, std::uint32_t addresses, std::uint8_t* tcp) noexcept {
    detail::store16(tcp, line.from_client ? ends.client_port : ends.server_port);
    detail::store16(tcp + 2, line.from_client ? ends.server_port : ends.client_port);
    detail::store32(tcp + 4, line.seq);
    detail::store32(tcp + 8, line.ack);
    tcp[13] = line.flags;
    const std::uint32_t payload = (line.payload / 2U) * kPayloadWord;  // its length is even
    detail::store16(tcp + 16,
                    detail::folded(kConstantTcp + 20U + line.payload + addresses + ends.client_port + ends.server_port +
                                   detail::halves(line.seq) + detail::halves(line.ack) + line.flags + payload));
  }
};

}  // namespace doorslam::bench
