#include "pipeline/diagnose/evidence/handshake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/chance.h"
#include "pipeline/diagnose/icmp_words.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using tcp::Fingerprint;
using tcp::SideEvidence;

/// A kernel's own RST, or a device's pair of them, comes within this.
constexpr flowtable::DurationNs kAtOnceNs = 20 * kMillisecondNs;
/// A queue that overflows does so again and again within this.
constexpr flowtable::DurationNs kNearbyNs = 60 * kSecondNs;
/// Super-servers withdraw a service for about this long.
constexpr flowtable::DurationNs kWithdrawnNs = 60 * kSecondNs;
/// Connections in a second; fewer are no burst.
constexpr std::uint32_t kBurst = 4;

/// Hops that a packet has crossed, by the usual initial TTLs. Two stacks of one host may start at different ones.
int hops_crossed(std::uint8_t ttl) {
  for (const int initial : {32, 64, 128, 255}) {
    if (ttl <= initial) return initial - ttl;
  }
  return 0;
}

/// The TTL that the server's own packets arrive with; 0 where that is unknown.
std::uint8_t own_ttl(const Case& c) {
  const SideEvidence& server = c.packets->of(tcp::Side::responder);
  if (server.first.seen && server.first.ttl != 0) return server.first.ttl;
  // It sent nothing but the RST: of several servers behind the address it may be any.
  if (c.marks && c.marks->stacks.has_ttl(server.rst.ttl)) return server.rst.ttl;
  return c.host_ttl;
}

bool about_reset(const Case& c) {
  return c.packets != nullptr && c.server()->rst_ns != kNoTime && (c.ending == Ending::syn_reset || c.server_hung_up());
}

/// Who reports says where the rule or the fault is: on the server's own host, or on the way to it.
std::string icmp_answer(const Case& c) {
  const tcp::IcmpNote& icmp = c.packets->icmp;
  const std::string words = icmp_words(icmp.reporter.version, icmp.type, icmp.code);
  if (icmp.reporter == c.summary.responder.address) return "the server's own host answers with " + words;
  return fmt::format("{} answers with {}, in the server's place", text_of(icmp.reporter), words);
}

/// A router gave the packet up because it had gone too far; not because of where it went.
bool met_time_exceeded(const Case& c) {
  if (c.ending != Ending::syn_icmp || c.packets == nullptr) return false;
  const tcp::IcmpNote& icmp = c.packets->icmp;
  return icmp.type == (icmp.reporter.version == flowtable::IpVersion::v6 ? 3 : 11);
}

/// RFC 792 and RFC 1812: type 3, codes 9, 10, 13; RFC 4443: type 1, codes 1, 5 and 6.
bool is_icmp_prohibited(const Case& c) {
  if (c.packets == nullptr || c.packets->icmp.time_ns == kNoTime) return false;
  const tcp::IcmpNote& icmp = c.packets->icmp;
  const bool v6 = icmp.reporter.version == flowtable::IpVersion::v6;
  return v6 ? icmp.type == 1 && (icmp.code == 1 || icmp.code == 5 || icmp.code == 6)
            : icmp.type == 3 && (icmp.code == 9 || icmp.code == 10 || icmp.code == 13);
}

/// RFC 792, type 11; RFC 4443, type 3. Whoever sends with a hop limit so low wants to be told by the routers
/// (traceroute).
bool is_route_traced(const Case& c) {
  constexpr std::uint8_t kLowest = 24;  // no stack begins so low
  return met_time_exceeded(c) && c.client()->first.ttl <= kLowest;
}

/// A full queue is full for everybody, and whoever sends again gets in when it is not. Whom only this client's packets
/// fail to reach has no full queue.
bool is_ignored_while_others_served(const Case& c) {
  constexpr std::uint32_t kFew = 3;
  const Contrast& k = c.contrast;
  if (c.ending != Ending::handshake_ignored || c.packets == nullptr) return false;
  if (k.same_client.served > 0 || k.clients.served < 2 || k.acceptances.served_meanwhile < kFew) return false;
  return c.client()->retransmissions + c.packets->syn_acks >= kFew;
}

