#include "pipeline/diagnose/evidence/speech.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/crash.h"
#include "pipeline/diagnose/guide/guide.h"
#include "pipeline/diagnose/protocol_marks.h"
#include "pipeline/diagnose/tls_alert.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::DurationNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using tcp::Rung;
using tcp::Side;
using tcp::SideEvidence;

/// More than a login by SSH takes, with the longest list of keys.
constexpr std::uint64_t kLongestLoginOctets = 16'384;
/// Servers give a login two minutes (OpenSSH's LoginGraceTime).
constexpr DurationNs kLongestLogin = 130 * kSecondNs;

/// A client that leaves earlier than this has not waited for an answer.
constexpr DurationNs kPatienceNs = kSecondNs;

bool server_greets_first(std::uint16_t port) {
  constexpr auto kGreeters = std::to_array<std::string_view>(
      {"ftp", "smtp", "submission", "pop3", "imap", "ssh", "mysql", "nntp", "telnet", "rsync", "vnc"});
  return std::ranges::find(kGreeters, usual_protocol(port)) != kGreeters.end();
}

/// The server speaks first to everybody whom it serves.
bool is_to_greet(const Case& c) {
  constexpr std::uint32_t kUsual = 3;
  if (server_greets_first(c.summary.responder.port)) return true;
  return c.contrast.speech.served_unasked >= kUsual && c.contrast.speech.served_on_asking == 0;
}

DurationNs waited(const Case& c) {
  const SideEvidence& client = c.packets->of(Side::originator);
  const auto end =
      client.fin_ns != kNoTime ? client.fin_ns : (client.rst_ns != kNoTime ? client.rst_ns : client.last_ns);
  const auto since = client.last_payload_ns != kNoTime ? client.last_payload_ns : c.accepted_ns;
  return end - since;
}

/// Payload octets of the server after the client's Finished (TLS): from its second flight on, or from its third where
/// the second was another ClientHello.
std::uint32_t server_octets_after_finished(const tcp::Evidence& e) {
  const unsigned answers_before = is_hello_retry_request(e.of(Side::responder).head) ? 2 : 1;
  std::uint32_t octets = 0;
  unsigned answers = 0;  // flights of the client after words of the server
  bool server_spoke = false;
  e.for_each_rung([&](const Rung& rung, std::uint32_t) {
    if (rung.length == 0 || rung.note == tcp::RungNote::retransmission) return;
    if (rung.side == Side::originator) {
      answers += server_spoke ? 1U : 0U;
      server_spoke = false;
    } else {
      server_spoke = true;
      octets += answers >= answers_before ? rung.length : 0;
    }
  });
  return octets;
}

/// The client's FIN left before it could know of the server's.
bool fins_crossed(const tcp::Evidence& e) {
  std::optional<std::uint32_t> server_fin;
  bool crossed = false;
  e.for_each_rung([&](const Rung& rung, std::uint32_t) {
    if ((rung.flags & packet::tcp_flag::kFin) == 0) return;
    if (rung.side == Side::responder) {
      server_fin = rung.seq + rung.length;
    } else {
      crossed = server_fin.has_value() && rung.ack <= *server_fin;
    }
  });
  return crossed;
}

/// The server's FIN acknowledges payload of the client.
bool fin_acknowledges_words(const tcp::Evidence& e) {
  bool acknowledges = false;
  e.for_each_rung([&](const Rung& rung, std::uint32_t) {
    acknowledges |= rung.side == Side::responder && (rung.flags & packet::tcp_flag::kFin) != 0 && rung.ack > 1;
  });
  return acknowledges;
}

}  // namespace

/// An application learns of a client only when the kernel has finished the handshake; so a refusal by address is a
/// completed handshake and the server's FIN, with no payload.
std::optional<Finding> closed_without_payload(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  if (is_alone(*c.packets, Side::originator)) {
    if (server_close_time(*c.packets) == kNoTime) {
      return Finding{
          "the client did not send its request again and never closed: it met a RST, as far as one direction tells"};
    }
    return Finding{
        fmt::format("the client acknowledged the server's FIN {} after the handshake, and not a byte before it",
                    in_words(c.closed_ns - c.accepted_ns))};
  }
  if (is_alone(*c.packets, Side::responder) && c.packets->syn_ack_ns != kNoTime) {
    return Finding{fmt::format("the server closed {} after its SYN-ACK without sending a byte",
                               in_words(c.closed_ns - c.packets->syn_ack_ns))};
  }
  return Finding{fmt::format("the server closed {} after the handshake without sending a byte",
                             in_words(c.closed_ns - c.accepted_ns))};
}

