#include "tests/unit/diagnose/evidence_case.h"

/// Cases of what the packets themselves say: of the handshake, of its answers, of what did not get through
/// (evidence/handshake, evidence/path).
namespace doorslam::diagnose::test {
namespace {

// --- the handshake's own numbers ------------------------------------------------------------------------------------

Conversation& acknowledge_another_number(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  Segment& ack = talk.client(kAck);
  if (there) ack.ack += 12345;
  const std::uint32_t acknowledged = ack.ack;
  talk.server(kRst).seq = acknowledged;
  return talk;
}

// --- the answer to a SYN --------------------------------------------------------------------------------------------

Conversation& repeat_the_syn(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn);
  for (int i = 0; there && i < 3; ++i) talk.after(kSecondNs << i).client(kSyn).seq = 1000;
  go_on(scene, 60.0);
  return talk;
}

template <std::uint8_t Type, std::uint8_t Code, std::uint8_t OtherCode>
Conversation& meet_icmp(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn);
  scene.story.report(talk, address4(254), Type, there ? Code : OtherCode);
  return talk;
}

Conversation& trace_the_route(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn).ttl = there ? 1 : 58;
  scene.story.report(talk, address4(254), 11, 0);
  return talk;
}

Conversation& leave_half_open(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < (there ? 150 : 20); ++i) {
    last = &scene.story.connect(client(1 + i), 1.0 + 0.01 * i);
    last->client(kSyn);
    last->server(kSyn | kAck);
  }
  go_on(scene, 90.0);
  return *last;
}

Conversation& reset_the_syn_ack(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  if (there) talk.client(kRst);
  go_on(scene, 90.0);
  return talk;
}

// --- the accept queue -----------------------------------------------------------------------------------------------

void send_syn_ack_again(Conversation& talk) {
  --talk.server_end().next;
  talk.after(kSecondNs).server(kSyn | kAck);
}

Conversation& repeat_the_syn_ack(Scene& scene, bool there) {
  Conversation& talk = scene.story.connect(client(1), 2.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  if (there) talk.client(kAck);
  send_syn_ack_again(talk);  // else its first one was lost on the way
  talk.client(kAck);
  if (!there) Story::hang_up(talk);
  return talk;
}

Conversation& never_acknowledge_the_data(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.client(kPsh | kAck, "HELLO\r\n");
  send_again(talk, Side::originator, "HELLO\r\n", 4);
  if (!there) talk.server(kAck);
  return talk;
}

Conversation& reset_the_final_ack(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.server(there ? kRst : kRst | kAck);
  return talk;
}

Conversation& be_ignored_alone(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < 3; ++i) {
    last = &shake_hands(scene, client(1), 1.0 + 8.0 * i);
    last->client(kPsh | kAck, "HELLO\r\n");
    send_again(*last, Side::originator, "HELLO\r\n", 5);
  }
  // One other client shows little.
  for (int i = 0; i < 12; ++i) scene.story.serve(client(there ? 10 + i % 4 : 10), 1.5 + 2.0 * i, 0.5);
  return *last;
}

Conversation& be_dropped_near_an_overflow(Scene& scene, bool there) {
  Conversation& ignored = shake_hands(scene, client(1), 2.0);
  for (int i = 0; i < 3; ++i) send_syn_ack_again(ignored);
  Conversation& silent = scene.story.connect(client(2), there ? 5.0 : 120.0);
  for (int i = 0; i < 3; ++i) silent.after(kSecondNs << i).client(kSyn).seq = 1000;
  return silent;
}

Conversation& be_dropped_where_the_first_waits(Scene& scene, bool there) {
  Conversation& first = ask(scene, client(1), 1.0);
  if (!there) first.server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
  first.after(3 * kSecondNs).client(kFin | kAck);
  first.server(kAck);
  Conversation& dropped = scene.story.connect(client(2), 2.0);
  for (int i = 0; i < 4; ++i) dropped.after(kSecondNs << i).client(kSyn).seq = 1000;
  return dropped;
}

// --- who sent the RST -----------------------------------------------------------------------------------------------

Conversation& reset_by_another_host(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.client(kPsh | kAck, "HELLO\r\n");
  talk.server(kRst | kAck).ttl = there ? 58 : 63;
  return talk;
}

Conversation& see_nothing_but_a_reset(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  for (int i = 0; i < 3; ++i) talk.lose_latest();
  talk.client(kPsh | kAck, "HELLO\r\n");
  if (there) talk.lose_latest();
  talk.server(kRst | kAck);
  return talk;
}

Conversation& reset_in_the_clients_name(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.client(kRst | kAck).ttl = there ? 50 : 64;
  return talk;
}

Conversation& reset_both(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.client(kRst | kAck).ttl = 50;
  talk.after(there ? 100 * kMicrosecondNs : kSecondNs).server(kRst | kAck).ttl = 50;
  return talk;
}

// --- SYNs that are reset --------------------------------------------------------------------------------------------

Conversation& reset_one_clients_syns(Scene& scene, bool there) {
  scene.story.serve(client(1), 0.5);
  std::vector<Conversation*> reset;
  for (int i = 0; i < 3; ++i) {
    reset.push_back(&scene.story.find_closed(client(1), 3.0 + 4.0 * i));
    scene.story.serve(client(2), 4.0 + 4.0 * i);
    scene.story.serve(client(3), 5.0 + 4.0 * i);
  }
  if (!there) scene.story.serve(client(1), 6.0);
  return *reset[1];
}

