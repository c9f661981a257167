#pragma once

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/link_layer.h"

/// Capture files as libpcap alone reads them: what doorslam's own reading is held against.
namespace doorslam::test {

struct CapturedPacket {
  std::vector<std::uint8_t> octets;
  std::uint32_t wire_length = 0;
  flowtable::TimeNs time_ns = flowtable::kNoTime;  ///< without a sensible time: that of the packet before

  bool operator==(const CapturedPacket&) const = default;
};

struct CaptureContents {
  std::vector<CapturedPacket> packets;
  std::uint64_t without_time = 0;
  bool failed = false;   ///< reading stopped before the end of the file
  bool refused = false;  ///< it did so at what is no damage, but more than libpcap can do
};

/// `classic`: the file is no pcapng, and its seconds are unsigned, which libpcap does not know. Nothing where libpcap
/// cannot open the file or nobody decodes its frames.
inline std::optional<CaptureContents> read_by_libpcap(const std::string& path, bool classic) {
  constexpr std::int64_t kYear2200 = 7'258'118'400;
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> pcap(
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, message.data()), &pcap_close);
  if (pcap == nullptr) return {};
  const int dlt = pcap_datalink(pcap.get());
  const auto link_type = dlt == DLT_RAW ? packet::link_type::kRaw : static_cast<std::uint32_t>(dlt);
  if (!packet::reads_link_type(link_type)) return {};
  CaptureContents contents;
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
      ++contents.without_time;
    }
    contents.packets.push_back({{octets, octets + header->caplen}, std::max(header->len, header->caplen), time_ns});
  }
  contents.failed = status != PCAP_ERROR_BREAK;
  const std::string_view error = pcap_geterr(pcap.get());
  contents.refused = contents.failed && error.find("different") != std::string_view::npos;
  return contents;
}

}  // namespace doorslam::test