/// Linux answers a close with unread data by RST: it shows who spoke first, not that anything crashed.
std::optional<Finding> closed_with_request_unread(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  if (c.server()->rst_ns == kNoTime || c.client()->payload_segments == 0) return std::nullopt;
  return Finding{"the close became a RST because the client's data was unread; a RST alone is no sign of a crash"};
}

/// A list, or a limit, needs no words of the client, and what a program has not read its kernel answers by RST. So a
/// FIN that acknowledges them says that the program let the client speak, and read it: what it read may be the reason.
std::optional<Finding> closed_on_words_it_had_read(const Case& c) {
  constexpr DurationNs kOwnTime = 100 * flowtable::kMillisecondNs;
  constexpr double kHalf = 0.5;
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr || c.summary.one_sided) return std::nullopt;
  if (!server_closed_by_fin(*c.packets) || c.packets->of(Side::responder).rst_ns != kNoTime) return std::nullopt;
  const LastHeard heard = last_heard(*c.packets);
  const DurationNs pause = c.closed_ns - heard.time_ns;
  if (!heard.unanswered || pause > kSameBreathNs + server_round_trip(*c.packets)) return std::nullopt;
  if (!fin_acknowledges_words(*c.packets)) return std::nullopt;
  const DurationNs own_time = c.packets->of(Side::originator).first_payload_ns - c.accepted_ns;
  if (own_time < kOwnTime) {  // then the close may have been on its way already
    return Finding{fmt::format("the server read what the client said before it closed, {} later: by FIN, not by RST",
                               in_words(pause)),
                   kHalf};
  }
  // Web servers ask their lists once they have a request (nginx's 444), which the served began alike.
  const Opening opening = opening_of(c.packets->of(Side::originator).head);
  const bool as_the_served = tells_protocol(opening) && c.contrast.openings.served_same > 0;
  return Finding{fmt::format("the server waited {} for the client's words, read them, and closed {} later",
                             in_words(own_time), in_words(pause)),
                 as_the_served ? kHalf : 1.0};
}

/// Print jobs, log streams and uploads on a connection of their own: the server acknowledges and has nothing to say.
std::optional<Finding> one_way_transfer(const Case& c) {
  if (c.ending != Ending::left_without_a_word && c.ending != Ending::server_silent) return std::nullopt;
  if (c.packets == nullptr || c.summary.one_sided) return std::nullopt;
  const SideEvidence& client = *c.client();
  const std::uint64_t octets = c.summary.side[index_of(Side::originator)].payload_bytes;
  if (!all_acknowledged(client) || (client.payload_segments < kTransferSegments && octets < kTransferOctets))
    return std::nullopt;
  // A request is owed an answer, however long it is.
  if (tells_protocol(opening_of(client.head))) return std::nullopt;
  return Finding{fmt::format("the client sent {} octets in {} segments, all acknowledged: a transfer in one direction",
                             octets, client.payload_segments)};
}

/// Data connections, and senders of figures and messages that say one thing and leave: all of it was acknowledged, and
/// nobody on this port ever waits for an answer, or gets one.
std::optional<Finding> one_way_port(const Case& c) {
  constexpr std::uint32_t kOthers = 2;
  const Contrast& k = c.contrast;
  if (c.ending != Ending::left_without_a_word || c.packets == nullptr || c.summary.one_sided) return std::nullopt;
  const SideEvidence& client = *c.client();
  if (client.payload_segments == 0 || !all_acknowledged(client)) return std::nullopt;
  if (client.rst_ns != kNoTime || waited(c) >= kPatienceNs) return std::nullopt;
  if (k.speech.never_answered < kOthers || k.served + k.refused > 0) return std::nullopt;
  // Whoever begins so waits for an answer: where nobody gets one, something is wrong.
  if (tells_protocol(opening_of(client.head))) return std::nullopt;
  return Finding{
      fmt::format("all that the client sent was acknowledged, and nobody is answered on this port: so it was with {}",
                  counted(k.speech.never_answered, "other connection", "other connections"))};
}

