#include "pipeline/alert/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "pipeline/base/text.h"
#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/icmp_words.h"
#include "pipeline/diagnose/tls_alert.h"

namespace doorslam::alert {

namespace {

using packet::tcp_flag::kAck;
using packet::tcp_flag::kFin;
using packet::tcp_flag::kPsh;
using packet::tcp_flag::kRst;
using packet::tcp_flag::kSyn;
using packet::tcp_flag::kUrg;
using tcp::Evidence;
using tcp::Rung;
using tcp::RungNote;
using tcp::Side;

constexpr std::size_t kQuoteLength = 60;

std::string flag_words(std::uint8_t flags) {
  struct Name {
    std::uint8_t flag;
    std::string_view name;
  };
  constexpr Name kNames[] = {{kSyn, "SYN"}, {kFin, "FIN"}, {kRst, "RST"}, {kPsh, "PSH"}, {kUrg, "URG"}, {kAck, "ACK"}};
  std::string out;
  for (const auto& [flag, name] : kNames) {
    if ((flags & flag) == 0) continue;
    if (!out.empty()) out += ',';
    out += name;
  }
  return out.empty() ? "none" : out;
}

std::string_view side_word(Side side) { return side == Side::originator ? "client" : "server"; }

/// What the tracker remarked, in words.
std::string remark(const Rung& rung, const Evidence& evidence) {
  switch (rung.note) {
    case RungNote::none:
      return {};
    case RungNote::retransmission:
      return "sent again";
    case RungNote::out_of_order:
      return "out of order";
    case RungNote::gap_before:
      return "octets before it are missing from the capture";
    case RungNote::keep_alive:
      return "keep-alive";
    case RungNote::zero_window:
      return "its receive window is closed";
    case RungNote::window_probe:
      return "probes the closed window";
    case RungNote::bad_handshake_ack:
      return "acknowledges a number that the server did not offer (should be 1)";
    case RungNote::bad_checksum:
      return "wrong checksum";
    case RungNote::foreign_ttl: {
      const std::uint8_t usual = evidence.of(rung.side).first.ttl;
      if (usual == rung.ttl) return "another sender's TTL";
      return fmt::format("TTL {}, not {}", rung.ttl, usual);
    }
    case RungNote::out_of_window:
      return "outside the receive window";
  }
  return {};
}

/// The first line of what a server said, or what kind of TLS record it is.
std::string quoted(std::span<const std::uint8_t> octets) {
  if (octets.size() >= 3 && octets[1] == 3 && octets[0] >= 20 && octets[0] <= 23) {
    if (const auto alert = diagnose::tls_alert_in(octets)) {
      const std::string_view meaning = diagnose::meaning_of_alert(*alert);
      return fmt::format("TLS alert {}{}", *alert, meaning.empty() ? "" : fmt::format(" ({})", meaning));
    }
    if (octets[0] == 22) return "TLS handshake";
    return "TLS record";
  }
  std::string text;
  for (const std::uint8_t octet : octets) {
    if (octet == '\r' || octet == '\n') break;
    text += static_cast<char>(octet);
  }
  if (text.empty()) return {};
  std::string shown = escaped(text);
  if (shown.size() > kQuoteLength) shown = shown.substr(0, kQuoteLength) + "…";
  return fmt::format("\"{}\"", shown);
}

std::string words_of_server(const Rung& rung, const tcp::SideEvidence& server) {
  if (rung.time_ns == server.first_payload_ns) {
    return quoted({server.head.bytes.data(), std::min<std::size_t>(server.head.length, rung.length)});
  }
  if (rung.time_ns == server.last_payload_ns) {
    const packet::ByteView words = server.latest_words();
    return quoted(words.first(std::min<std::size_t>(words.size(), rung.length)));
  }
  // Of what is between, the beginning was kept.
  const auto starts = std::span(server.head.segment_start).first(server.head.segments);
  const std::size_t offset = rung.seq - 1U;
  if (std::ranges::find(starts, offset) == starts.end() || offset >= server.head.length) return {};
  return quoted(server.head.view().subspan(offset, std::min<std::size_t>(server.head.length - offset, rung.length)));
}

/// What a client says may be a secret; that it gives up a TLS handshake is none.
std::string alert_of_client(const Rung& rung, const tcp::SideEvidence& client) {
  if (rung.time_ns != client.last_payload_ns) return {};
  const packet::ByteView words = client.latest_words();
  return diagnose::tls_alert_in(words) ? quoted(words) : std::string{};
}

/// What the segment means for the connection.
std::string meaning(const Rung& rung, const Evidence& evidence, bool quote_server) {
  const bool from_server = rung.side == Side::responder;
  const tcp::SideEvidence& sender = evidence.of(rung.side);
  std::string out;
  if ((rung.flags & kRst) != 0) {
    out = fmt::format("{} resets", side_word(rung.side));
    if (rung.note == RungNote::foreign_ttl) {
      out = "reset in its name";
    } else if (from_server && (rung.flags & kAck) != 0 && evidence.syn_acks == 0) {
      out = "refused: server resets";
    }
  } else if ((rung.flags & kSyn) != 0) {
    if (!from_server && rung.length != 0) out = "data in the SYN (fast open)";
  } else if (rung.length != 0) {
    if (quote_server) out = from_server ? words_of_server(rung, sender) : alert_of_client(rung, sender);
  } else if (rung.time_ns == evidence.handshake_ns && !from_server) {
    out = "handshake complete";
  }
  if ((rung.flags & kFin) != 0) {
    const bool mute = sender.payload_segments == 0;
    if (!out.empty()) out += "; ";
    out += fmt::format("{} closes{}", side_word(rung.side), mute && from_server ? " without a byte" : "");
  }
  return out;
}

LadderLine line_of(const Rung& rung, const tcp::ConnectionSummary& summary, const Evidence& evidence,
                   bool quote_server) {
  LadderLine line;
  line.since_start_ns = rung.time_ns - summary.start_ns;
  line.side = rung.side;
  line.flags = flag_words(rung.flags);
  line.seq = rung.seq;
  line.ack = rung.ack;
  line.has_ack = (rung.flags & kAck) != 0;
  line.length = rung.length;
  line.window = rung.window;
  line.ttl = rung.ttl;
  line.note = meaning(rung, evidence, quote_server);
  const std::string remarked = remark(rung, evidence);
  if (!remarked.empty()) line.note += (line.note.empty() ? "" : "; ") + remarked;
  return line;
}

LadderLine icmp_line(const tcp::IcmpNote& icmp, const tcp::ConnectionSummary& summary) {
  LadderLine line;
  line.kind = LadderLine::Kind::icmp;
  line.since_start_ns = icmp.time_ns - summary.start_ns;
  line.side = icmp.about;
  line.reporter = icmp.reporter;
  line.ttl = icmp.ttl;
  line.note = diagnose::icmp_words(icmp.reporter.version, icmp.type, icmp.code);
  return line;
}

/// Sequence numbers a little below the first one are told as such: a keep-alive has -1, not 4294967295.
std::string relative(std::uint32_t number) {
  constexpr std::uint32_t kBelowStart = 0xffff0000;
  if (number >= kBelowStart) return std::to_string(static_cast<std::int32_t>(number));
  return std::to_string(number);
}

std::string direction_of(const LadderLine& line, const LadderStyle& style) {
  const std::string_view right = style.unicode ? "──▶" : "-->";
  const std::string_view left = style.unicode ? "◀──" : "<--";
  if (line.kind == LadderLine::Kind::icmp) {
    return line.side == Side::originator ? fmt::format("client {} {}", left, text_of(line.reporter))
                                         : fmt::format("{} {} server", text_of(line.reporter), right);
  }
  return fmt::format("client {} server", line.side == Side::originator ? right : left);
}

struct Widths {
  std::size_t time = 0, direction = 0, flags = 0, seq = 0, ack = 0, length = 0, window = 0, ttl = 0;
  bool closed_window = false;  ///< only then the windows matter enough to be shown
};

void widen(std::size_t& width, std::size_t by) { width = std::max(width, by); }

std::string time_text(const LadderLine& line) {
  return fmt::format("{:+.6f}", static_cast<double>(line.since_start_ns) / static_cast<double>(flowtable::kSecondNs));
}

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  out.append(width - std::min(width, columns(text)), ' ');
  return out;
}

Widths widths_of(const std::vector<LadderLine>& lines, const LadderStyle& style) {
  Widths widths;
  for (const LadderLine& line : lines) {
    if (line.kind == LadderLine::Kind::left_out) continue;
    widen(widths.time, time_text(line).size());
    widen(widths.direction, columns(direction_of(line, style)));
    if (line.kind == LadderLine::Kind::icmp) continue;
    widen(widths.flags, line.flags.size());
    widen(widths.seq, relative(line.seq).size());
    if (line.has_ack) widen(widths.ack, relative(line.ack).size());
    widen(widths.length, std::to_string(line.length).size());
    widen(widths.window, std::to_string(line.window).size());
    widen(widths.ttl, std::to_string(line.ttl).size());
    widths.closed_window |= line.window == 0 && line.flags.find("RST") == std::string::npos;
  }
  return widths;
}

std::string cut(const std::string& note, const LadderStyle& style, std::size_t used) {
  if (style.width == 0 || used + columns(note) <= style.width) return note;
  const std::string_view mark = style.unicode ? "…" : "...";
  const std::size_t room = style.width - std::min(style.width, used + columns(mark));
  std::size_t end = 0;
  for (std::size_t shown = 0; end < note.size() && shown <= room; ++end) shown += (note[end] & 0xC0) != 0x80;
  return note.substr(0, end - 1).append(mark);
}

std::string render_line(const LadderLine& line, const Widths& widths, const LadderStyle& style) {
  std::string out(style.indent, ' ');
  if (line.kind == LadderLine::Kind::left_out) {
    out += fmt::format("{:>{}}  {} left out", style.unicode ? "…" : "...", widths.time, counted(line.count, "packet"));
    return out + '\n';
  }
  out += fmt::format("{:>{}}  {}  ", time_text(line), widths.time, padded(direction_of(line, style), widths.direction));
  if (line.kind == LadderLine::Kind::icmp) return out + line.note + fmt::format("  ttl {}\n", line.ttl);
  out += fmt::format("{:<{}}  seq {:<{}}  ", line.flags, widths.flags, relative(line.seq), widths.seq);
  if (widths.ack != 0) {
    out +=
        line.has_ack ? fmt::format("ack {:<{}}  ", relative(line.ack), widths.ack) : std::string(widths.ack + 6, ' ');
  }
  out += fmt::format("len {:<{}}  ", line.length, widths.length);
  if (widths.closed_window) out += fmt::format("win {:<{}}  ", line.window, widths.window);
  out += fmt::format("ttl {:<{}}", line.ttl, widths.ttl);
  if (!line.note.empty()) out += "  " + cut(line.note, style, columns(out) + 2);
  out.erase(out.find_last_not_of(' ') + 1);
  return out + '\n';
}

}  // namespace

