#include "pipeline/port/capture_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "pipeline/base/printable.h"
#include "pipeline/packet/link_layer.h"

namespace doorslam::port {
namespace {

/// Room for 64 full Ethernet frames. A burst ends early when larger ones fill it.
constexpr std::size_t kArenaOctets = std::size_t{64} * 1536;
constexpr std::size_t kBlockHeader = 8;
/// A time beyond the year 2200 is damage; in nanoseconds it would leave no headroom for deadlines.
constexpr std::int64_t kLatestSecond = 7'258'118'400;

/// libpcap hands out its own DLT_ numbers. They are those of the file but for a few that differ between systems.
std::uint32_t link_type_of(int dlt) {
  switch (dlt) {
    case DLT_ATM_RFC1483:
      return 100;
    case DLT_RAW:
      return 101;
    case DLT_SLIP_BSDOS:
      return 102;
    case DLT_PPP_BSDOS:
      return 103;
    default:
      return static_cast<std::uint32_t>(dlt);
  }
}

std::string_view decompressor_of(std::string_view compression) {
  if (compression == "gzip") return "zcat";
  if (compression == "zstd") return "zstdcat";
  if (compression == "xz") return "xzcat";
  if (compression == "bzip2") return "bzcat";
  return "lz4cat";
}

Error not_a_capture(const std::string& path, const CaptureStream& stream, std::string_view libpcap_says) {
  const std::string_view compression = stream.compression();
  if (!compression.empty()) {
    const std::string_view program = decompressor_of(compression);
    return {ErrorKind::data,
            path == "-"
                ? fmt::format("standard input: compressed ({}): {} FILE | doorslam read -", compression, program)
                : fmt::format("{}: compressed ({}): {} {} | doorslam read -", path, compression, program, path)};
  }
  const std::string_view name = path == "-" ? "standard input" : std::string_view(path);
  if (stream.head().empty()) return {ErrorKind::data, fmt::format("{}: empty; a capture has a header", name)};
  return {ErrorKind::data,
          fmt::format("{}: no capture that can be read: {}; wanted is pcap or pcapng", name, libpcap_says)};
}

Error unknown_link_type(const std::string& path, pcap_t* pcap) {
  const int type = pcap_datalink(pcap);
  const char* name = pcap_datalink_val_to_name(type);
  return {ErrorKind::data,
          fmt::format("{}: frames of link type {} ({}) cannot be decoded; capture Ethernet, Linux cooked, raw IP, PPP "
                      "or 802.11 frames",
                      path == "-" ? "standard input" : std::string_view(path), link_type_of(type),
                      name == nullptr ? "unnamed" : name)};
}

}  // namespace

Result<CaptureReader> CaptureReader::open(const std::string& path, std::size_t window_octets) {
  auto stream = CaptureStream::open(path, window_octets);
  if (!stream) return tl::unexpected(std::move(stream.error()));
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  pcap_t* pcap =
      pcap_fopen_offline_with_tstamp_precision((*stream)->file(), PCAP_TSTAMP_PRECISION_NANO, message.data());
  if (pcap == nullptr) return tl::unexpected(not_a_capture(path, **stream, message.data()));
  (*stream)->release_file();
  CaptureReader reader(path, std::move(*stream), pcap);
  if (!packet::reads_link_type(reader.link_type_)) return tl::unexpected(unknown_link_type(path, pcap));
  return reader;
}

CaptureReader::CaptureReader(std::string path, std::unique_ptr<CaptureStream> stream, pcap_t* pcap)
    : path_(std::move(path)),
      stream_(std::move(stream)),
      pcap_(pcap),
      arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kArenaOctets)),
      link_type_(link_type_of(pcap_datalink(pcap))),
      next_record_(stream_->position()) {
  const auto snapshot_length = static_cast<std::uint32_t>(pcap_snapshot(pcap));
  const packet::ByteView head = stream_->head();
  classic_ = ClassicRecords::of(head, link_type_, snapshot_length);
  if (next_record_ <= head.size()) pcapng_ = PcapngRecords::of(head.first(next_record_), link_type_, snapshot_length);
  if (classic_ || pcapng_) stream_->take_back();
}

Result<void> CaptureReader::filter_by(const std::string& expression) {
  std::unique_ptr<bpf_program, FilterFreer> filter(new bpf_program{});
  constexpr int kOptimised = 1;
  if (pcap_compile(pcap_.get(), filter.get(), expression.c_str(), kOptimised, PCAP_NETMASK_UNKNOWN) != 0) {
    return usage_error(fmt::format("--filter '{}' for {}: {}; man 7 pcap-filter says what is possible",
                                   printable(expression), printable(path_), printable(pcap_geterr(pcap_.get()))));
  }
  filter_ = std::move(filter);
  return {};
}