/// Where the protocol has words for "too many", a full server usually says them.
std::optional<Finding> no_word_of_a_limit(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.summary.one_sided) return std::nullopt;
  struct Usage {
    std::string_view protocol;
    std::string_view words;
  };
  constexpr auto kUsages = std::to_array<Usage>({{"ftp", "421"},
                                                 {"smtp", "421"},
                                                 {"pop3", "-ERR"},
                                                 {"imap", "* BYE"},
                                                 {"http", "503"},
                                                 {"mysql", "error 1040"},
                                                 {"postgresql", "SQLSTATE 53300"},
                                                 {"redis", "-ERR max number of clients reached"}});
  const std::string_view protocol = usual_protocol(c.summary.responder.port);
  const auto usage = std::ranges::find(kUsages, protocol, &Usage::protocol);
  if (usage == kUsages.end()) return std::nullopt;
  return Finding{fmt::format("no {}, which a full {} server usually sends", usage->words, protocol)};
}

/// Octets that were acknowledged show that the server spoke, not whether it was a refusal.
std::optional<Finding> words_not_captured(const Case& c) {
  if (c.outcome == Outcome::unseen && c.ending != Ending::closed_unseen) {
    return Finding{"the server spoke and closed, but what it said is missing from the capture"};
  }
  if (c.ending != Ending::left_after_reply && c.ending != Ending::left_after_greeting) return std::nullopt;
  if (c.packets == nullptr || !is_alone(*c.packets, Side::originator)) return std::nullopt;
  const std::uint32_t octets = unseen_by_acks(*c.packets).octets;
  if (octets == 0) return std::nullopt;
  return Finding{fmt::format("the client acknowledged {} of the server, but what they said was not captured",
                             counted(octets, "octet", "octets"))};
}

/// Who is to be refused hears it at once; whoever is greeted like the served was being served.
std::optional<Finding> words_usual_here(const Case& c) {
  if (!c.server_hung_up() || c.contrast.greetings.served_same == 0 || c.outcome == Outcome::refused_in_words)
    return std::nullopt;
  // That a session had begun well does not make its end with all the others, or over a request, an ordinary one.
  if (ended_with_it(c) > 0 || hung_up_over_a_request(c) || are_idle_sessions_ended_together(c)) return std::nullopt;
  // Nor do others on whom it hung up so, where yet others were let go on.
  if (c.hung_up_soon && c.contrast.greetings.usual == 0 && c.contrast.greetings.went_further > 0) return std::nullopt;
  // Where nobody got beyond these words, each of them is called served for the sake of the others.
  const bool of_one_another = c.hung_up_soon && c.contrast.greetings.went_further == 0;
  if (of_one_another && c.packets != nullptr && !server_closed_by_fin(*c.packets)) return std::nullopt;
  return Finding{fmt::format("the server began with the same words as to {}",
                             counted(c.contrast.greetings.served_same, "served connection", "served connections")),
                 of_one_another ? 0.5 : 1.0};
}

/// Where those who go on are all greeted alike, another first word and a close is a no in a language that no signature
/// knows.
std::optional<Finding> words_unusual_here(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.begins_otherwise() || c.outcome == Outcome::refused_in_words) return std::nullopt;
  // Where every session begins in its own way, another way tells little.
  const bool uniform = 2 * k.greetings.kinds <= k.greetings.usual + 1;
  return Finding{fmt::format("the server said something else than to the {} that went on, and closed",
                             counted(k.greetings.usual, "session", "sessions")),
                 uniform ? 1.0 : 0.5};
}

/// The words of the others are not known, but that the server went on with them is.
std::optional<Finding> others_went_on(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.hung_up_soon || c.outcome != Outcome::served || k.greetings.usual > 0 || k.greetings.went_further == 0)
    return std::nullopt;
  return Finding{fmt::format("the server hung up on its first words, and said more in {}",
                             counted(k.greetings.went_further, "other session", "other sessions"))};
}