std::vector<LadderLine> ladder_of(const tcp::ConnectionSummary& summary, const Evidence& evidence, bool quote_server) {
  std::vector<LadderLine> lines;
  std::uint32_t told = 0;     // of the recorded, kept or not
  std::uint32_t skipped = 0;  // of those that were not recorded
  const auto leave_out = [&](std::uint32_t count) {
    if (count == 0) return;
    LadderLine gap;
    gap.kind = LadderLine::Kind::left_out;
    gap.count = count;
    if (!lines.empty()) gap.since_start_ns = lines.back().since_start_ns;
    lines.push_back(gap);
  };
  evidence.for_each_rung([&](const Rung& rung, std::uint32_t number) {
    leave_out(number - told + rung.skipped - skipped);
    lines.push_back(line_of(rung, summary, evidence, quote_server));
    lines.back().number = number;
    told = number + 1;
    skipped = rung.skipped;
  });
  const std::uint32_t in_all = evidence.skipped_of(summary.side[0].packets + summary.side[1].packets);
  leave_out(in_all - std::min(in_all, skipped));
  if (evidence.icmp.time_ns != flowtable::kNoTime) {
    const LadderLine icmp = icmp_line(evidence.icmp, summary);
    const auto at = std::find_if(lines.begin(), lines.end(),
                                 [&](const LadderLine& line) { return line.since_start_ns > icmp.since_start_ns; });
    lines.insert(at, icmp);
  }
  return lines;
}

std::string render(const std::vector<LadderLine>& lines, const LadderStyle& style) {
  const Widths widths = widths_of(lines, style);
  std::string out;
  for (const LadderLine& line : lines) out += render_line(line, widths, style);
  return out;
}

}  // namespace doorslam::alert
