#include "pipeline/diagnose/ending.h"

#include <algorithm>
#include <array>
#include <optional>

namespace doorslam::diagnose {

namespace {

using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;
using tcp::ConnectionSummary;
using tcp::ConnState;
using tcp::Evidence;
using tcp::Side;
using tcp::SideEvidence;
using tcp::Stage;

/// A window closed for less than this is a busy reader, not a stalled one.
constexpr flowtable::DurationNs kStalledNs = 3 * kSecondNs;
/// So many probes in a row are not lost by chance.
constexpr std::uint32_t kProbesOfTheDead = 4;

/// So many times the same octets are not lost by chance, nor by a capture, which a sender does not notice.
constexpr std::uint32_t kSendsInVain = 4;

/// The earlier of two times, of which either may not have been seen.
TimeNs earlier(TimeNs a, TimeNs b) {
  if (a == kNoTime) return b;
  if (b == kNoTime) return a;
  return std::min(a, b);
}

TimeNs first_end_of(const SideEvidence& side) { return earlier(side.fin_ns, side.rst_ns); }

/// Packets whose order counts even where they bear one stamp: what is polled together, and what a coarse clock
/// captures, shares one.
enum class Mark : std::uint8_t { first_words, last_words, end };

bool ends(const tcp::Rung& rung) { return (rung.flags & (packet::tcp_flag::kFin | packet::tcp_flag::kRst)) != 0; }

bool speaks(const tcp::Rung& rung) {
  return rung.length > 0 && (rung.flags & packet::tcp_flag::kRst) == 0 && rung.note != tcp::RungNote::retransmission &&
         rung.note != tcp::RungNote::keep_alive && rung.note != tcp::RungNote::window_probe;
}

/// The number of that packet of the side's in the ladder; nothing where it is not kept.
std::optional<std::uint32_t> rung_of(const Evidence& e, Side side, Mark mark) {
  std::optional<std::uint32_t> found;
  e.for_each_rung([&](const tcp::Rung& rung, std::uint32_t number) {
    if (rung.side != side || rung.note == tcp::RungNote::bad_checksum) return;
    if (!(mark == Mark::end ? ends(rung) : speaks(rung)) || (found && mark != Mark::last_words)) return;
    found = number;
  });
  return found;
}

/// A packet of one side, and when it came.
struct Moment {
  Side side;
  Mark mark;
  TimeNs time_ns;
};

/// Whether the one came before the other; where their stamps are the same, by their places in the ladder. False where
/// these are not known either.
bool is_before(const Evidence& e, const Moment& one, const Moment& other) {
  if (one.time_ns != other.time_ns) return one.time_ns < other.time_ns;
  const auto place = rung_of(e, one.side, one.mark);
  const auto other_place = rung_of(e, other.side, other.mark);
  return place && other_place && *place < *other_place;
}

/// A lone RST without a number answers a SYN that was not captured.
bool answers_unseen_syn(const ConnectionSummary& summary, const Evidence& e) {
  const SideEvidence& server = e.of(Side::responder);
  const bool only_resets = summary.side[index_of(Side::responder)].packets == server.resets;
  return only_resets && server.rst_unnumbered && server.rst_with_ack &&
         summary.side[index_of(Side::originator)].packets == 0;
}

/// Totals hold for the whole connection; Evidence may have been given back in between.
bool spoke(const ConnectionSummary& summary, Side side) { return summary.side[index_of(side)].payload_bytes > 0; }

bool is_closed(const ConnectionSummary& summary) {
  return summary.history.view().find_first_of("FfRr") != std::string_view::npos;
}

bool client_closed_first(const ConnectionSummary& summary) {
  const std::string_view history = summary.history.view();
  return history.find_first_of("FR") < history.find_first_of("fr");
}

Ending ending_before_the_handshake(const ConnectionSummary& summary, const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  const SideEvidence& server = e.of(Side::responder);
  if (e.syn_ack_ns == kNoTime) {
    if (server.rst_ns != kNoTime) return Ending::syn_reset;
    if (e.icmp.time_ns != kNoTime) return Ending::syn_icmp;
    if (summary.side[index_of(Side::responder)].packets == 0) return Ending::syn_unanswered;
    return Ending::still_open;
  }
  if (client.rst_ns != kNoTime && (server.rst_ns == kNoTime || client.rst_ns < server.rst_ns ||
                                   (client.rst_ns == server.rst_ns && client_closed_first(summary)))) {
    return Ending::half_open_abandoned;
  }
  if (server.rst_ns != kNoTime) return Ending::handshake_reset;
  // What the client sent after the handshake was acknowledged: the capture lacks the third segment, and more.
  if (client.acked > 1) return Ending::let_go;
  // Something of the client's came after the SYN-ACK, so the silence is the server's.
  const bool at_once = client.last_ns == e.syn_ack_ns && summary.side[index_of(Side::originator)].packets > e.syns;
  const bool later = client.last_ns > e.syn_ack_ns && client.last_ns > e.last_syn_ns;
  if (at_once || later) return Ending::handshake_ignored;
  return Ending::half_open_abandoned;
}

/// Nothing but segments with wrong checksums, which count for nothing.
bool is_unusable(const ConnectionSummary& summary) {
  return !summary.history.view().empty() && summary.history.view().find_first_not_of("cC") == std::string_view::npos;
}

/// The server never ACKed a handshake that it saw complete: SYN-ACKs again, or silence to the client's data.
bool handshake_was_ignored(const ConnectionSummary& summary, const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  const SideEvidence& server = e.of(Side::responder);
  if (e.syn_ack_ns == kNoTime || spoke(summary, Side::responder) || server.fin_ns != kNoTime) return false;
  if (server.rst_ns != kNoTime) return false;
  const bool answered_again = e.handshake_ns != kNoTime && e.last_syn_ack_ns > e.handshake_ns && e.syn_acks >= 2;
  const bool data_unacked = client.payload_segments > 0 && client.retransmissions >= 2 && client.acked <= 1;
  const bool progressed = client.acked > 1;
  return !progressed && (answered_again || data_unacked);
}

Ending ending_of_silence(const ConnectionSummary& summary, const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  const SideEvidence& server = e.of(Side::responder);
  const bool server_data_pending = server.acked != 0 && server.next_seq > server.acked;
  if (server_data_pending && server.retransmissions >= 2 && client.last_ns < server.last_ns)
    return Ending::client_silent;
  if (unanswered_probes(e) >= kProbesOfTheDead) return Ending::client_silent;
  if (spoke(summary, Side::originator) && !spoke(summary, Side::responder)) {
    // Of a server that no packet was seen of, its silence is not known either.
    return summary.side[index_of(Side::responder)].packets == 0 ? Ending::let_go : Ending::server_silent;
  }
  if (summary.stage == Stage::accepted) return Ending::client_silent;
  return Ending::still_open;
}

/// A client that asked, closed its own direction and acknowledged all of the answer was there to read it: one that is
/// gone meets it with a RST.
bool took_the_answer(const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  const SideEvidence& server = e.of(Side::responder);
  if (client.payload_segments == 0 || client.fin_ns == kNoTime || client.rst_ns != kNoTime) return false;
  const std::uint32_t payload_end = server.next_seq - (server.fin_ns != kNoTime ? 1U : 0U);
  return server.payload_segments > 0 && server.acked >= payload_end;
}

Ending ending_of_close(const ConnectionSummary& summary, const Evidence& e, TimeNs client_end, TimeNs server_end) {
  const SideEvidence& client = e.of(Side::originator);
  const SideEvidence& server = e.of(Side::responder);
  const Unseen unseen = is_alone(e, Side::responder) ? unseen_by_acks(e) : Unseen{};
  const bool client_spoke = spoke(summary, Side::originator) || unseen.octets > 0;
  const bool server_spoke = spoke(summary, Side::responder);
  // The FIN of a client that was served is not recorded, the RST that answers it is.
  const bool client_before = client_end == kNoTime && (client_closed_first(summary) || unseen.closed_ns != kNoTime);
  const bool one_stamp = client_end != kNoTime && client_end == server_end;
  const bool server_before =
      client_end == kNoTime || (one_stamp ? !client_closed_first(summary) : server_end < client_end);
  const bool server_first = server_end != kNoTime && !client_before && server_before;
  // One octet that was acknowledged and never seen, of a client that said nothing: its FIN, which the capture has lost.
  const bool client_fin_lost =
      client_end == kNoTime && client.payload_segments == 0 && summary.side[index_of(Side::originator)].gap_bytes == 1;
  if (server_first && client_fin_lost && !server_spoke) return Ending::left_without_a_word;
  if (server_first) {
    if (!server_spoke && summary.mid_stream && e.syn_ack_ns == kNoTime) return Ending::closed_unseen;
    if (!server_spoke && !client_spoke && server.rst_ns != kNoTime && server.fin_ns == kNoTime) {
      return Ending::handshake_reset;
    }
    if (!server_spoke) return Ending::closed_without_a_word;
    // A client that speaks at the same moment has not been heard: the server's greeting is all that was said to it.
    const Moment asked{Side::originator, Mark::first_words, client.first_payload_ns};
    const bool unheard = !client_spoke || (!summary.plainly_served && client.first_payload_ns != kNoTime &&
                                           !is_before(e, asked, {Side::responder, Mark::end, server_end}));
    return unheard ? Ending::closed_after_greeting : Ending::closed_after_reply;
  }
  // What the server says after the client has left serves nobody, unless it has only said that it will ask no more.
  const bool too_late = !summary.plainly_served && client_end != kNoTime && !took_the_answer(e) &&
                        is_before(e, {Side::originator, Mark::end, client_end},
                                  {Side::responder, Mark::first_words, server.first_payload_ns});
  if (!server_spoke || too_late) return Ending::left_without_a_word;
  return client_spoke ? Ending::left_after_reply : Ending::left_after_greeting;
}

bool client_was_stalled(const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  if (client.zero_window_since_ns == kNoTime) return false;
  // Its window was seen closed for so long: a client that says no more has vanished instead.
  return client.last_ns - client.zero_window_since_ns >= kStalledNs;
}

/// Only the client's side was captured. Its ACKs still tell how many octets the server sent, and whether it closed. A
/// client that has sent its request, does not send it again and never closes has met a RST.
Ending ending_by_client_alone(const ConnectionSummary& summary, const Evidence& e) {
  const SideEvidence& client = e.of(Side::originator);
  const Unseen server = unseen_by_acks(e);
  const bool client_spoke = spoke(summary, Side::originator);
  const bool client_left = client.fin_ns != kNoTime || client.rst_ns != kNoTime;
  if (server.closed_ns != kNoTime) {
    if (server.octets == 0) return Ending::closed_without_a_word;
    // A goodbye after the server's close asked for nothing.
    const bool was_heard = client_spoke && client.first_payload_ns < server.closed_ns;
    return was_heard ? Ending::closed_after_reply : Ending::closed_after_greeting;
  }
  if (server.octets > 0) {
    if (!client_left) return Ending::still_open;
    return client_spoke ? Ending::left_after_reply : Ending::left_after_greeting;
  }
  if (client_left) return Ending::left_without_a_word;
  const bool fell_silent = client_spoke && client.retransmissions == 0;
  return fell_silent ? Ending::closed_without_a_word : Ending::let_go;
}

/// Without evidence the states tell the coarse story.
Ending ending_by_state(const ConnectionSummary& summary) {
  switch (summary.conn_state) {
    case ConnState::S0:
      return Ending::syn_unanswered;
    case ConnState::REJ:
      return Ending::syn_reset;
    case ConnState::RSTOS0:
    case ConnState::SH:
    case ConnState::SHR:
    case ConnState::RSTRH:
      return Ending::half_open_abandoned;
    default:
      break;
  }
  const bool server_spoke = spoke(summary, Side::responder);
  const bool client_spoke = spoke(summary, Side::originator);
  const std::string_view history = summary.history.view();
  if (summary.stage == Stage::handshake) {
    return history.find('r') < history.find('R') ? Ending::handshake_reset : Ending::half_open_abandoned;
  }
  const std::size_t client_end = std::min(history.find('F'), history.find('R'));
  const std::size_t server_end = std::min(history.find('f'), history.find('r'));
  if (client_end == std::string_view::npos && server_end == std::string_view::npos) {
    if (client_spoke && !server_spoke) return Ending::server_silent;
    return summary.stage == Stage::accepted ? Ending::let_go : Ending::still_open;
  }
  if (server_end < client_end) {
    if (!server_spoke) return Ending::closed_without_a_word;
    return client_spoke ? Ending::closed_after_reply : Ending::closed_after_greeting;
  }
  if (!server_spoke) return Ending::left_without_a_word;
  return client_spoke ? Ending::left_after_reply : Ending::left_after_greeting;
}

}  // namespace

std::string_view name_of(Ending ending) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"SYN unanswered", "SYN reset", "SYN met ICMP error", "half-open, abandoned", "handshake ignored",
       "handshake reset", "closed without a word", "closed, beginning unseen", "closed after the greeting",
       "closed after a reply", "left without a word", "left after the greeting", "left after a reply", "server silent",
       "client silent", "client stalled", "let go", "still open"});
  static_assert(kNames.size() == static_cast<std::size_t>(Ending::still_open) + 1);
  return kNames[static_cast<std::size_t>(ending)];
}