/// A server that has done its work closes in good order: its RST takes away what is on its way to the client, or leaves
/// unread what the client has said.
std::optional<Finding> reset_behind_first_words(const Case& c) {
  if (!c.hung_up_soon || c.outcome != Outcome::served || c.packets == nullptr || c.summary.one_sided) {
    return std::nullopt;
  }
  if (c.contrast.greetings.went_further > 0 || !c.server_words.empty() || server_closed_by_fin(*c.packets))
    return std::nullopt;
  const DurationNs pause = c.closed_ns - last_words_time(*c.packets, Side::responder);
  if (pause > kSameBreathNs) return std::nullopt;
  return Finding{fmt::format("the server reset the connection {} after its first words, and goes on with nobody",
                             in_words(pause))};
}

/// Answer and close in one breath, after a request: a server that has done its work.
std::optional<Finding> ordinary_close_after_answer(const Case& c) {
  // A refusal in words is delivered in one breath as well, and an SSH server leaves the closing to the client.
  if (c.packets != nullptr && speaks_ssh(c.server()->head)) return std::nullopt;
  if (c.ending != Ending::closed_after_reply || c.packets == nullptr || c.looks_refused()) return std::nullopt;
  const auto answered_ns = last_words_time(*c.packets, Side::responder);
  if (answered_ns < last_heard(*c.packets).time_ns) return std::nullopt;
  if (!server_closed_by_fin(*c.packets)) return std::nullopt;
  if (server_close_time(*c.packets) - answered_ns > kSameBreathNs) return std::nullopt;
  return Finding{"the server answered the last request and closed in one breath"};
}

/// `quit` and its like: the close is the answer, in one breath, and no sign that anything went wrong.
std::optional<Finding> ended_on_last_words(const Case& c) {
  if (c.ending != Ending::closed_after_reply || cut_of(c.ending, c.packets) != Cut::on_last_words) return std::nullopt;
  return Finding{fmt::format("the server closed {} after the client's last words, which it had read",
                             in_words(c.closed_ns - last_heard(*c.packets).time_ns))};
}

/// Whoever is told nothing but a refusal leaves for it, whether its FIN or the server's comes first.
std::optional<Finding> refusal_was_all_it_said(const Case& c) {
  if (c.ending != Ending::left_after_reply && c.ending != Ending::left_after_greeting) return std::nullopt;
  if (c.packets == nullptr || c.server_words.empty()) return std::nullopt;
  const Signature& words = *c.server_words.front().signature;
  if (!is_refusal(words.main_cause()) || c.server()->payload_segments != 1) return std::nullopt;
  return Finding{"a refusal is all that the server said, and the client left on it", words.specificity};
}

/// A request that the server took and did not answer before it ended the session.
std::optional<Finding> cut_short_without_answer(const Case& c) {
  if (c.ending != Ending::closed_after_reply || c.packets == nullptr) return std::nullopt;
  const auto asked_ns = last_heard(*c.packets).time_ns;
  if (asked_ns <= last_words_time(*c.packets, Side::responder)) return std::nullopt;
  if (cut_of(c.ending, c.packets) != Cut::in_midst) return std::nullopt;
  // What never reached it was no request to it.
  if (sent_in_vain(*c.packets, Side::originator) > 0) return std::nullopt;
  // What crossed the server's last words on the way was no request that it left unanswered: it had spoken.
  const auto way_to_client_and_back = c.packets->handshake_ns - c.packets->last_syn_ack_ns;
  const bool ways_known = c.packets->handshake_ns != kNoTime && c.packets->last_syn_ack_ns != kNoTime;
  if (ways_known && asked_ns - last_words_time(*c.packets, Side::responder) < way_to_client_and_back) {
    return std::nullopt;
  }
  return Finding{fmt::format("the server ended the session {} after a request that it did not answer",
                             in_words(c.closed_ns - asked_ns))};
}

/// A server that serves others and hangs up on this ClientHello dislikes something in it: a version, a cipher, a name.
std::optional<Finding> tls_hello_refused(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  if (!is_client_hello(c.client()->head) || c.contrast.served == 0) return std::nullopt;
  return Finding{"the server closed on the TLS ClientHello without an alert"};
}