/// By its TTL, another host than the client sent the RST in the client's name.
bool is_client_reset_from_elsewhere(const Case& c) {
  if (c.packets == nullptr || c.client()->rst_ns == kNoTime || !c.client()->first.seen) return false;
  return hops_crossed(c.client()->rst.ttl) != hops_crossed(c.client()->first.ttl);
}

/// How likely it is that so many of this client's SYNs were reset, had those to be reset been drawn blindly; 1 where
/// its SYN was not, or nobody is there to compare it with.
double chance_of_syn_resets(const Case& c) {
  constexpr std::uint32_t kFew = 2;
  const Acceptances& k = c.contrast.acceptances;
  if (c.ending != Ending::syn_reset || k.resets < 2 || k.between_resets < kFew) return 1.0;
  // Who is let in now and then meets a rate, a sick server behind the address, or a restart.
  if (k.some_let_in_again) return 1.0;
  return chance_of(Draw{.all = k.resets + k.resets_of_others + k.between_resets,
                        .marked = k.resets + k.resets_of_others,
                        .drawn = k.resets,
                        .drawn_marked = k.resets});
}

bool is_syn_reset_for_one_client(const Case& c) {
  constexpr double kBelievable = 0.2;
  return chance_of_syn_resets(c) <= kBelievable;
}

/// A port that a moment before and a moment after takes connections, again and again, has its listener.
bool are_syns_reset_by_turns(const Case& c) {
  constexpr flowtable::DurationNs kMoment = 2 * kSecondNs;
  constexpr flowtable::DurationNs kAround = 30 * kSecondNs;
  constexpr std::uint32_t kTurns = 3;
  const Acceptances& k = c.contrast.acceptances;
  if (c.ending != Ending::syn_reset || !c.marks || k.before_ns == kNoTime || is_syn_reset_for_one_client(c))
    return false;
  // At the end of a capture nobody came after it.
  if ((k.after_ns == kNoTime ? c.summary.start_ns : k.after_ns) - k.before_ns > kMoment) return false;
  return c.marks->closures_between(c.summary.start_ns - kAround, c.summary.start_ns + kAround) >= kTurns;
}

}  // namespace

bool is_reset_from_elsewhere(const Case& c) {
  if (!about_reset(c)) return false;
  const std::uint8_t own = own_ttl(c);
  return own != 0 && hops_crossed(c.packets->of(tcp::Side::responder).rst.ttl) != hops_crossed(own);
}

/// The kernel answers a final ACK that acknowledges another number than it offered with a RST (RFC 9293, 3.10.7.4).
std::optional<Finding> handshake_ack_wrong(const Case& c) {
  if (c.packets == nullptr || !c.packets->handshake_ack_wrong) return std::nullopt;
  // A kernel that goes on with it, or says nothing to it, had offered that number, in a segment that was not captured.
  if (c.server()->rst_ns == kNoTime || c.client()->acked > 1) return std::nullopt;
  return Finding{"the final handshake ACK acknowledges a number that the SYN-ACK did not offer"};
}

/// With right numbers a faulty ACK is out of the question, and it would have met a RST, never a FIN.
std::optional<Finding> handshake_ack_right(const Case& c) {
  if (c.packets == nullptr || c.packets->handshake_ack_wrong || c.packets->handshake_ns == kNoTime) return std::nullopt;
  const bool fin = c.server()->fin_ns != kNoTime;
  // The numbers of one direction have nothing to fit to.
  if (c.summary.one_sided && !fin) return std::nullopt;
  return Finding{fin ? "the handshake's numbers fit, and a faulty ACK meets a RST, not a FIN"
                     : "the handshake's sequence and acknowledgement numbers fit"};
}

/// A stack sends its SYN again when nothing came back (RFC 6298): not one packet of either direction got through.
std::optional<Finding> syn_repeated(const Case& c) {
  if (c.ending != Ending::syn_unanswered || c.packets == nullptr || c.packets->syns < 2) return std::nullopt;
  return Finding{fmt::format("{} SYNs over {} went unanswered, no RST and no ICMP", c.packets->syns,
                             in_words(c.packets->last_syn_ns - c.packets->syn_ns))};
}

