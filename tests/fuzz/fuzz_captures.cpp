#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/port/capture_reader.h"
#include "pipeline/port/capture_source.h"
#include "pipeline/port/classic_records.h"
#include "pipeline/port/pcapng_records.h"
#include "tests/support/libpcap_reading.h"

/// Any octets, as a capture file: doorslam's own reading gives what libpcap gives, and stops where it stops, whatever
/// the size of the window and of the bursts. Of pcapng it reads more: where libpcap refuses what is no damage, such as
/// interfaces of different link types, it reads on; of several sections it looks at every header.
///
/// The first octet selects the sizes; the rest is the file.
namespace {

using namespace doorslam;
using packet::RawPacket;
using test::CaptureContents;

constexpr std::array<std::size_t, 4> kWindowOctets = {512, 4096, std::size_t{16} * 1024, std::size_t{128} * 1024};
constexpr std::array<std::size_t, 4> kBursts = {1, 3, 7, 64};

/// Aborts, for the fuzzer to see, when a promise is broken.
void require(bool holds) {
  if (!holds) std::abort();
}

/// A file in memory that can be opened by its path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("capture", MFD_CLOEXEC)) { require(descriptor_ >= 0); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void hold(packet::ByteView octets) const {
    require(ftruncate(descriptor_, 0) == 0);
    require(pwrite(descriptor_, octets.data(), octets.size(), 0) == static_cast<ssize_t>(octets.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

std::optional<CaptureContents> by_doorslam(const std::string& path, std::size_t window_octets, std::size_t burst) {
  auto reader = port::CaptureReader::open(path, window_octets);
  if (!reader) return {};
  CaptureContents capture;
  std::vector<RawPacket> packets(burst);
  while (const std::size_t count = reader->read(packets)) {
    require(count <= burst);
    for (const RawPacket& read : std::span(packets).first(count)) {
      capture.packets.push_back({{read.captured.begin(), read.captured.end()}, read.wire_length, read.time_ns});
    }
  }
  capture.without_time = reader->packets_without_time();
  capture.failed = reader->error().has_value();
  return capture;
}

/// All packets of the file come, in order of time.
void require_order(const std::string& path, std::size_t packets) {
  const std::array<std::string, 1> paths = {path};
  auto source = port::CaptureSource::open(paths);
  std::array<RawPacket, port::CaptureSource::kBurst> burst;
  std::size_t all = 0;
  flowtable::TimeNs latest = 0;
  while (const std::size_t count = source.next_burst(burst)) {
    for (const RawPacket& read : std::span(burst).first(count)) {
      require(read.time_ns >= latest && read.time_ns > 0);
      require(read.number == ++all);
      latest = read.time_ns;
    }
  }
  require(all == packets);
}

bool is_pcapng(packet::ByteView file) { return port::PcapngRecords::begins(file); }

bool has_several_sections(packet::ByteView file) {
  constexpr std::array<std::uint8_t, 4> kSection = {0x0a, 0x0d, 0x0d, 0x0a};
  return std::search(file.begin() + 1, file.end(), kSection.begin(), kSection.end()) != file.end();
}

/// Whether there may be an interface in units of less than 2^-34 s, in which libpcap counts the nanoseconds wrong.
bool has_finest_units(packet::ByteView file) {
  constexpr std::uint8_t kFinestRight = 0x80 | 34;
  for (std::size_t at = 0; at + 5 <= file.size(); ++at) {
    const bool little = file[at] == 9 && file[at + 1] == 0 && file[at + 2] == 1 && file[at + 3] == 0;
    const bool big = file[at] == 0 && file[at + 1] == 9 && file[at + 2] == 0 && file[at + 3] == 1;
    if ((little || big) && file[at + 4] > kFinestRight) return true;
  }
  return false;
}

void require_no_less(const CaptureContents& found, const CaptureContents& expected, bool same_times) {
  require(found.packets.size() >= expected.packets.size());
  require(expected.refused || (found.packets.size() == expected.packets.size() && found.failed == expected.failed));
  for (std::size_t i = 0; i < expected.packets.size(); ++i) {
    require(found.packets[i].octets == expected.packets[i].octets);
    require(found.packets[i].wire_length == expected.packets[i].wire_length);
    require(!same_times || found.packets[i].time_ns == expected.packets[i].time_ns);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const MemoryFile memory;
  const packet::ByteView file(data + 1, size - 1);
  memory.hold(file);
  const std::string path = memory.path();
  const bool classic = port::ClassicRecords::of(file, 1, 1).has_value();
  const auto expected = test::read_by_libpcap(path, classic);
  const auto found = by_doorslam(path, kWindowOctets[data[0] & 3U], kBursts[data[0] >> 2U & 3U]);
  if (is_pcapng(file)) {
    if (expected && !has_several_sections(file)) {
      require(found.has_value());
      require_no_less(*found, *expected, !has_finest_units(file));
    }
  } else {
    require(found.has_value() == expected.has_value());
    if (found) {
      require(found->packets == expected->packets);
      require(found->without_time == expected->without_time);
      require(found->failed == expected->failed);
    }
  }
  if (found) require_order(path, found->packets.size());
  return 0;
}