std::size_t CaptureReader::read(std::span<packet::RawPacket> out) {
  std::size_t count = read_any(out);
  if (!filter_) return count;
  while (count > 0) {
    const std::size_t kept = keep_matching(out.first(count));
    if (kept > 0) return kept;
    count = read_any(out);
  }
  return 0;
}

/// Moves the packets that match to the front; returns how many.
std::size_t CaptureReader::keep_matching(std::span<packet::RawPacket> packets) noexcept {
  std::size_t kept = 0;
  for (const packet::RawPacket& packet : packets) {
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(packet.captured.size());
    header.len = packet.wire_length;
    if (pcap_offline_filter(filter_.get(), &header, packet.captured.data()) == 0) {
      ++filtered_out_;
    } else {
      packets[kept++] = packet;
    }
  }
  return kept;
}

std::size_t CaptureReader::read_any(std::span<packet::RawPacket> out) {
  while ((classic_ || pcapng_) && !done_ && !out.empty()) {
    const TakenRecords taken = take(out);
    stream_->consume(taken.octets);
    if (taken.packets > 0) [[likely]]
      return taken.packets;
    // Nothing is lent, so the window may move. What is no plain record even in a full window is libpcap's.
    if (!taken.cut || !stream_->fill()) return hand_over(out);
  }
  return read_by_libpcap(out);
}

TakenRecords CaptureReader::take(std::span<packet::RawPacket> out) noexcept {
  return classic_ ? classic_->take(stream_->window(), out, last_time_ns_, packets_without_time_)
                  : pcapng_->take(stream_->window(), out, last_time_ns_, packets_without_time_);
}

/// One packet by libpcap, then the window is at what follows. A pcapng file that is unusual time and again, or in a way
/// that cannot be followed, is libpcap's from here on: what the two take over from each other is copied each time.
std::size_t CaptureReader::hand_over(std::span<packet::RawPacket> out) {
  constexpr std::uint32_t kOftenEnough = 64;
  if (pcapng_) {
    bool learned = pcapng_->learn(stream_->window());
    while (!learned && stream_->fill()) learned = pcapng_->learn(stream_->window());
    if (!learned || ++handed_over_ > kOftenEnough) {
      pcapng_.reset();
      return read_by_libpcap(out);
    }
  }
  const std::size_t count = read_by_libpcap(out.first(1));
  stream_->take_back();
  return count;
}

std::size_t CaptureReader::read_by_libpcap(std::span<packet::RawPacket> out) {
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
    if (status != PCAP_ERROR_BREAK) error_ = Error{ErrorKind::data, reason_of_failure()};
  }
  return count;
}

packet::RawPacket CaptureReader::describe(const pcap_pkthdr& header, const std::uint8_t* bytes) noexcept {
  packet::RawPacket packet;
  packet.captured = {bytes, header.caplen};
  packet.wire_length = std::max(header.len, header.caplen);
  packet.link_type = link_type_;
  // libpcap takes the seconds of a classic record for signed, which they are not; pcapng has 64 bits for them.
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

std::string CaptureReader::reason_of_failure() const {
  const std::string_view name = path_ == "-" ? "standard input" : std::string_view(path_);
  const std::string_view says = pcap_geterr(pcap_.get());
  const std::uint64_t offset = offset_of_failure();
  std::FILE* file = stream_->file();
  if (std::ferror(file) == 0 && std::feof(file) != 0) {
    return fmt::format("{}: cut short at byte {}, inside a record; all packets before it were read", name, offset);
  }
  if (says.find("different from the type of the first interface") != std::string_view::npos) {
    return fmt::format(
        "{}: stopped at byte {}: {}; read one interface at a time: tshark -r {} -Y frame.interface_id==0 -F pcap -w "
        "PART",
        name, offset, says, path_);
  }
  if (says.find("different from the snapshot length of the first interface") != std::string_view::npos) {
    return fmt::format("{}: stopped at byte {}: {}; convert it: editcap -F pcap {} PLAIN.pcap", name, offset, says,
                       path_);
  }
  return fmt::format("{}: stopped at byte {}: {}; all packets before it were read", name, offset, says);
}

/// pcapng may have other blocks between the last packet and the record at fault; a file can be asked for their lengths.
std::uint64_t CaptureReader::offset_of_failure() const {
  if (classic_) return next_record_;
  const std::uint64_t end = stream_->position();
  std::uint64_t offset = next_record_;
  std::array<std::uint8_t, kBlockHeader> block{};
  while (stream_->peek(offset, block.data(), block.size()) == block.size()) {
    std::uint32_t length = 0;
    std::memcpy(&length, block.data() + 4, sizeof length);
    if (pcap_is_swapped(pcap_.get()) != 0) length = __builtin_bswap32(length);
    // The record at fault is the one in which reading stopped.
    if (length < kBlockHeader + 4 || offset + length >= end) break;
    offset += length;
  }
  return offset;
}

}  // namespace doorslam::port