/// TLS 1.3 encrypts its alerts: two octets, one of type, sixteen of tag, so a record of 19 (RFC 8446, section 5.2).
/// Alone as the whole answer to the client's Finished it is a refusal; after data it is the usual close_notify.
std::optional<Finding> tls_alert_in_cipher(const Case& c) {
  if (c.packets == nullptr || !is_client_hello(c.client()->head)) return std::nullopt;
  if (!c.server_hung_up() && c.ending != Ending::left_after_reply) return std::nullopt;
  const SideEvidence& server = *c.server();
  const packet::ByteView words = server.latest_words();
  const bool lone_alert = words.size() == 24 && words[0] == 23 && words[3] == 0 && words[4] == 19;
  if (!lone_alert || server_octets_after_finished(*c.packets) != 24) return std::nullopt;
  return Finding{"the server's whole answer to the client's Finished is one encrypted record of an alert's size"};
}

/// A client that does not like what the server shows in the handshake says so in clear, unless TLS 1.3 has keys by
/// then.
std::optional<Finding> tls_alert_of_client(const Case& c) {
  constexpr std::uint8_t kCloseNotify = 0;
  constexpr std::uint8_t kUserCanceled = 90;
  if (c.packets == nullptr || !is_client_hello(c.client()->head)) return std::nullopt;
  const auto alert = tls_alert_in(c.client()->latest_words());
  if (!alert || *alert == kCloseNotify || *alert == kUserCanceled) return std::nullopt;
  const std::string_view what =
      is_about_certificate(*alert) ? "it does not trust the server's certificate" : "it gave up the handshake";
  return Finding{fmt::format("the client sent TLS alert {} ({}): {}", *alert,
                             meaning_of_alert(*alert).empty() ? "unassigned" : meaning_of_alert(*alert), what)};
}

namespace {

/// The first words of the client tell another protocol than those of all whom the server served. One of the two is to
/// be a protocol that is known here: most are not, and then their beginnings tell little.
std::optional<Finding> compare_openings(const Case& c, bool by_tls) {
  constexpr std::uint32_t kFew = 2;
  constexpr std::uint32_t kFewUnknown = 3;
  if (c.packets == nullptr || (c.ending != Ending::closed_without_a_word && !c.looks_refused())) return std::nullopt;
  const Contrast& k = c.contrast;
  const Opening own = opening_of(c.client()->head);
  const bool others_tell = tells_protocol(k.openings.other);
  if (own == Opening::none || (!others_tell && !tells_protocol(own))) return std::nullopt;
  if (k.openings.served_same > 0 || k.openings.served_other < (others_tell ? kFew : kFewUnknown)) return std::nullopt;
  if (by_tls != (others_tell && (own == Opening::tls || k.openings.other == Opening::tls))) return std::nullopt;
  if (!others_tell) {
    return Finding{
        fmt::format("the client began with {}, none of the {} served did", words_of(own), k.openings.served_other)};
  }
  return Finding{fmt::format("the client began with {}, the {} served with {}", words_of(own), k.openings.served_other,
                             words_of(k.openings.other))};
}

}  // namespace

/// Whoever speaks another protocol is not understood, whatever its address.
std::optional<Finding> begins_unlike_the_served(const Case& c) { return compare_openings(c, false); }

/// The same where one of the two speaks TLS, and the other does not.
std::optional<Finding> begins_unlike_the_served_by_tls(const Case& c) { return compare_openings(c, true); }

/// A port without TLS: its answer to a ClientHello is that it does not understand.
std::optional<Finding> tls_met_plain_http(const Case& c) {
  if (c.packets == nullptr || !is_client_hello(c.client()->head)) return std::nullopt;
  if (!begins_with(c.server()->head, "HTTP/1.")) return std::nullopt;
  return Finding{"the client began with a TLS ClientHello, and the server answered in plain HTTP"};
}

