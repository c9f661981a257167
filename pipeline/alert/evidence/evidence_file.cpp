#include "pipeline/alert/evidence/evidence_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pipeline/alert/ecs_record.h"
#include "pipeline/alert/evidence/pcapng_writer.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/ladder.h"
#include "pipeline/base/text.h"
#include "pipeline/packet/ip.h"
#include "pipeline/packet/link_layer.h"

namespace doorslam::trace_files {
namespace {

using alert::LadderLine;
using tcp::PackedFrame;

struct CommentedFrame {
  CapturedFrame frame;
  std::vector<std::string> comments;
};

/// How much of an ICMP error's frame is headers, up to the sequence number that it quotes (RFC 792); 0: it is in a
/// tunnel, or cut off before that.
std::size_t icmp_header_octets(const PackedFrame& frame) {
  constexpr std::size_t kMessage = 8;  // of ICMP in front of what it quotes, and of TCP that it must quote
  packet::Reader reader(frame.captured, frame.wire_length);
  std::uint16_t vlan = 0;
  packet::IpHeader ip;
  packet::IpHeader quoted;
  const auto cut_off = [](const packet::StopReason& stop) { return stop.has_value(); };
  if (cut_off(packet::reach_ip(packet::start_of_frame(frame.link_type, reader), reader, vlan))) return 0;
  if (cut_off(packet::parse_ip(reader, false, ip)) || ip.fragment) return 0;
  const auto wanted = ip.is_v4() ? packet::ip_protocol::kIcmp : packet::ip_protocol::kIcmpv6;
  if (ip.protocol != wanted || !reader.skip(kMessage)) return 0;
  if (cut_off(packet::parse_quoted_ip(reader, quoted)) || !reader.skip(kMessage)) return 0;
  return static_cast<std::size_t>(reader.captured().data() - frame.captured.data());
}

packet::ByteView shown_octets(const PackedFrame& frame, bool payload) {
  if (payload) return frame.captured;
  const std::size_t headers = frame.rung == PackedFrame::kIcmp ? icmp_header_octets(frame) : frame.header_octets;
  return frame.captured.first(std::min(frame.captured.size(), headers));
}

/// "client → server SYN: data in the SYN (fast open)"
std::string words_of(const LadderLine& line) {
  const bool from_client = line.side == tcp::Side::originator;
  std::string text;
  if (line.kind == LadderLine::Kind::icmp) {
    text = fmt::format("{} → {}", text_of(line.reporter), from_client ? "client" : "server");
  } else {
    text = fmt::format("{} {}", from_client ? "client → server" : "server → client", line.flags);
    if (line.length != 0) text += fmt::format(", {}", counted(line.length, "octet"));
  }
  return line.note.empty() ? text : text + ": " + line.note;
}

/// Of more frames than wanted, the first and the last.
void leave_out(std::vector<PackedFrame>& frames, std::size_t wanted) {
  const bool has_icmp = !frames.empty() && frames.back().rung == PackedFrame::kIcmp;
  const std::size_t segments = frames.size() - (has_icmp ? 1 : 0);
  if (segments <= wanted) return;
  const std::size_t first = wanted - wanted * tcp::FrameSlot::kLast / (tcp::FrameSlot::kFirst + tcp::FrameSlot::kLast);
  const auto begin = frames.begin() + static_cast<std::ptrdiff_t>(first);
  frames.erase(begin, begin + static_cast<std::ptrdiff_t>(segments - wanted));
}

/// Which connection of the file begins here.
std::string introduction(const alert::Incident& incident, std::size_t place) {
  const alert::FrameSample& sample = incident.frame_samples[place];
  return fmt::format("connection {} of {}: {} → {}, conn_state {}, {} {:.0f} %", place + 1,
                     incident.frame_samples.size(), text_of(sample.summary.originator),
                     text_of(sample.summary.responder), name_of(sample.summary.conn_state), name_of(incident.cause),
                     sample.confidence * 100.0);
}

void add_connection(const alert::Incident& incident, std::size_t place, const EvidenceFileOptions& options,
                    std::vector<CommentedFrame>& out) {
  const alert::FrameSample& sample = incident.frame_samples[place];
  std::map<std::uint32_t, std::string> words;
  for (const LadderLine& line : alert::ladder_of(sample.summary, *sample.evidence, options.payload)) {
    if (line.kind == LadderLine::Kind::segment) words[line.number] = words_of(line);
    if (line.kind == LadderLine::Kind::icmp) words[PackedFrame::kIcmp] = words_of(line);
  }
  std::vector<PackedFrame> frames = tcp::frames_of(sample.frames->packed);
  leave_out(frames, options.packets);
  std::uint32_t next = 0;     // rung
  std::uint32_t skipped = 0;  // segments before it that were not recorded
  for (const PackedFrame& frame : frames) {
    const packet::ByteView shown = shown_octets(frame, options.payload);
    if (shown.empty()) continue;
    const bool icmp = frame.rung == PackedFrame::kIcmp;
    CommentedFrame& added = out.emplace_back();
    added.frame = {.time_ns = icmp ? sample.evidence->icmp.time_ns : sample.evidence->place_of(frame.rung).time_ns,
                   .octets = shown,
                   .wire_length = frame.wire_length,
                   .link_type = frame.link_type};
    if (next == 0) added.comments.push_back(introduction(incident, place));
    if (!icmp) {
      const std::uint32_t skipped_before = sample.evidence->place_of(frame.rung).skipped;
      const std::uint32_t left_out = frame.rung - next + skipped_before - skipped;
      if (left_out != 0)
        added.comments.push_back(counted(left_out, "packet") + " of this connection left out before it");
      next = frame.rung + 1;
      skipped = skipped_before;
    }
    added.comments.push_back(words[frame.rung]);
  }
}

}  // namespace

std::vector<std::uint8_t> evidence_file(const alert::Incident& incident, const EvidenceFileOptions& options) {
  std::vector<CommentedFrame> frames;
  for (std::size_t place = 0; place < incident.frame_samples.size(); ++place) {
    add_connection(incident, place, options, frames);
  }
  std::stable_sort(frames.begin(), frames.end(),
                   [](const CommentedFrame& a, const CommentedFrame& b) { return a.frame.time_ns < b.frame.time_ns; });
  const std::vector<std::string> about = {fmt::format("{} ({}, {:.0f} % sure)", alert::headline(incident),
                                                      name_of(incident.cause), incident.mean_confidence * 100.0),
                                          fmt::format("incident {}", alert::StableId().mix(incident.id).text())};
  PcapngWriter writer("doorslam " + options.version, static_cast<std::uint32_t>(options.snap_octets), about);
  for (const CommentedFrame& one : frames) writer.add(one.frame, one.comments);
  return {writer.octets().begin(), writer.octets().end()};
}

}  // namespace doorslam::trace_files