Conversation& accept_and_reset_by_turns(Scene& scene, bool there) {
  std::vector<Conversation*> reset;
  for (int i = 0; i < 12; ++i) {
    if (there || i == 0) scene.story.serve(client(1 + (i * 5) % 7), 1.0 + i, 0.2);
    if (there || i == 0) scene.story.serve(client(1 + (i * 3) % 7), 1.3 + i, 0.2);
    reset.push_back(&scene.story.find_closed(client(1 + i % 7), 1.6 + i));
  }
  return *reset[5];
}

Conversation& find_a_port_closed_that_served(Scene& scene, bool there) {
  if (there) scene.story.serve(client(2), 0.5);
  return scene.story.find_closed(client(1), 5.0);
}

Conversation& find_a_port_closed_after_many(Scene& scene, bool there) {
  for (int i = 0; i < 6; ++i) scene.story.serve(client(10 + i), 0.5 + (there ? 0.1 : 2.0) * i, 0.05);
  return scene.story.find_closed(client(1), 15.0);
}

// --- what did not get through ---------------------------------------------------------------------------------------

Conversation& send_words_in_vain(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  send_again(talk, Side::originator, "LIST\r\n", there ? 7 : 2);
  return talk;
}

Conversation& send_a_long_answer_in_vain(Scene& scene, bool there) {
  const std::string page = "HTTP/1.1 200 OK\r\n\r\n" + std::string(1429, 'x');
  Conversation& talk = ask(scene, client(1), 2.0);
  talk.server(kPsh | kAck, page);
  send_again(talk, Side::responder, page, 6);
  // A client that shows no sign of life has vanished.
  if (there) talk.after(kSecondNs).client(kFin | kAck).ack -= static_cast<std::uint32_t>(page.size());
  return talk;
}

Conversation& be_reset_in_session(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  talk.server(there ? kRst : kRst | kAck);
  return talk;
}

constexpr EvidenceCase kCases[] = {
    {"handshake-ack-wrong", "acknowledges a number that the SYN-ACK did not offer", acknowledge_another_number},
    {"handshake-ack-right", "the handshake's sequence and acknowledgement numbers fit",
     reverse_of<acknowledge_another_number>},
    {"syn-repeated", "4 SYNs over 7.0 s went unanswered", repeat_the_syn},
    {"icmp-prohibited", "answers with ICMP 3/13", meet_icmp<3, 13, 1>},
    {"icmp-unreachable", "answers with ICMP 3/1", meet_icmp<3, 1, 13>},
    {"route-was-traced", "had a hop limit of 1, and", trace_the_route},
    {"hop-limit-exceeded", "a loop of routes", reverse_of<trace_the_route>},
    {"syn-ack-repeated-after-ack", "the SYN-ACK came 2 times although the client had acknowledged it",
     repeat_the_syn_ack},
    {"data-never-acked", "sent 5 times after the handshake and never acknowledged", never_acknowledge_the_data},
    {"bare-reset-answers-ack", "a RST without ACK answers the final ACK within 1.0 ms", reset_the_final_ack},
    {"ignored-while-others-served", "of other clients were accepted and served, and this client never",
     be_ignored_alone},
    {"server-overflowed-nearby", "the same port ignored a completed handshake", be_dropped_near_an_overflow},
    {"accepted-and-never-answered", "nobody who asked was answered: the queue", be_dropped_where_the_first_waits},
    {"left-half-open-in-numbers", "handshakes with this port were left half-open", leave_half_open},
    {"client-reset-the-syn-ack", "resets the server's SYN-ACK", reset_the_syn_ack},
    {"reset-from-elsewhere", "the RST arrives with TTL 58, the server's own packets with 63", reset_by_another_host},
    {"nothing-but-a-reset", "nothing but a RST was seen of it", see_nothing_but_a_reset},
    {"reset-from-the-server", "the RST arrives with TTL 63, as do the server's own packets",
     reverse_of<reset_by_another_host>},
    {"client-reset-from-elsewhere", "a RST in the client's name arrives with TTL 50", reset_in_the_clients_name},
    {"resets-both-ways", "RSTs in both directions within", reset_both},
    {"syn-reset-for-one-client", "a packet filter against this client", reset_one_clients_syns},
    {"syns-reset-by-turns", "refused and accepted by turns", accept_and_reset_by_turns},
    {"port-was-open-before", "this port accepted connections until 4.5 s before", find_a_port_closed_that_served},
    {"port-closed-after-a-burst", "6 connections had been accepted in the second before the port closed",
     find_a_port_closed_after_many},
    {"client-data-in-vain", "nobody acknowledged them, not even the server's kernel", send_words_in_vain},
    {"server-data-in-vain", "segments of 1448 octets 6 more times", send_a_long_answer_in_vain},
    {"bare-reset-in-session", "who sent it knew nothing of the session", be_reset_in_session},
};

}  // namespace

std::span<const EvidenceCase> handshake_evidence_cases() { return kCases; }

}  // namespace doorslam::diagnose::test
