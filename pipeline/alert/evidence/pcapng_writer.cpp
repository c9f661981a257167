#include "pipeline/alert/evidence/pcapng_writer.h"

#include <sys/utsname.h>

#include <algorithm>

namespace doorslam::trace_files {
namespace {

// draft-ietf-opsawg-pcapng, sections 3.5, 4.1, 4.2 and 4.3.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
constexpr std::uint32_t kUnknownLength = 0xffffffff;
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kSystem = 3;
constexpr std::uint16_t kApplication = 4;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint8_t kNanoseconds = 9;
constexpr std::size_t kLongestOption = 0xfffc;  ///< that needs no padding beyond 16 bits

std::string operating_system() {
  utsname names{};
  return uname(&names) == 0 ? names.sysname : "";
}

}  // namespace

PcapngWriter::PcapngWriter(std::string_view application, std::uint32_t snap_octets,
                           std::span<const std::string> comments)
    : snap_octets_(snap_octets) {
  begin_block(kSectionHeader);
  put32(kByteOrder);
  put16(1);  // version 1.0
  put16(0);
  put32(kUnknownLength);
  put32(kUnknownLength);
  for (const std::string& comment : comments) put_option(kComment, comment);
  put_option(kSystem, operating_system());
  put_option(kApplication, application);
  end_options();
  end_block();
}

void PcapngWriter::add(const CapturedFrame& frame, std::span<const std::string> comments) {
  const std::uint32_t interface = interface_of(frame.link_type);
  const auto time = static_cast<std::uint64_t>(frame.time_ns);
  const auto captured = static_cast<std::uint32_t>(frame.octets.size());
  begin_block(kEnhancedPacket);
  put32(interface);
  put32(static_cast<std::uint32_t>(time >> 32U));
  put32(static_cast<std::uint32_t>(time));
  put32(captured);
  put32(std::max(frame.wire_length, captured));
  put_padded(frame.octets);
  for (const std::string& comment : comments) put_option(kComment, comment);
  if (!comments.empty()) end_options();
  end_block();
}

/// An interface is described before its first packet.
std::uint32_t PcapngWriter::interface_of(std::uint16_t link_type) {
  const auto [known, added] = interfaces_.try_emplace(link_type, static_cast<std::uint32_t>(interfaces_.size()));
  if (!added) return known->second;
  begin_block(kInterface);
  put16(link_type);
  put16(0);
  put32(snap_octets_);
  put_option(kTimeResolution, packet::ByteView(&kNanoseconds, 1));
  end_options();
  end_block();
  return known->second;
}

void PcapngWriter::begin_block(std::uint32_t type) {
  block_ = octets_.size();
  put32(type);
  put32(0);  // the length, when it is known
}

void PcapngWriter::end_block() {
  const auto length = static_cast<std::uint32_t>(octets_.size() - block_ + sizeof(std::uint32_t));
  const auto* const octets = reinterpret_cast<const std::uint8_t*>(&length);
  std::copy_n(octets, sizeof length, octets_.begin() + static_cast<std::ptrdiff_t>(block_ + sizeof length));
  put32(length);
}

void PcapngWriter::put16(std::uint16_t value) {
  const auto* const octets = reinterpret_cast<const std::uint8_t*>(&value);
  octets_.insert(octets_.end(), octets, octets + sizeof value);
}

void PcapngWriter::put32(std::uint32_t value) {
  const auto* const octets = reinterpret_cast<const std::uint8_t*>(&value);
  octets_.insert(octets_.end(), octets, octets + sizeof value);
}

void PcapngWriter::put_padded(packet::ByteView value) {
  octets_.insert(octets_.end(), value.begin(), value.end());
  octets_.resize((octets_.size() + 3) / 4 * 4);
}

void PcapngWriter::put_option(std::uint16_t code, packet::ByteView value) {
  const packet::ByteView written = value.first(std::min(value.size(), kLongestOption));
  put16(code);
  put16(static_cast<std::uint16_t>(written.size()));
  put_padded(written);
}

void PcapngWriter::put_option(std::uint16_t code, std::string_view text) {
  put_option(code, packet::ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void PcapngWriter::end_options() {
  put16(kEndOfOptions);
  put16(0);
}

}  // namespace doorslam::trace_files