/// A refusal ends a session, or is followed by a few more attempts and a farewell. Whoever goes on for long has got
/// over it, in words that were not kept.
std::optional<Finding> went_on_after_the_refusal(const Case& c) {
  constexpr std::uint16_t kFewExchanges = 4;
  constexpr std::uint64_t kManyOctets = 2048;
  if (c.outcome != Outcome::refused_in_words || c.packets == nullptr || c.server_words.empty()) return std::nullopt;
  const SignatureHit& hit = c.server_words.front();
  if (hit.in_last_words || c.ending == Ending::closed_after_greeting) return std::nullopt;
  // At most one exchange a segment came before.
  const int exchanges = c.packets->exchanges - hit.segment - 1;
  const std::uint64_t octets = c.summary.side[0].payload_bytes + c.summary.side[1].payload_bytes;
  // Whoever tries one password after another goes on for long as well, and all of it is short lines.
  constexpr std::uint64_t kShortLine = 100;
  const bool short_lines = octets < kShortLine * (c.summary.side[0].packets + c.summary.side[1].packets);
  if (hit.signature->main_cause() == Cause::auth_failed && short_lines) return std::nullopt;
  const std::uint64_t before = c.client()->head.length + c.server()->head.length;
  if (exchanges < kFewExchanges || octets < before + kManyOctets) return std::nullopt;
  return Finding{fmt::format("after these words the two went on for at least {} more, {} octets in all",
                             counted(static_cast<std::uint64_t>(exchanges), "exchange", "exchanges"), octets)};
}

/// An error of the server's that no other client meets, and after which it serves again, is one of a request: of what
/// lies behind the server, not of the service.
std::optional<Finding> http_error_not_for_all(const Case& c) {
  constexpr double kSaysSo = 0.75;  // Retry-After, a page on maintenance
  if (c.outcome != Outcome::refused_in_words || c.server_words.empty()) return std::nullopt;
  const Signature& signature = *c.server_words.front().signature;
  const double maintenance = signature.weight_of(Cause::maintenance);
  if (signature.protocol != "http" || maintenance == 0.0 || maintenance >= kSaysSo) return std::nullopt;
  const Contrast& k = c.contrast;
  if (k.clients.served == 0 || k.clients.refused > 0 || k.served_again_ns == kNoTime) return std::nullopt;
  return Finding{fmt::format("{}, and none met such an error, so it is not the whole service's",
                             counted(k.clients.served, "other client was served", "other clients were served"))};
}

/// An SSH client ends a finished session itself; a server that leaves first has given up on the login (RFC 4252, 5).
std::optional<Finding> ssh_server_left_first(const Case& c) {
  if (c.ending != Ending::closed_after_reply || c.packets == nullptr) return std::nullopt;
  if (!speaks_ssh(c.server()->head) || c.packets->exchanges < 3) return std::nullopt;
  const std::uint64_t octets = c.summary.side[index_of(Side::responder)].payload_bytes;
  if (octets > kLongestLoginOctets || c.closed_ns - c.accepted_ns > kLongestLogin) return std::nullopt;
  // A client that says farewell and leaves by itself has done what it came for.
  if (c.client()->last_payload_ns > c.server()->last_payload_ns && fins_crossed(*c.packets)) return std::nullopt;
  return Finding{fmt::format("the SSH server hung up after {} exchanges and {} octets, during authentication",
                             c.packets->exchanges, octets)};
}

/// MQTT has one answer, "not authorised", for a wrong password and for an address that is not wanted (3.1.1, section
/// 3.2.2.3). Who names a user and a password is told of these.
std::optional<Finding> credentials_refused(const Case& c) {
  if (c.packets == nullptr || !is_mqtt_connect_with_password(c.client()->head)) return std::nullopt;
  if (!is_mqtt_not_authorised(c.server()->head)) return std::nullopt;
  return Finding{"the client's CONNECT carries a user name and a password, and the CONNACK says: not authorised"};
}

/// Whoever has not said a word has tried no password: such words are about something else, and a code that says so is
/// used for more than one thing.
std::optional<Finding> nothing_was_tried(const Case& c) {
  if (c.ending != Ending::closed_after_greeting || c.packets == nullptr || c.server_words.empty()) return std::nullopt;
  if (c.server_words.front().signature->weight_of(Cause::auth_failed) == 0.0) return std::nullopt;
  if (c.summary.mid_stream || c.summary.one_sided || c.packets->of(Side::originator).payload_segments > 0)
    return std::nullopt;
  return Finding{"the client had not said a word, and so tried no password, when it was told so"};
}