std::optional<Finding> icmp_prohibited(const Case& c) {
  if (!is_icmp_prohibited(c)) return std::nullopt;
  return Finding{icmp_answer(c)};
}

/// The router or host says itself that it could not deliver the packet; why a filter would refuse it, it does not say.
std::optional<Finding> icmp_unreachable(const Case& c) {
  if (c.packets == nullptr || c.packets->icmp.time_ns == kNoTime || is_icmp_prohibited(c)) return std::nullopt;
  const tcp::IcmpNote& icmp = c.packets->icmp;
  const bool v6 = icmp.reporter.version == flowtable::IpVersion::v6;
  if (icmp.type != (v6 ? 1 : 3)) return std::nullopt;
  return Finding{icmp_answer(c)};
}

std::optional<Finding> route_was_traced(const Case& c) {
  if (!is_route_traced(c)) return std::nullopt;
  return Finding{fmt::format("the client's SYN had a hop limit of {}, and {}: a trace of the route, not a connection",
                             c.client()->first.ttl, icmp_answer(c))};
}

/// A packet that set out with hops enough went round in a circle.
std::optional<Finding> hop_limit_exceeded(const Case& c) {
  if (!met_time_exceeded(c) || is_route_traced(c)) return std::nullopt;
  return Finding{icmp_answer(c) + ": a loop of routes, which is no rule and no word of the server's"};
}

/// Linux ignores the final ACK while the accept queue is full and sends its SYN-ACK again.
std::optional<Finding> syn_ack_repeated_after_ack(const Case& c) {
  if (c.packets == nullptr || c.packets->syn_acks < 2 || c.packets->handshake_ns == kNoTime) return std::nullopt;
  if (c.packets->last_syn_ack_ns <= c.packets->handshake_ns || c.server()->payload_segments > 0) return std::nullopt;
  return Finding{
      fmt::format("the SYN-ACK came {} times although the client had acknowledged it: the server's queue of "
                  "accepted connections is full",
                  c.packets->syn_acks)};
}

/// A kernel that had taken the connection would acknowledge its data; one that answered with a SYN cookie and then
/// found the accept queue full knows nothing of it.
std::optional<Finding> data_never_acked(const Case& c) {
  if (c.packets == nullptr || c.ending != Ending::handshake_ignored) return std::nullopt;
  const SideEvidence& client = *c.client();
  if (client.payload_segments == 0 || client.retransmissions < 2 || client.acked > 1) return std::nullopt;
  return Finding{fmt::format("the client's data was sent {} times after the handshake and never acknowledged",
                             client.retransmissions + 1)};
}

/// tcp_abort_on_overflow: the RST carries no ACK flag and comes at once, before anybody has sent data.
std::optional<Finding> bare_reset_answers_ack(const Case& c) {
  if (c.packets == nullptr || c.ending != Ending::handshake_reset || c.packets->handshake_ack_wrong)
    return std::nullopt;
  const SideEvidence& server = *c.server();
  if (server.rst_with_ack || c.packets->handshake_ns == kNoTime) return std::nullopt;
  if (server.rst_ns - c.packets->handshake_ns > kAtOnceNs) return std::nullopt;
  if (is_reset_from_elsewhere(c)) return std::nullopt;  // not the server's kernel
  return Finding{fmt::format("a RST without ACK answers the final ACK within {}: the kernel, not the application",
                             in_words(server.rst_ns - c.packets->handshake_ns))};
}

std::optional<Finding> ignored_while_others_served(const Case& c) {
  if (!is_ignored_while_others_served(c)) return std::nullopt;
  return Finding{fmt::format(
      "while the server ignored this client, {} of other clients were accepted and served, and this client never: its "
      "packets are dropped on the way, for a queue is full for everybody",
      counted(c.contrast.acceptances.served_meanwhile, "connection", "connections"))};
}