flowtable::DurationNs server_round_trip(const Evidence& e) {
  return e.syn_ack_ns != kNoTime && e.last_syn_ns != kNoTime && e.syn_ack_ns > e.last_syn_ns
             ? e.syn_ack_ns - e.last_syn_ns
             : 0;
}

std::uint32_t unanswered_probes(const Evidence& evidence) {
  std::uint32_t probes = 0;
  evidence.for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    const bool asks = rung.note == tcp::RungNote::keep_alive || rung.note == tcp::RungNote::window_probe ||
                      rung.note == tcp::RungNote::retransmission;
    probes = rung.side == Side::originator ? 0 : probes + (asks ? 1 : 0);
  });
  return probes;
}

std::uint32_t sent_in_vain(const Evidence& evidence, Side side) {
  const SideEvidence& own = evidence.of(side);
  if (is_alone(evidence, side) || is_alone(evidence, other(side)) || own.acked == 0) return 0;
  const std::uint32_t payload_end = own.next_seq - (own.fin_ns != kNoTime ? 1U : 0U);
  if (own.payload_segments == 0 || own.acked >= payload_end) return 0;
  if (own.retransmissions < kSendsInVain) return 0;
  if (side == Side::originator) return own.retransmissions;
  // Those that packets of the client followed: it was there, and did not acknowledge.
  std::uint32_t sends = 0;
  std::uint32_t seen_through = 0;
  evidence.for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    if (rung.side != side) {
      seen_through = sends;
    } else if (rung.note == tcp::RungNote::retransmission && rung.length > 0 && rung.seq >= own.acked) {
      ++sends;
    }
  });
  return seen_through < kSendsInVain ? 0 : seen_through;
}

