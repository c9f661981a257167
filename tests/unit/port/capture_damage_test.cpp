#include <algorithm>
#include <array>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "pipeline/port/capture_reader.h"
#include "tests/support/libpcap_reading.h"
#include "tests/unit/port/capture_bytes.h"
#include "tests/unit/port/kept_packets.h"

/// Captures with octets changed and ends cut off: doorslam's own reading is held against libpcap's.
namespace doorslam::port {
namespace {

using test::Bytes;
using test::CaptureContents;
using test::frame;
using test::Kept;
using test::Order;
using test::PcapFile;
using test::PcapngFile;
using test::read_all;
using test::read_by_libpcap;

using CaptureDamageTest = test::CaptureFolder;

/// Reads the file, of which the reader must make what libpcap makes of it, and more only where libpcap refuses an
/// interface for being different.
void compare(const CaptureContents& expected, const std::string& path) {
  auto reader = CaptureReader::open(path, 16 * 1024);
  ASSERT_TRUE(reader);
  const std::vector<Kept> all = read_all(*reader);
  if (expected.refused) {
    ASSERT_GE(all.size(), expected.packets.size());
  } else {
    ASSERT_EQ(all.size(), expected.packets.size());
    ASSERT_EQ(reader->error().has_value(), expected.failed);
  }
  for (std::size_t packet = 0; packet < expected.packets.size(); ++packet) {
    ASSERT_TRUE(all[packet].bytes == expected.packets[packet].octets) << "packet " << packet;
    ASSERT_EQ(all[packet].packet.wire_length, expected.packets[packet].wire_length) << "packet " << packet;
    ASSERT_EQ(all[packet].packet.time_ns, expected.packets[packet].time_ns) << "packet " << packet;
  }
}

TEST_F(CaptureDamageTest, OfADamagedPcapReadsWhatLibpcapReads) {
  std::minstd_rand engine(5);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  for (int i = 0; i < 400; ++i) {
    const std::uint32_t snap_length = std::array{0U, 60U, 200U, 65'535U, 262'144U}[random() % 5];
    PcapFile file(random() % 2 == 0 ? PcapFile::kNanoseconds : PcapFile::kMicroseconds,
                  random() % 2 == 0 ? Order::little : Order::big, 1, snap_length);
    for (std::uint32_t packet = 0; packet < 30; ++packet) {
      file.packet(packet + 1, 0, frame(static_cast<std::uint8_t>(packet), random() % 300), random() % 400);
    }
    Bytes bytes = file.bytes();
    // A length, mostly, or any octet after the header of the file; every third file is cut as well.
    for (std::size_t changes = random() % 3; changes > 0; --changes) {
      const std::size_t start = file.starts()[random() % 30];
      const std::size_t at = random() % 4 == 0 ? 24 + random() % (bytes.size() - 24) : start + 8 + random() % 8;
      bytes[at] = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : random() % 3);
    }
    const std::size_t length = random() % 3 == 0 ? 24 + random() % (bytes.size() - 24) : bytes.size();
    const std::string path = write_part("file", bytes, length);
    const auto expected = read_by_libpcap(path, true);
    ASSERT_TRUE(expected);
    ASSERT_NO_FATAL_FAILURE(compare(*expected, path)) << i;
  }
}

/// Interfaces of all kinds before and between the packets, and blocks that are none.
PcapngFile any_blocks(const std::function<std::uint32_t()>& random) {
  PcapngFile file(random() % 2 == 0 ? Order::little : Order::big);
  std::uint32_t interfaces = 0;
  const bool odd_units = random() % 3 == 0;
  const auto add_interface = [&] {
    const std::uint8_t units = std::array<std::uint8_t, 4>{6, 9, 3, 0x8a}[random() % (odd_units ? 4 : 2)];
    file.interface(1, units, 250);
    ++interfaces;
  };
  add_interface();
  for (std::uint32_t packet = 0; packet < 150; ++packet) {
    if (random() % 20 == 0) add_interface();
    if (random() % 10 == 0) file.name_resolution();
    if (random() % 10 == 0) file.statistics();
    if (random() % 30 == 0) file.simple_packet(frame(200, 100));
    const std::uint64_t ticks = std::uint64_t{1'000'000} * (1 + packet) + random() % 1000;
    const std::size_t length = random() % 500 == 0 ? 280 : random() % 250;  // the longer is against the snap length
    file.packet(random() % interfaces, ticks, frame(static_cast<std::uint8_t>(packet), length), random() % 400);
  }
  file.statistics();
  return file;
}

TEST_F(CaptureDamageTest, OfADamagedPcapngReadsWhatLibpcapReads) {
  std::minstd_rand engine(6);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  for (int i = 0; i < 400; ++i) {
    const PcapngFile file = any_blocks(random);
    Bytes bytes = file.bytes();
    const std::vector<std::size_t>& starts = file.starts();
    for (std::size_t changes = random() % 3; changes > 0; --changes) {
      const std::size_t start = starts[2 + random() % (starts.size() - 2)];
      const std::size_t at = std::min(start + random() % (random() % 4 == 0 ? 300 : 32), bytes.size() - 1);
      bytes[at] = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : random() % 8);
    }
    const std::size_t length = random() % 3 == 0 ? starts[2] + random() % (bytes.size() - starts[2]) : bytes.size();
    const std::string path = write_part("file", bytes, length);
    const auto expected = read_by_libpcap(path, false);
    ASSERT_TRUE(expected);
    ASSERT_NO_FATAL_FAILURE(compare(*expected, path)) << i;
  }
}

}  // namespace
}  // namespace doorslam::port