namespace {

/// How long after the client had left in vain the answer came; 0: not at all, or to a client that took it.
DurationNs answered_after_leave(const Case& c) {
  if (c.ending != Ending::left_without_a_word || c.packets == nullptr) return 0;
  const SideEvidence& client = c.packets->of(Side::originator);
  const SideEvidence& server = c.packets->of(Side::responder);
  if (client.payload_segments == 0 || server.first_payload_ns == kNoTime || waited(c) < kPatienceNs) return 0;
  // Who takes the answer has only said that it will ask no more.
  if (server.acked > 1) return 0;
  return std::max<DurationNs>(server.first_payload_ns - client.last_payload_ns - waited(c), 0);
}

/// Most others waited as long for their answer and got it: what is asked for takes its time, and the client has less.
/// Where only some lasted as long, they may have been sessions whose ends let the next in.
bool is_answered_too_late(const Case& c) {
  constexpr std::uint32_t kUsual = 2;
  const Acceptances& k = c.contrast.acceptances;
  return answered_after_leave(c) > 0 && k.served_as_late >= kUsual && k.served_as_late > k.served_otherwise;
}

}  // namespace

std::optional<Finding> answered_too_late(const Case& c) {
  if (!is_answered_too_late(c)) return std::nullopt;
  return Finding{
      fmt::format("the client left {} after its request, and the answer came {} later, as late as to {}: its "
                  "patience is shorter than the server's work",
                  in_words(waited(c)), in_words(answered_after_leave(c)),
                  counted(c.contrast.acceptances.served_as_late, "other connection", "other connections"))};
}

/// A client that had asked, or was to be greeted, and waited longer than any answer takes, got none.
std::optional<Finding> client_waited_in_vain(const Case& c) {
  if (c.ending != Ending::left_without_a_word || c.packets == nullptr || waited(c) < kPatienceNs) return std::nullopt;
  if (is_answered_too_late(c)) return std::nullopt;
  if (c.packets->of(Side::originator).payload_segments == 0) {
    // Where the client is to speak first, an idle connection is the client's own affair (browsers keep some in
    // reserve).
    if (!is_to_greet(c)) return std::nullopt;
    return Finding{fmt::format("the client waited {} for a greeting and left", in_words(waited(c))), 0.6};
  }
  const DurationNs late = answered_after_leave(c);
  const std::string then = late == 0 ? std::string() : fmt::format("; the answer came {} later", in_words(late));
  return Finding{fmt::format("the client's request was acknowledged, and after {} without an answer it left{}",
                             in_words(waited(c)), then)};
}

/// Whoever leaves before an answer could have come did not wait for one.
std::optional<Finding> client_left_at_once(const Case& c) {
  if (c.ending != Ending::left_without_a_word || c.packets == nullptr || waited(c) >= kPatienceNs) return std::nullopt;
  return Finding{fmt::format("the client itself closed after {}", in_words(waited(c)))};
}

/// A health check or a connect scan asks for nothing.
std::optional<Finding> client_said_nothing(const Case& c) {
  if (c.packets == nullptr || c.client()->payload_segments > 0) return std::nullopt;
  if (c.ending != Ending::left_without_a_word) return std::nullopt;
  return Finding{"the client never sent a request: a health check, a port scan or a banner grab"};
}

/// A living stack acknowledges data and keep-alives, whatever its application does (RFC 9293, 3.8).
std::optional<Finding> server_data_not_acked(const Case& c) {
  if (c.ending != Ending::client_silent || c.packets == nullptr) return std::nullopt;
  const SideEvidence& server = *c.server();
  if (server.retransmissions == 0) {
    const std::uint32_t probes = unanswered_probes(*c.packets);
    if (probes == 0) return std::nullopt;
    return Finding{fmt::format("the server asked for a sign of life {}, the client has been silent for {}",
                               counted(probes, "time", "times"), in_words(server.last_ns - c.client()->last_ns))};
  }
  return Finding{fmt::format("the server sent {} octets again {}, the client has been silent for {}",
                             server.next_seq - server.acked, counted(server.retransmissions, "time", "times"),
                             in_words(server.last_ns - c.client()->last_ns))};
}

/// A stack that announces no room while the server has more to say has an application that does not read.
std::optional<Finding> client_window_closed(const Case& c) {
  if (c.ending != Ending::client_stalled || c.packets == nullptr) return std::nullopt;
  const auto since = c.client()->zero_window_since_ns;
  return Finding{fmt::format("the client's receive window stood at zero for {}",
                             in_words(std::max(c.client()->last_ns, c.server()->last_ns) - since))};
}

}  // namespace doorslam::diagnose::evidence
