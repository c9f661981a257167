#include "pipeline/port/capture_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/printable.h"
#include "pipeline/packet/link_layer.h"

namespace doorslam::port {
namespace {

/// Room for 64 full Ethernet frames. A burst ends early when larger ones fill it.
constexpr std::size_t kArenaOctets = std::size_t{64} * 1536;
constexpr std::int64_t kLatestSecond = flowtable::kLatestNs / flowtable::kSecondNs;

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
  if (stream.head().empty() && stream.gave_up()) {
    return {ErrorKind::data, fmt::format("{}: nothing had come when reading was ended", name)};
  }
  if (stream.head().empty()) return {ErrorKind::data, fmt::format("{}: empty; a capture has a header", name)};
  return {ErrorKind::data, fmt::format("{}: not a readable capture: {}; expected pcap or pcapng", name, libpcap_says)};
}

Error unknown_link_type(const std::string& path, std::uint32_t link_type) {
  return {ErrorKind::data,
          fmt::format("{}: frames of link type {} cannot be decoded; capture Ethernet, Linux cooked, raw IP, PPP "
                      "or 802.11 frames",
                      path == "-" ? "standard input" : std::string_view(path), link_type_in_words(link_type))};
}

}  // namespace

Result<CaptureReader> CaptureReader::open(const std::string& path, std::size_t window_octets,
                                          const GiveUpTime* give_up_ns) {
  constexpr std::size_t kTellingOctets = 4;
  auto stream = CaptureStream::open(path, window_octets, give_up_ns);
  if (!stream) return tl::unexpected(std::move(stream.error()));
  while ((*stream)->window().size() < kTellingOctets && (*stream)->fill()) continue;
  if (PcapngRecords::begins((*stream)->window())) return open_pcapng(path, std::move(*stream));
  std::array<char, PCAP_ERRBUF_SIZE> message{};
  pcap_t* pcap =
      pcap_fopen_offline_with_tstamp_precision((*stream)->file(), PCAP_TSTAMP_PRECISION_NANO, message.data());
  if (pcap == nullptr) return tl::unexpected(not_a_capture(path, **stream, message.data()));
  (*stream)->release_file();
  CaptureReader reader(path, std::move(*stream), pcap);
  if (!packet::reads_link_type(reader.link_type_)) return tl::unexpected(unknown_link_type(path, reader.link_type_));
  return reader;
}

CaptureReader::CaptureReader(std::string path, std::unique_ptr<CaptureStream> stream)
    : path_(std::move(path)), stream_(std::move(stream)) {}

CaptureReader::CaptureReader(std::string path, std::unique_ptr<CaptureStream> stream, pcap_t* pcap)
    : path_(std::move(path)),
      stream_(std::move(stream)),
      pcap_(pcap),
      arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kArenaOctets)),
      link_type_(link_type_of(pcap_datalink(pcap))),
      next_record_(stream_->position()) {
  classic_ = ClassicRecords::of(stream_->head(), link_type_, static_cast<std::uint32_t>(pcap_snapshot(pcap)));
  if (classic_) stream_->take_back();
}

/// Reads up to an interface whose frames can be decoded, or to the first packet.
Result<CaptureReader> CaptureReader::open_pcapng(const std::string& path, std::unique_ptr<CaptureStream> stream) {
  CaptureReader reader(path, std::move(stream));
  reader.pcapng_.emplace();
  std::vector<std::uint32_t> types;
  do {
    packet::RawPacket none;
    reader.read_block(none);
    types = reader.pcapng_->link_types();
    if (std::any_of(types.begin(), types.end(), packet::reads_link_type)) return reader;
    while (reader.stream_->window().size() < PcapngRecords::kBlockHeaderOctets && reader.stream_->fill()) continue;
  } while (!reader.done_ && !reader.pcapng_->at_packet(reader.stream_->window()));
  if (!types.empty()) return tl::unexpected(unknown_link_type(path, types.front()));
  if (reader.cut_short_) return tl::unexpected(not_a_capture(path, *reader.stream_, "it is cut short in its header"));
  if (reader.error_) return tl::unexpected(std::move(*reader.error_));
  return tl::unexpected(not_a_capture(path, *reader.stream_, "it describes no interface"));
}