/// A full accept queue lasts until the application takes from it: SYNs are dropped, ACKs ignored or reset meanwhile.
std::optional<Finding> server_overflowed_nearby(const Case& c) {
  const auto overflow_ns = c.marks ? c.marks->overflow_beside(c.summary.id) : kNoTime;
  if (overflow_ns == kNoTime || is_ignored_while_others_served(c)) return std::nullopt;
  if (c.ending != Ending::syn_unanswered && c.ending != Ending::handshake_ignored &&
      c.ending != Ending::handshake_reset) {
    return std::nullopt;
  }
  const auto distance = std::abs(overflow_ns - c.summary.start_ns);
  if (distance > kNearbyNs) return std::nullopt;
  return Finding{fmt::format("the same port ignored a completed handshake {} away in time", in_words(distance))};
}

/// A listener whose program takes no connection from it: its kernel completes as many handshakes as the backlog holds,
/// acknowledges what those clients say, and then drops SYNs (listen(2)).
std::optional<Finding> accepted_and_never_answered(const Case& c) {
  const Contrast& k = c.contrast;
  if (c.ending != Ending::syn_unanswered || !c.marks || c.marks->last_accept_ns == kNoTime) return std::nullopt;
  const auto since = c.summary.start_ns - c.marks->last_accept_ns;
  if (since < 0 || since > kNearbyNs || k.speech.never_answered == 0 || k.served > 0) return std::nullopt;
  return Finding{
      fmt::format("this port completed a handshake {} before, and nobody who asked was answered: the queue of accepted "
                  "connections is full",
                  in_words(since))};
}

/// Made-up source addresses: the SYN-ACKs go to hosts that never asked (RFC 4987, section 2). A scanner's half-open
/// probes are few on one port, and its kernel resets the SYN-ACK.
std::optional<Finding> left_half_open_in_numbers(const Case& c) {
  constexpr std::uint32_t kFlood = 100;
  if (!c.marks || !was_left_half_open(c.summary, c.ending)) return std::nullopt;
  const std::uint32_t others = c.marks->half_open.around(c.summary.start_ns);
  if (others < kFlood) return std::nullopt;
  return Finding{fmt::format(
      "{} handshakes with this port were left half-open within 30 s: nobody answered its SYN-ACKs", others)};
}

/// Only a stack that wants no connection resets the SYN-ACK: nobody refused it.
std::optional<Finding> client_reset_the_syn_ack(const Case& c) {
  if (c.packets == nullptr || c.ending != Ending::half_open_abandoned) return std::nullopt;
  if (c.client()->rst_ns == kNoTime) return std::nullopt;
  return Finding{"the client's own stack resets the server's SYN-ACK: a half-open scan, or a client that gave up"};
}

/// A third host cannot know the hops between the server and the tap, nor the server's habits.
std::optional<Finding> reset_from_elsewhere(const Case& c) {
  if (!is_reset_from_elsewhere(c)) return std::nullopt;
  const SideEvidence& server = *c.server();
  const std::uint8_t own = own_ttl(c);
  const int nearer = hops_crossed(own) - hops_crossed(server.rst.ttl);
  // Towards the client it passed the capture, so its sender stands on the server's side of it.
  const std::string where = nearer > 0 ? fmt::format(", {} nearer to the capture than the server",
                                                     counted(static_cast<unsigned>(nearer), "hop", "hops"))
                                       : std::string();
  return Finding{fmt::format("the RST arrives with TTL {}, the server's own packets with {}: another host sent it{}",
                             server.rst.ttl, own, where)};
}

/// Devices clean up what both ends have left long ago.
std::optional<Finding> nothing_but_a_reset(const Case& c) {
  if (c.ending != Ending::closed_unseen || c.packets == nullptr || c.server()->rst_ns == kNoTime) return std::nullopt;
  const auto& sides = c.summary.side;
  if (sides[0].packets > 0 || sides[1].packets > c.server()->resets) return std::nullopt;
  return Finding{"nothing but a RST was seen of it: a straggler of a connection that was over, which refuses nobody"};
}

/// A device on the way would stand nearer to the capture, or farther away, than the server.
std::optional<Finding> reset_from_the_server(const Case& c) {
  if (!about_reset(c)) return std::nullopt;
  const SideEvidence& server = *c.server();
  const std::uint8_t own = own_ttl(c);
  if (own == 0 || hops_crossed(server.rst.ttl) != hops_crossed(own)) return std::nullopt;
  return Finding{fmt::format("the RST arrives with TTL {}, as do the server's own packets", server.rst.ttl)};
}

