#include "pipeline/port/capture_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/printable.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/port/pcap_file.h"
#include "pipeline/port/pcapng_file.h"
#include "pipeline/port/pcapng_records.h"

namespace doorslam::port {
namespace {

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
  if (PcapngRecords::begins((*stream)->window())) {
    return CaptureReader(path, std::make_unique<PcapngFile>(std::move(*stream))).if_decodable();
  }
  auto file = PcapFile::open(*stream);
  if (!file) return tl::unexpected(not_a_capture(path, **stream, file.error().message));
  return CaptureReader(path, std::move(*file)).if_decodable();
}

CaptureReader::CaptureReader(std::string path, std::unique_ptr<CaptureFile> file)
    : path_(std::move(path)), file_(std::move(file)) {
  tell_of_stop();
}

Result<CaptureReader> CaptureReader::if_decodable() && {
  const std::vector<std::uint32_t> types = file_->link_types();
  if (std::any_of(types.begin(), types.end(), packet::reads_link_type)) return std::move(*this);
  if (!types.empty()) return tl::unexpected(unknown_link_type(path_, types.front()));
  if (cut_short()) return tl::unexpected(not_a_capture(path_, file_->stream(), "it is cut short in its header"));
  if (error_) return tl::unexpected(std::move(*error_));
  return tl::unexpected(not_a_capture(path_, file_->stream(), "it describes no interface"));
}

Result<void> CaptureReader::filter_by(const std::string& expression) {
  filter_.emplace(expression);
  for (const std::uint32_t type : file_->link_types()) {
    if (!packet::reads_link_type(type) || filter_->knows(type)) continue;
    if (const auto compiled = filter_->compile_for(type); !compiled) {
      return usage_error(fmt::format("--filter '{}' for {}: {}; man 7 pcap-filter says what is possible",
                                     printable(expression), printable(path_), printable(compiled.error().message)));
    }
  }
  return {};
}

std::size_t CaptureReader::read(std::span<packet::RawPacket> out) {
  std::size_t count = read_on(out);
  if (!filter_) return count;
  while (count > 0) {
    const std::size_t kept = keep_matching(out.first(count));
    if (kept > 0) return kept;
    count = read_on(out);
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

std::size_t CaptureReader::read_on(std::span<packet::RawPacket> out) {
  const bool stopped_before = file_->stop().has_value();
  const std::size_t count = file_->read(out);
  if (!stopped_before) tell_of_stop();
  return count;
}

void CaptureReader::tell_of_stop() {
  const std::optional<CaptureFile::Stop>& stop = file_->stop();
  if (!stop) return;
  const std::string where = stop->cut ? fmt::format("cut short at byte {}, inside a record", stop->at)
                                      : fmt::format("stopped at byte {}: {}", stop->at, stop->reason);
  tell(fmt::format("{}: {}; all packets before it were read", name(), where));
}

void CaptureReader::tell(std::string message) {
  if (error_) message = error_->message + "; " + message;
  error_ = Error{ErrorKind::data, std::move(message)};
}

}  // namespace doorslam::port
