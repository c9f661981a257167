#include <pcap/pcap.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/packet/link_layer.h"
#include "pipeline/port/capture_reader.h"
#include "pipeline/port/capture_source.h"
#include "pipeline/port/classic_records.h"
#include "pipeline/port/pcapng_records.h"

/// Any octets, as a capture file: doorslam's own reading gives what libpcap gives, and stops where it stops, whatever
/// the size of the window and of the bursts. Of pcapng it reads more: where libpcap refuses what is no damage, such as
/// interfaces of different link types, it reads on; of several sections it looks at every header.
///
/// The first octet selects the sizes; the rest is the file.
namespace {

using namespace doorslam;
using packet::RawPacket;

constexpr std::array<std::size_t, 4> kWindowOctets = {512, 4096, std::size_t{16} * 1024, std::size_t{128} * 1024};
constexpr std::array<std::size_t, 4> kBursts = {1, 3, 7, 64};
constexpr std::int64_t kYear2200 = 7'258'118'400;

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

struct Packet {
  std::vector<std::uint8_t> octets;
  std::uint32_t wire_length = 0;
  flowtable::TimeNs time_ns = flowtable::kNoTime;

  bool operator==(const Packet&) const = default;
};

struct Capture {
  std::vector<Packet> packets;
  std::uint64_t without_time = 0;
  bool failed = false;
  bool refused = false;  ///< libpcap stopped at what is no damage
};

/// Nothing where libpcap cannot open it or nobody decodes its frames.
std::optional<Capture> by_libpcap(const std::string& path, packet::ByteView file) {
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> pcap(
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, message.data()), &pcap_close);
  if (pcap == nullptr) return {};
  const int link_type = pcap_datalink(pcap.get());
  if (!packet::reads_link_type(link_type == DLT_RAW ? 101 : static_cast<std::uint32_t>(link_type))) return {};
  // In a classic file the seconds are unsigned, which libpcap does not know.
  const bool classic = port::ClassicRecords::of(file, 1, 1).has_value();
  Capture capture;
  flowtable::TimeNs time_ns = flowtable::kNoTime;
  pcap_pkthdr* header = nullptr;
  const std::uint8_t* octets = nullptr;
  int status = 0;
  while ((status = pcap_next_ex(pcap.get(), &header, &octets)) == 1) {
    const std::int64_t seconds = classic ? static_cast<std::uint32_t>(header->ts.tv_sec) : header->ts.tv_sec;
    const std::int64_t rest = header->ts.tv_usec;
    if (seconds >= 0 && seconds < kYear2200 && rest >= 0 && rest < flowtable::kSecondNs && (seconds | rest) != 0) {
      time_ns = seconds * flowtable::kSecondNs + rest;
    } else {
      ++capture.without_time;
    }
    capture.packets.push_back({{octets, octets + header->caplen}, std::max(header->len, header->caplen), time_ns});
  }
  capture.failed = status != PCAP_ERROR_BREAK;
  capture.refused =
      capture.failed && std::string_view(pcap_geterr(pcap.get())).find("different") != std::string_view::npos;
  return capture;
}

std::optional<Capture> by_doorslam(const std::string& path, std::size_t window_octets, std::size_t burst) {
  auto reader = port::CaptureReader::open(path, window_octets);
  if (!reader) return {};
  Capture capture;
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

void require_no_less(const Capture& found, const Capture& expected, bool same_times) {
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
  const auto expected = by_libpcap(path, file);
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