TimeNs accepted_time(const ConnectionSummary& summary, const Evidence* evidence) {
  if (evidence == nullptr || evidence->handshake_ns == kNoTime) return summary.start_ns;
  const auto is_fin_of = [&](Side side) { return evidence->of(side).fin_ns == evidence->handshake_ns; };
  const bool by_fin = is_fin_of(Side::originator) || is_fin_of(Side::responder);
  return by_fin && evidence->last_syn_ack_ns != kNoTime ? evidence->last_syn_ack_ns : evidence->handshake_ns;
}

bool is_alone(const Evidence& evidence, Side side) {
  if (evidence.begins_late) return false;  // the other side's packets may have been in what was given back
  const auto was_seen = [&](Side one) { return evidence.of(one).first.seen || evidence.of(one).rst.seen; };
  return was_seen(side) && !was_seen(other(side));
}

Unseen unseen_by_acks(const Evidence& evidence) {
  Unseen unseen;
  const Side seen = is_alone(evidence, Side::originator) ? Side::originator : Side::responder;
  if (!is_alone(evidence, seen)) return unseen;
  std::uint32_t acked = 1;
  std::uint32_t last_advance = 0;
  TimeNs last_advance_ns = kNoTime;
  bool closed = false;
  bool went_on = false;
  bool octet_by_octet = false;
  evidence.for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    if (rung.side != seen || (rung.flags & packet::tcp_flag::kAck) == 0) return;
    const bool advances = rung.ack > acked;
    if (closed) {
      went_on |= advances;
      return;
    }
    closed = (rung.flags & (packet::tcp_flag::kFin | packet::tcp_flag::kRst)) != 0;
    if (!advances) return;
    if (last_advance > 0) unseen.last_octets_ns = last_advance_ns;
    octet_by_octet |= last_advance == 1;
    last_advance = rung.ack - acked;
    last_advance_ns = rung.time_ns;
    acked = rung.ack;
  });
  const bool is_fin = last_advance == 1 && !went_on && !octet_by_octet;
  (is_fin ? unseen.closed_ns : unseen.last_octets_ns) = last_advance_ns;
  unseen.octets = acked - 1 - (is_fin ? 1 : 0);
  return unseen;
}

