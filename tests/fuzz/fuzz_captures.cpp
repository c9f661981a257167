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
#include <vector>

#include "pipeline/packet/link_layer.h"
#include "pipeline/port/capture_reader.h"
#include "pipeline/port/capture_source.h"

/// Any octets, as a capture file: doorslam's own reading of plain records gives what libpcap gives, and stops where it
/// stops, whatever the size of the window and of the bursts.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const MemoryFile memory;
  const packet::ByteView file(data + 1, size - 1);
  memory.hold(file);
  const std::string path = memory.path();
  const auto expected = by_libpcap(path, file);
  const auto found = by_doorslam(path, kWindowOctets[data[0] & 3U], kBursts[data[0] >> 2U & 3U]);
  require(found.has_value() == expected.has_value());
  if (!found) return 0;
  require(found->packets == expected->packets);
  require(found->without_time == expected->without_time);
  require(found->failed == expected->failed);
  require_order(path, found->packets.size());
  return 0;
}