/// The same for a RST in the client's name.
std::optional<Finding> client_reset_from_elsewhere(const Case& c) {
  if (!is_client_reset_from_elsewhere(c)) return std::nullopt;
  const SideEvidence& client = *c.client();
  const int nearer = hops_crossed(client.first.ttl) - hops_crossed(client.rst.ttl);
  const std::string where = nearer > 0 ? fmt::format(": sent {} nearer to the capture than the client",
                                                     counted(static_cast<unsigned>(nearer), "hop", "hops"))
                                       : std::string();
  return Finding{fmt::format("a RST in the client's name arrives with TTL {}, the client's own packets with {}{}",
                             client.rst.ttl, client.first.ttl, where)};
}

/// Devices that cut connections reset both ends at once.
std::optional<Finding> resets_both_ways(const Case& c) {
  if (!is_client_reset_from_elsewhere(c) || c.server()->rst_ns == kNoTime) return std::nullopt;
  const auto apart = std::abs(c.client()->rst_ns - c.server()->rst_ns);
  if (apart > kAtOnceNs) return std::nullopt;
  return Finding{fmt::format("RSTs in both directions within {}, the client's with TTL {} instead of {}",
                             in_words(apart), c.client()->rst.ttl, c.client()->first.ttl)};
}

/// A packet filter resets some clients and lets the others through; a port is closed for all, or for none.
std::optional<Finding> syn_reset_for_one_client(const Case& c) {
  constexpr double kSure = 0.02;
  if (!is_syn_reset_for_one_client(c)) return std::nullopt;
  const Acceptances& k = c.contrast.acceptances;
  return Finding{fmt::format("this client's SYN was reset {} of {} times, while the same port accepted {} of others in "
                             "between: a packet filter against this client, not a port without a listener",
                             k.resets, k.resets, counted(k.between_resets, "connection", "connections")),
                 std::clamp(std::log(chance_of_syn_resets(c)) / std::log(kSure), 0.0, 1.0)};
}

std::optional<Finding> syns_reset_by_turns(const Case& c) {
  if (!are_syns_reset_by_turns(c)) return std::nullopt;
  const Acceptances& k = c.contrast.acceptances;
  const std::string after =
      k.after_ns == kNoTime ? std::string() : fmt::format(" and {} after", in_words(k.after_ns - c.summary.start_ns));
  return Finding{
      fmt::format("the port accepted others {} before{}, and refused and accepted by turns: a filter that "
                  "counts, or one of several servers behind the address, but no port without a listener",
                  in_words(c.summary.start_ns - k.before_ns), after)};
}

/// A port that has served was closed by somebody; one that was never open is a wrong number or a scan.
std::optional<Finding> port_was_open_before(const Case& c) {
  const Acceptances& k = c.contrast.acceptances;
  if (c.ending != Ending::syn_reset || (k.before_ns == kNoTime && k.after_ns == kNoTime)) return std::nullopt;
  if (is_syn_reset_for_one_client(c) || are_syns_reset_by_turns(c)) return std::nullopt;
  if (k.before_ns == kNoTime) return Finding{"this port has accepted connections since"};
  const std::string before = in_words(c.summary.start_ns - k.before_ns);
  if (k.after_ns == kNoTime) return Finding{fmt::format("this port accepted connections until {} before", before)};
  return Finding{fmt::format("this port accepted connections until {} before, and none until {} after", before,
                             in_words(k.after_ns - c.summary.start_ns))};
}

/// A super-server that withdraws a service for too many connections a second leaves a closed port behind.
std::optional<Finding> port_closed_after_a_burst(const Case& c) {
  if (c.ending != Ending::syn_reset || !c.marks) return std::nullopt;
  const PortClosure* closure =
      c.marks->closure_between(c.summary.start_ns - kWithdrawnNs, c.summary.start_ns + kSecondNs);
  if (closure == nullptr || closure->accepted_in_last_second < kBurst) return std::nullopt;
  return Finding{fmt::format("{} connections had been accepted in the second before the port closed",
                             closure->accepted_in_last_second)};
}

}  // namespace doorslam::diagnose::evidence