TimeNs server_close_time(const Evidence& evidence) {
  if (is_alone(evidence, Side::originator)) return unseen_by_acks(evidence).closed_ns;
  return first_end_of(evidence.of(Side::responder));
}

TimeNs last_words_time(const Evidence& evidence, Side side) {
  return is_alone(evidence, other(side)) ? unseen_by_acks(evidence).last_octets_ns : evidence.of(side).last_payload_ns;
}

bool server_closed_by_fin(const Evidence& evidence) {
  const TimeNs closed = server_close_time(evidence);
  const bool by_ack = is_alone(evidence, Side::originator);
  return closed != kNoTime && (by_ack || evidence.of(Side::responder).fin_ns == closed);
}

bool client_spoke_first(const ConnectionSummary& summary) {
  const std::string_view history = summary.history.view();
  return history.find('D') < history.find('d');
}

bool all_acknowledged(const tcp::SideEvidence& side) { return side.acked + 1 >= side.next_seq; }

bool client_had_last_word(const Evidence& evidence) {
  const TimeNs client_spoke = last_words_time(evidence, Side::originator);
  const TimeNs server_spoke = last_words_time(evidence, Side::responder);
  if (client_spoke == kNoTime || server_spoke == kNoTime) return client_spoke != kNoTime;
  return is_before(evidence, {Side::responder, Mark::last_words, server_spoke},
                   {Side::originator, Mark::last_words, client_spoke});
}

