#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

/// Capture files octet by octet, as their specifications lay them out, right or wrong as a test wants them.
namespace doorslam::test {

using Bytes = std::vector<std::uint8_t>;

enum class Order { little, big };

/// Appends numbers in a given byte order.
class Writer {
 public:
  explicit Writer(Order order) : order_(order) {}

  Writer& u16(std::uint32_t value) { return number(value, 2); }
  Writer& u32(std::uint32_t value) { return number(value, 4); }
  Writer& octets(const Bytes& data) {
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    return *this;
  }
  Writer& pad() {
    while (bytes_.size() % 4 != 0) bytes_.push_back(0);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Writer& number(std::uint32_t value, unsigned octets) {
    for (unsigned i = 0; i < octets; ++i) {
      const unsigned shift = 8 * (order_ == Order::little ? i : octets - 1 - i);
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
    return *this;
  }

  Order order_;
  Bytes bytes_;
};

/// A frame whose octets tell frames apart.
inline Bytes frame(std::uint8_t mark, std::size_t length = 60) { return Bytes(length, mark); }

/// draft-ietf-opsawg-pcap: a 24-octet header, then records.
class PcapFile {
 public:
  static constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
  static constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;

  explicit PcapFile(std::uint32_t magic = kMicroseconds, Order order = Order::little, std::uint32_t link_type = 1,
                    std::uint32_t snapshot_length = 65'535)
      : order_(order) {
    bytes_ = Writer(order).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(snapshot_length).u32(link_type).bytes();
  }

  /// `fraction` is in the units of the magic. `wire_length` 0 means as captured.
  PcapFile& packet(std::uint32_t seconds, std::uint32_t fraction, const Bytes& data, std::uint32_t wire_length = 0) {
    starts_.push_back(bytes_.size());
    const auto captured = static_cast<std::uint32_t>(data.size());
    const Bytes record = Writer(order_)
                             .u32(seconds)
                             .u32(fraction)
                             .u32(captured)
                             .u32(wire_length == 0 ? captured : wire_length)
                             .octets(data)
                             .bytes();
    bytes_.insert(bytes_.end(), record.begin(), record.end());
    return *this;
  }

  const Bytes& bytes() const { return bytes_; }
  /// Offsets of the records.
  const std::vector<std::size_t>& starts() const { return starts_; }

 private:
  Order order_;
  Bytes bytes_;
  std::vector<std::size_t> starts_;
};

/// draft-ietf-opsawg-pcapng: blocks.
class PcapngFile {
 public:
  explicit PcapngFile(Order order = Order::little) { section(order); }

  /// Another section, as `cat a.pcapng b.pcapng` makes one.
  PcapngFile& section(Order order) {
    order_ = order;
    return block(0x0a0d0d0a, Writer(order).u32(0x1a2b3c4d).u16(1).u16(0).u32(0xffffffff).u32(0xffffffff).bytes());
  }

  /// `resolution` is the option if_tsresol: 6 for microseconds, 9 for nanoseconds.
  PcapngFile& interface(std::uint32_t link_type = 1, std::uint8_t resolution = 6,
                        std::uint32_t snapshot_length = 65'535) {
    Writer body(order_);
    body.u16(link_type).u16(0).u32(snapshot_length);
    body.u16(9).u16(1).octets({resolution}).pad().u16(0).u16(0);
    return block(1, body.bytes());
  }

  /// `ticks` counts in the resolution of the interface.
  PcapngFile& packet(std::uint32_t interface, std::uint64_t ticks, const Bytes& data, std::uint32_t wire_length = 0) {
    const auto captured = static_cast<std::uint32_t>(data.size());
    Writer body(order_);
    body.u32(interface).u32(static_cast<std::uint32_t>(ticks >> 32)).u32(static_cast<std::uint32_t>(ticks));
    body.u32(captured).u32(wire_length == 0 ? captured : wire_length).octets(data);
    packet_ends_.push_back(bytes_.size());
    block(6, body.bytes());
    packet_ends_.back() = bytes_.size();
    return *this;
  }

  /// A Simple Packet Block: no time.
  PcapngFile& simple_packet(const Bytes& data) {
    return block(3, Writer(order_).u32(static_cast<std::uint32_t>(data.size())).octets(data).bytes());
  }

  /// The Packet Block of old drafts.
  PcapngFile& obsolete_packet(std::uint32_t interface, std::uint64_t ticks, const Bytes& data) {
    const auto captured = static_cast<std::uint32_t>(data.size());
    Writer body(order_);
    body.u16(interface).u16(0).u32(static_cast<std::uint32_t>(ticks >> 32)).u32(static_cast<std::uint32_t>(ticks));
    return block(2, body.u32(captured).u32(captured).octets(data).bytes());
  }

  /// With an offset of the interface's time stamps, in seconds.
  PcapngFile& interface_with_offset(std::uint32_t link_type, std::uint32_t seconds) {
    Writer body(order_);
    body.u16(link_type).u16(0).u32(65'535).u16(14).u16(8);
    if (order_ == Order::little) body.u32(seconds).u32(0);
    if (order_ == Order::big) body.u32(0).u32(seconds);
    return block(1, body.bytes());
  }

  PcapngFile& name_resolution() { return block(4, Writer(order_).u16(0).u16(0).bytes()); }
  PcapngFile& statistics() { return block(5, Writer(order_).u32(0).u32(0).u32(0).bytes()); }

  const Bytes& bytes() const { return bytes_; }
  /// Offsets of all blocks.
  const std::vector<std::size_t>& starts() const { return starts_; }
  /// Offsets after the Enhanced Packet Blocks.
  const std::vector<std::size_t>& packet_ends() const { return packet_ends_; }

 private:
  PcapngFile& block(std::uint32_t type, const Bytes& body) {
    starts_.push_back(bytes_.size());
    const Bytes padded = Writer(order_).octets(body).pad().bytes();
    const auto length = static_cast<std::uint32_t>(padded.size() + 12);
    const Bytes whole = Writer(order_).u32(type).u32(length).octets(padded).u32(length).bytes();
    bytes_.insert(bytes_.end(), whole.begin(), whole.end());
    return *this;
  }

  Order order_ = Order::little;
  Bytes bytes_;
  std::vector<std::size_t> starts_;
  std::vector<std::size_t> packet_ends_;
};

/// A folder of its own for a test's files, gone with the test.
class CaptureFolder : public ::testing::Test {
 protected:
  CaptureFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "doorslam-port-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~CaptureFolder() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const Bytes& bytes) const {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }
  std::string write_part(const std::string& name, const Bytes& bytes, std::size_t length) const {
    return write(name, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)));
  }

  std::filesystem::path folder_;
};

}  // namespace doorslam::test
