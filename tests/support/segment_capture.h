#pragma once

#include <arpa/inet.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "pipeline/packet/segment.h"
#include "tests/support/frame_builder.h"

/// Segments as frames, and frames as a capture file.
namespace doorslam::test {

inline std::string text_of(const flowtable::IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.version == flowtable::IpVersion::v4 ? AF_INET : AF_INET6;
  return inet_ntop(family, address.octets.data(), text.data(), text.size());
}

inline Frame ip_frame(const flowtable::IpAddress& source, const flowtable::IpAddress& destination, std::uint8_t ttl,
                      std::uint16_t id) {
  Frame frame;
  frame.ethernet();
  if (source.version == flowtable::IpVersion::v4) {
    frame.ipv4(text_of(source), text_of(destination), {.ttl = ttl, .id = id});
  } else {
    frame.ipv6(text_of(source), text_of(destination), {.hop_limit = ttl});
  }
  return frame;
}

inline Bytes frame_of(const packet::Segment& segment) {
  Frame frame = ip_frame(segment.source.address, segment.destination.address, segment.ttl, segment.ip_id);
  frame.tcp({.source_port = segment.source.port,
             .destination_port = segment.destination.port,
             .seq = segment.seq,
             .ack = segment.ack,
             .flags = segment.flags,
             .window = segment.window,
             .bad_checksum = segment.checksum_bad});
  frame.raw(Bytes(segment.payload.begin(), segment.payload.end()));
  return frame.bytes();
}

/// An ICMP error (RFC 792, type 3) of `reporter` about an IPv4 segment, with the inner headers.
inline Bytes unreachable_frame(const packet::Segment& about, const flowtable::IpAddress& reporter, std::uint8_t code) {
  Frame frame = ip_frame(reporter, about.source.address, 60, 1);
  frame.icmp(3, code);
  frame.ipv4(text_of(about.source.address), text_of(about.destination.address));
  frame.tcp({.source_port = about.source.port, .destination_port = about.destination.port, .seq = about.seq});
  return frame.bytes();
}

/// A capture with times in nanoseconds (draft-ietf-opsawg-pcap), Ethernet unless told otherwise.
class CaptureFile {
 public:
  explicit CaptureFile(std::uint32_t link_type = 1) {
    for (const std::uint32_t word : {0xa1b23c4dU, 0x00040002U, 0U, 0U, 65'535U, link_type}) append(word);
  }

  CaptureFile& add(const packet::Segment& segment) { return add(segment.time_ns, frame_of(segment)); }
  CaptureFile& add(std::span<const packet::Segment> segments) {
    for (const packet::Segment& segment : segments) add(segment);
    return *this;
  }
  CaptureFile& add(flowtable::TimeNs time_ns, const Bytes& frame) {
    append(static_cast<std::uint32_t>(time_ns / flowtable::kSecondNs));
    append(static_cast<std::uint32_t>(time_ns % flowtable::kSecondNs));
    append(static_cast<std::uint32_t>(frame.size()));
    append(static_cast<std::uint32_t>(frame.size()));
    bytes_.insert(bytes_.end(), frame.begin(), frame.end());
    return *this;
  }

  /// Leaves out the last `missing` octets.
  void write(const std::filesystem::path& path, std::size_t missing = 0) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size() - missing));
  }

 private:
  void append(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<std::uint8_t>(word >> shift));
  }

  Bytes bytes_;
};

}  // namespace doorslam::test