LastHeard last_heard(const Evidence& evidence) {
  const TimeNs client_spoke = last_words_time(evidence, Side::originator);
  const TimeNs closed = server_close_time(evidence);
  const bool was_too_late =
      client_spoke != kNoTime && closed != kNoTime &&
      is_before(evidence, {Side::responder, Mark::end, closed}, {Side::originator, Mark::last_words, client_spoke});
  if (!was_too_late) return {.time_ns = client_spoke, .unanswered = client_had_last_word(evidence)};
  LastHeard heard;
  // What the server said stands in no ladder then.
  if (is_alone(evidence, Side::originator)) return heard;
  bool has_closed = false;
  evidence.for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    if (has_closed || rung.note == tcp::RungNote::bad_checksum) return;
    has_closed = rung.side == Side::responder && ends(rung);
    if (!speaks(rung)) return;
    heard.unanswered = rung.side == Side::originator;
    if (heard.unanswered) heard.time_ns = rung.time_ns;
  });
  return heard;
}

bool server_closed_at_rest(const Evidence& evidence) {
  return server_closed_by_fin(evidence) && !last_heard(evidence).unanswered;
}

Cut cut_of(Ending ending, const Evidence* evidence) {
  if (ending != Ending::closed_after_reply && ending != Ending::closed_after_greeting) return Cut::none;
  if (evidence == nullptr) return Cut::none;
  const SideEvidence& server = evidence->of(Side::responder);
  const TimeNs closed = server_close_time(*evidence);
  // What the client says after the close is no part of the session.
  const LastHeard last = last_heard(*evidence);
  if (!last.unanswered) {
    if (closed - last_words_time(*evidence, Side::responder) <= kSameBreathNs) return Cut::none;
    return server_closed_by_fin(*evidence) ? Cut::at_rest : Cut::in_midst;
  }
  // A RST would mean that the words were not even read.
  const bool was_heard = server_closed_by_fin(*evidence);
  const bool at_once = closed - last.time_ns <= kSameBreathNs + server_round_trip(*evidence);
  if (was_heard && at_once) return Cut::on_last_words;
  // A server that hangs up on its only words was not to hear any: those of the client crossed them.
  const bool spoke_once = server.payload_segments == 1 && !evidence->begins_late;
  return spoke_once && closed - server.first_payload_ns <= kSameBreathNs ? Cut::none : Cut::in_midst;
}