Result<void> CaptureReader::filter_by(const std::string& expression) {
  filter_.emplace(expression);
  const std::vector<std::uint32_t> types = pcapng_ ? pcapng_->link_types() : std::vector<std::uint32_t>{link_type_};
  for (const std::uint32_t type : types) {
    if (!packet::reads_link_type(type) || filter_->knows(type)) continue;
    if (const auto compiled = filter_->compile_for(type); !compiled) {
      return usage_error(fmt::format("--filter '{}' for {}: {}; man 7 pcap-filter says what is possible",
                                     printable(expression), printable(path_), printable(compiled.error().message)));
    }
  }
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
std::size_t CaptureReader::keep_matching(std::span<packet::RawPacket> packets) {
  std::size_t kept = 0;
  for (const packet::RawPacket& packet : packets) {
    const bool unknown = !filter_->knows(packet.link_type);
    if (unknown && packet::reads_link_type(packet.link_type)) {
      if (const auto compiled = filter_->compile_for(packet.link_type); !compiled) {
        tell(fmt::format("{}: --filter '{}' cannot be applied to frames of link type {}, which were left out: {}",
                         name(), printable(filter_->expression()), link_type_in_words(packet.link_type),
                         printable(compiled.error().message)));
      }
    } else if (unknown) {
      packets[kept++] = packet;
      continue;
    }
    if (filter_->matches(packet)) {
      packets[kept++] = packet;
    } else {
      ++filtered_out_;
    }
  }
  return kept;
}

std::size_t CaptureReader::read_any(std::span<packet::RawPacket> out) {
  if (pcapng_) return read_pcapng(out);
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

std::size_t CaptureReader::read_pcapng(std::span<packet::RawPacket> out) {
  while (!done_ && !out.empty()) {
    const TakenRecords taken = pcapng_->take(stream_->window(), out, last_time_ns_, packets_without_time_);
    stream_->consume(taken.octets);
    if (taken.packets > 0) [[likely]]
      return taken.packets;
    // Nothing is lent, so the window may move.
    if (taken.cut && stream_->fill()) continue;
    if (const std::size_t count = read_block(out.front()); count > 0) return count;
  }
  return 0;
}

/// One block of pcapng, of any kind and of any length that is none of damage. Returns how many packets it held.
std::size_t CaptureReader::read_block(packet::RawPacket& out) {
  next_record_ = stream_->position();
  while (true) {
    const auto taken = pcapng_->take_block(stream_->window(), out, last_time_ns_, packets_without_time_);
    if (!taken) {
      stop(taken.error().message);
      return 0;
    }
    if (!taken->cut) {
      stream_->consume(taken->octets);
      return taken->packets;
    }
    if (stream_->fill()) continue;
    if (!stream_->full()) break;
    stream_->widen();
  }
  done_ = true;
  if (stream_->read_error() != 0) {
    stop(std::strerror(stream_->read_error()));
  } else if (!stream_->window().empty()) {
    stop_at_cut();
  }
  return 0;
}

/// One packet by libpcap, then the window is at what follows.
std::size_t CaptureReader::hand_over(std::span<packet::RawPacket> out) {
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
    if (status == PCAP_ERROR_BREAK) continue;
    if (std::ferror(stream_->file()) == 0 && std::feof(stream_->file()) != 0) {
      stop_at_cut();
    } else {
      stop(pcap_geterr(pcap_.get()));
    }
  }
  return count;
}

packet::RawPacket CaptureReader::describe(const pcap_pkthdr& header, const std::uint8_t* bytes) noexcept {
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

void CaptureReader::stop(std::string_view reason) {
  done_ = true;
  tell(fmt::format("{}: stopped at byte {}: {}; all packets before it were read", name(), next_record_, reason));
}

void CaptureReader::stop_at_cut() {
  done_ = true;
  cut_short_ = true;
  tell(fmt::format("{}: cut short at byte {}, inside a record; all packets before it were read", name(), next_record_));
}

void CaptureReader::tell(std::string message) {
  if (error_) message = error_->message + "; " + message;
  error_ = Error{ErrorKind::data, std::move(message)};
}

}  // namespace doorslam::port
