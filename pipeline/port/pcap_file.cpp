#include "pipeline/port/pcap_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pipeline/port/capture_filter.h"

namespace doorslam::port {
namespace {

/// Room for 64 full Ethernet frames. A burst ends early when larger ones fill it.
constexpr std::size_t kArenaOctets = std::size_t{64} * 1536;
constexpr std::int64_t kLatestSecond = flowtable::kLatestNs / flowtable::kSecondNs;

}  // namespace

Result<std::unique_ptr<CaptureFile>> PcapFile::open(std::unique_ptr<CaptureStream>& stream) {
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  pcap_t* pcap = pcap_fopen_offline_with_tstamp_precision(stream->file(), PCAP_TSTAMP_PRECISION_NANO, message.data());
  if (pcap == nullptr) return data_error(message.data());
  stream->release_file();
  return std::unique_ptr<CaptureFile>(new PcapFile(std::move(stream), pcap));
}

PcapFile::PcapFile(std::unique_ptr<CaptureStream> stream, pcap_t* pcap)
    : CaptureFile(std::move(stream)),
      pcap_(pcap),
      arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kArenaOctets)),
      link_type_(link_type_of(pcap_datalink(pcap))) {
  next_record_ = stream_->position();
  classic_ = ClassicRecords::of(stream_->head(), link_type_, static_cast<std::uint32_t>(pcap_snapshot(pcap)));
  if (classic_) stream_->take_back();
}

std::size_t PcapFile::read(std::span<packet::RawPacket> out) {
  while (classic_ && !done_ && !out.empty()) {
    const TakenRecords taken = classic_->take(stream_->window(), out, last_time_ns_, packets_without_time_);
    stream_->consume(taken.octets);
    if (taken.packets > 0) [[likely]]
      return taken.packets;
    // Nothing is lent, so the window may move. What is no plain record even in a full window is libpcap's.
    if (!taken.cut || !stream_->fill()) return hand_over(out);
  }
  return read_by_libpcap(out);
}

/// One packet by libpcap, then the window is at what follows.
std::size_t PcapFile::hand_over(std::span<packet::RawPacket> out) {
  const std::size_t count = read_by_libpcap(out.first(1));
  stream_->take_back();
  return count;
}

std::size_t PcapFile::read_by_libpcap(std::span<packet::RawPacket> out) {
  std::size_t count = 0;
  std::size_t used = 0;
  while (!done_ && count < out.size()) {
    // libpcap reuses its buffer, so the packet before goes to the arena first. The last one of a burst stays there.
    if (count > 0) {
      packet::ByteView& previous = out[count - 1].captured;
      if (previous.size() > kArenaOctets - used) break;
      if (!previous.empty()) std::memcpy(arena_.get() + used, previous.data(), previous.size());
      previous = {arena_.get() + used, previous.size()};
      used += previous.size();
    }
    next_record_ = stream_->position();
    pcap_pkthdr* header = nullptr;
    const std::uint8_t* bytes = nullptr;
    const int status = pcap_next_ex(pcap_.get(), &header, &bytes);
    if (status == 1) {
      out[count++] = describe(*header, bytes);
      continue;
    }
    done_ = true;
    if (status == PCAP_ERROR_BREAK) continue;
    if (std::ferror(stream_->file()) == 0 && std::feof(stream_->file()) != 0) {
      stop_at_cut();
    } else {
      stop_for(pcap_geterr(pcap_.get()));
    }
  }
  return count;
}

packet::RawPacket PcapFile::describe(const pcap_pkthdr& header, const std::uint8_t* bytes) noexcept {
  packet::RawPacket packet;
  packet.captured = {bytes, header.caplen};
  packet.wire_length = std::max(header.len, header.caplen);
  packet.link_type = link_type_;
  // libpcap takes the seconds of a classic record for signed, which they are not.
  const std::int64_t seconds = classic_ ? static_cast<std::uint32_t>(header.ts.tv_sec) : header.ts.tv_sec;
  const std::int64_t rest_ns = header.ts.tv_usec;
  const bool plausible = seconds >= 0 && seconds < kLatestSecond && rest_ns >= 0 && rest_ns < flowtable::kSecondNs &&
                         (seconds > 0 || rest_ns > 0);
  if (plausible) {
    last_time_ns_ = seconds * flowtable::kSecondNs + rest_ns;
  } else {
    ++packets_without_time_;
  }
  packet.time_ns = last_time_ns_;
  return packet;
}

}  // namespace doorslam::port