bool was_left_half_open(const ConnectionSummary& summary, Ending ending) {
  return ending == Ending::half_open_abandoned && !is_closed(summary);
}

TimeNs close_time(const ConnectionSummary& summary, const Evidence* evidence) {
  if (evidence == nullptr) return summary.end_ns;
  const TimeNs end = earlier(first_end_of(evidence->of(Side::originator)), first_end_of(evidence->of(Side::responder)));
  return end == kNoTime ? summary.end_ns : end;
}

Ending ending_of(const ConnectionSummary& summary, const Evidence* evidence) {
  // What an evicted connection would have done next nobody knows.
  if (summary.end_reason == tcp::EndReason::evicted && !is_closed(summary)) return Ending::let_go;
  if (is_unusable(summary)) return Ending::let_go;
  if (evidence == nullptr) return ending_by_state(summary);
  const Evidence& e = *evidence;
  const bool handshake_seen = e.syn_ns != kNoTime || e.syn_ack_ns != kNoTime;
  if (!handshake_seen && answers_unseen_syn(summary, e)) return Ending::syn_reset;
  if (handshake_seen && handshake_was_ignored(summary, e)) return Ending::handshake_ignored;
  const bool client_alone = summary.one_sided && summary.side[index_of(Side::responder)].packets == 0;
  if (client_alone && summary.stage != Stage::syn) return ending_by_client_alone(summary, e);
  if (summary.stage == Stage::syn || summary.stage == Stage::handshake) {
    if (handshake_seen) return ending_before_the_handshake(summary, e);
    // What was recorded begins after the SYN, as there was no room before.
    if (!summary.mid_stream) return ending_by_state(summary);
  }
  const TimeNs client_end = first_end_of(e.of(Side::originator));
  const TimeNs server_end = first_end_of(e.of(Side::responder));
  if (client_was_stalled(e) && (server_end == kNoTime || client_end != kNoTime)) return Ending::client_stalled;
  if (client_end == kNoTime && server_end == kNoTime) return ending_of_silence(summary, e);
  return ending_of_close(summary, e, client_end, server_end);
}

}  // namespace doorslam::diagnose
