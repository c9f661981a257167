#include "tests/unit/diagnose/evidence_case.h"

/// Cases of how a connection ended, of what was said on it, and of what the capture lacks (evidence/speech,
/// evidence/loss).
namespace doorslam::diagnose::test {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr auto kHello = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"sv;
constexpr auto kServerHello = "\x16\x03\x03\x00\x45\x02\x00\x00\x41\x03\x03"sv;
constexpr auto kRequest = "GET / HTTP/1.1\r\n\r\n"sv;
constexpr auto kAnswer = "HTTP/1.1 200 OK\r\n\r\n"sv;

/// A record of TLS application data with that many octets in it.
std::string record(std::uint8_t octets) {
  return std::string("\x17\x03\x03\x00", 4) + static_cast<char>(octets) + std::string(octets, '\x5a');
}

// --- how it ended, and without which words --------------------------------------------------------------------------

Conversation& close_without_a_word(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  if (!there) talk.server(kPsh | kAck, kGreeting);
  Story::hang_up(talk);
  return talk;
}

Conversation& leave_the_request_unread(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.client(kPsh | kAck, "HELLO\r\n");
  if (there) {
    talk.server(kRst | kAck);
  } else {
    Story::hang_up(talk);
  }
  return talk;
}

/// By FIN, so that they were read; or by RST.
Conversation& close_on_words(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.after(3 * kSecondNs).client(kPsh | kAck, "HELLO\r\n");
  talk.server((there ? kFin : kRst) | kAck);
  return talk;
}

/// A connection in reserve, of a client that is served, or of one that is not.
Conversation& close_the_unused(Scene& scene, bool there) {
  for (int i = 0; i < (there ? 4 : 2); ++i) {
    Conversation& page = shake_hands(scene, client(10 + i % 2), 1.0 + 4.0 * i);
    page.exchange(kRequest, kAnswer);
    page.after(kSecondNs).close();
  }
  Conversation& spare = shake_hands(scene, client(there ? 10 : 60), 6.0);
  spare.after(3 * kSecondNs);
  Story::hang_up(spare);
  return spare;
}

Conversation& close_the_unfinished(Scene& scene, bool there) {
  Conversation& talk = ask(scene, client(1), 1.0, there ? "GET / HTTP/1.1\r\nHost: x\r\n" : kRequest);
  talk.after(3 * kSecondNs);
  Story::hang_up(talk);
  return talk;
}

Conversation& close_the_silent(Scene& scene, bool there) {
  Conversation& spare = shake_hands(scene, client(1), 1.0);
  spare.after(seconds(there ? 20.0 : 5.0));
  Story::hang_up(spare);
  return spare;
}

Conversation& send_pages_to_print(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 1.0);
  for (int page = 0; page < (there ? 6 : 2); ++page) {
    talk.after(kSecondNs).client(kPsh | kAck, "a page of a print job");
    talk.server(kAck);
  }
  talk.close();
  return talk;
}

/// By FIN, so that the server has read the last of it; or by RST.
Conversation& send_a_file(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 1.0);
  Story::send_file(talk, 6, 1000);
  talk.after(500 * kMillisecondNs);
  if (there) {
    Story::hang_up(talk);
  } else {
    talk.server(kRst | kAck);
  }
  return talk;
}

Conversation& send_figures(Scene& scene, bool there) {
  if (!there) scene.story.serve(client(20), 0.5);
  Conversation* last = nullptr;
  for (int i = 0; i < 6; ++i) {
    last = &shake_hands(scene, client(10 + i % 2), 1.0 + 0.5 * i);
    last->client(kPsh | kAck, "load.one 0.7\n");
    last->close();
  }
  return *last;
}

Conversation& be_refused_by_ftp(Scene& scene, bool there) {
  Conversation& talk =
      scene.story.connect(client(1), 2.0, {address4(200), there ? std::uint16_t{21} : std::uint16_t{5000}});
  talk.handshake();
  Story::hang_up(talk);
  return talk;
}

/// A connection of a client that has an FTP session with the server, or of another one.
Conversation& list_an_empty_folder(Scene& scene, bool there) {
  Story::open_session(scene.story.connect(client(there ? 1 : 2), 1.0, {address4(200), 21}));
  Conversation& listing = scene.story.connect(client(1), 2.0, {address4(200), 50000});
  listing.handshake();
  Story::hang_up(listing);
  return listing;
}

// --- first and last words -------------------------------------------------------------------------------------------

Conversation& lose_the_answer(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.server(kPsh | kAck, kGreeting);
  if (there) talk.lose_latest();
  Story::hang_up(talk);
  return talk;
}

/// A session that the server ends at rest, begun like those of others, or not.
Conversation& begin_as_usual(Scene& scene, bool there) {
  constexpr auto kWelcome = "220 mail.example.test ready\r\n"sv;
  for (int i = 0; i < 3; ++i) {
    Conversation& other = shake_hands(scene, client(10 + i), 1.0 + 2.0 * i);
    other.server(kPsh | kAck, kWelcome);
    other.exchange("USER x\r\n", "230 welcome\r\n");
    other.close();
  }
  Conversation& talk = shake_hands(scene, client(1), 8.0);
  talk.server(kPsh | kAck, there ? kWelcome : "zutritt verwehrt\r\n"sv);
  talk.client(kAck);
  talk.after(5 * kSecondNs);
  Story::hang_up(talk);
  return talk;
}

/// Of the others only is known that they went on, or how they began as well.
Conversation& go_on_with_others(Scene& scene, bool there) {
  for (int i = 0; i < 3; ++i) {
    Conversation& other = shake_hands(scene, client(10 + i), 1.0 + 2.0 * i);
    other.server(kPsh | kAck, kGreeting);
    if (there) other.lose_latest();
    other.client(kAck);
    for (int words = 0; words < 3; ++words) other.exchange("USER x\r\n", "230 welcome\r\n");
    other.close();
  }
  Conversation& talk = shake_hands(scene, client(1), 8.0);
  talk.server(kPsh | kAck, "zutritt verwehrt\r\n");
  Story::hang_up(talk);
  return talk;
}

Conversation& answer_and_close(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(kHello, kServerHello);
  talk.after((there ? 1 : 1000) * kMillisecondNs);
  Story::hang_up(talk);
  return talk;
}

Conversation& say_farewell(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.after(5 * kSecondNs).client(kPsh | kAck, "QUIT\r\n");
  if (!there) talk.server(kAck);
  talk.after((there ? 1 : 800) * kMillisecondNs);
  Story::hang_up(talk);
  return talk;
}

Conversation& hear_nothing_but_a_refusal(Scene& scene, bool there) {
  constexpr auto kShuttingDown = "E\0\0\0jSFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0"sv;
  scene.reads_words = true;
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  if (!there) talk.exchange("ssl?", "N");
  talk.exchange("startup", kShuttingDown);
  talk.close();
  return talk;
}

Conversation& be_cut_short(Scene& scene, bool there) {
  Conversation& talk = scene.story.open(client(1), 2.0);
  talk.after(5 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  if (!there) talk.server(kPsh | kAck, "226 done\r\n");
  talk.after(100 * kMillisecondNs).server(kRst | kAck);
  return talk;
}

// --- TLS, and other protocols ---------------------------------------------------------------------------------------

Conversation& close_on_the_hello(Scene& scene, bool there) {
  serve_others(scene, 3);
  Conversation& talk = ask(scene, client(1), 8.0, there ? kHello : kRequest);
  Story::hang_up(talk);
  return talk;
}

Conversation& answer_the_finished(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(kHello, kServerHello);
  talk.exchange(record(40), record(there ? 19 : 40));
  Story::hang_up(talk);
  return talk;
}

Conversation& refuse_the_certificate(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(kHello, kServerHello);
  talk.client(kPsh | kAck, there ? "\x15\x03\x03\x00\x02\x02\x30"sv : "\x15\x03\x03\x00\x02\x01\x00"sv);
  talk.close();
  return talk;
}

/// Others are served in another protocol: by a PROXY header, or by TLS.
Conversation& begin_unlike_others(Scene& scene, bool there) {
  for (int i = 0; i < 5; ++i) {
    Conversation& other = shake_hands(scene, client(10 + i), 1.0 + 2.0 * i);
    other.exchange(there ? "PROXY TCP4 192.0.2.1 192.0.2.2 4 5\r\n"sv : kHello, "fine");
    other.close();
  }
  Conversation& talk = shake_hands(scene, client(1), 6.0);
  talk.client(kPsh | kAck, kRequest);
  talk.server(kRst | kAck);
  return talk;
}

Conversation& answer_the_hello_in_http(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(kHello, there ? "HTTP/1.1 400 Bad Request\r\n\r\n"sv : kServerHello);
  Story::hang_up(talk);
  return talk;
}

// --- words of refusal -----------------------------------------------------------------------------------------------

Conversation& go_on_after_the_refusal(Scene& scene, bool there) {
  scene.reads_words = true;
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.server(kPsh | kAck, "220 mx ESMTP\r\n");
  talk.exchange("EHLO a\r\n", "250-mx\r\n" + std::string(190, 'x') + "\r\n");
  talk.exchange("AUTH PLAIN eA\r\n", "535 5.7.8 Error: authentication failed: no\r\n");
  for (int i = 0; there && i < 6; ++i) talk.exchange(std::string(900, 'm') + "\r\n", "250 ok\r\n");
  talk.exchange("QUIT\r\n", "221 bye\r\n");
  Story::hang_up(talk);
  return talk;
}

/// The others are served before and after, or before only.
Conversation& meet_an_http_error(Scene& scene, bool there) {
  scene.reads_words = true;
  for (int i = 0; i < (there ? 6 : 2); ++i) {
    Conversation& other = shake_hands(scene, client(10 + i), 1.0 + 2.0 * i);
    other.exchange(kRequest, kAnswer);
    other.close();
  }
  Conversation& talk = shake_hands(scene, client(1), 6.0);
  talk.exchange(kRequest, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
  Story::hang_up(talk);
  return talk;
}

Conversation& leave_in_the_login(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange("SSH-2.0-client\r\n", "SSH-2.0-server\r\n");
  for (int i = 0; i < 5; ++i) talk.exchange(std::string(90, 'c'), std::string(90, 's'));
  talk.after(seconds(there ? 0.001 : 300.0));
  Story::hang_up(talk);
  return talk;
}

Conversation& refuse_the_password(Scene& scene, bool there) {
  scene.reads_words = true;
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(there ? "\x10\x1a\0\4MQTT\4\xc2\0\x3c\0\2c1\0\4anna\0\4pass"sv : "\x10\x0e\0\4MQTT\4\x02\0\x3c\0\2c1"sv,
                "\x20\x02\x00\x05"sv);
  Story::hang_up(talk);
  return talk;
}

/// The same words to one that has not tried any.
Conversation& refuse_no_password(Scene& scene, bool there) {
  scene.reads_words = true;
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  if (!there) talk.client(kPsh | kAck, "PASS x\r\nNICK y\r\n");
  talk.server(kPsh | kAck, ":irc.x 464 y :Password incorrect\r\n");
  Story::hang_up(talk);
  return talk;
}

// --- what the client did --------------------------------------------------------------------------------------------

/// An answer that is as late to others, or to nobody.
Conversation& leave_before_the_answer(Scene& scene, bool there) {
  for (int i = 0; there && i < 3; ++i) {
    Conversation& other = ask(scene, client(10 + i), 1.0 + i);
    other.after(25 * kSecondNs).server(kPsh | kAck, kAnswer);
    other.client(kAck);
    other.close();
  }
  Conversation& talk = ask(scene, client(1), 2.0);
  talk.after(3 * kSecondNs).client(kFin | kAck);
  talk.server(kAck);
  talk.after(22 * kSecondNs).server(kPsh | kAck, kAnswer);
  talk.client(kRst);
  return talk;
}

Conversation& wait_for_the_answer(Scene& scene, bool there) {
  Conversation& talk = ask(scene, client(1), 2.0);
  talk.after(seconds(there ? 30.0 : 0.5)).client(kFin | kAck);
  talk.server(kAck);
  return talk;
}

Conversation& leave_at_once(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.after(seconds(there ? 0.001 : 30.0)).close();
  return talk;
}

Conversation& leave_without_a_request(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  if (!there) talk.client(kPsh | kAck, "HELLO\r\n");
  talk.close();
  return talk;
}

Conversation& answer_no_more(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange(kRequest, "answer");
  send_again(talk, Side::responder, "answer", 5);
  if (!there) talk.client(kAck);
  return talk;
}

Conversation& stop_reading(Scene& scene, bool there) {
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.client(kPsh | kAck, "GET all\r\n");
  for (int i = 0; i < 4; ++i) talk.server(kPsh | kAck, std::string(1000, 'x'));
  talk.client(kAck).window = 0;
  for (int i = 0; i < 5; ++i) {
    talk.after(kSecondNs << i).server(kAck).seq -= 1;  // a probe, RFC 9293 section 3.8.6.1
    talk.client(kAck).window = there ? 0 : 64240;
  }
  return talk;
}

// --- what the capture lacks -----------------------------------------------------------------------------------------

Conversation& lose_packets_meanwhile(Scene& scene, bool there) {
  const double at = there ? 2.5 : 40.0;
  scene.losses.push_back({kStart + seconds(at), kStart + seconds(at + 0.5), 700});
  Conversation& talk = scene.story.connect(client(1), 2.0);
  for (int i = 0; i < 3; ++i) talk.after(kSecondNs << i).client(kSyn).seq = 1000;
  return talk;
}

/// Served connections, each second one of which lacks an answer that was acknowledged; or none does.
void serve_with_holes(Scene& scene, bool holes) {
  for (int i = 0; i < 12; ++i) {
    Conversation& talk = scene.story.open(client(10 + i), 1.0 + i);
    if (holes && i % 2 == 0) {
      talk.server(kPsh | kAck, "150 more\r\n");
      talk.lose_latest();
      talk.client(kAck);
    }
    talk.close();
  }
}

Conversation& refuse_beside_holes(Scene& scene, bool there) {
  serve_with_holes(scene, there);
  return scene.story.refuse(client(1), 14.0);
}

Conversation& be_silent_beside_holes(Scene& scene, bool there) {
  serve_with_holes(scene, true);
  Conversation& talk = scene.story.connect(client(1), 14.0);
  talk.client(kSyn);
  if (!there) talk.after(kSecondNs).client(kSyn).seq = 1000;
  go_on(scene, 60.0);
  return talk;
}

Conversation& capture_no_answers(Scene& scene, bool there) {
  if (there) scene.captured = Side::originator;
  serve_others(scene, 5);
  Conversation& talk = scene.story.connect(client(1), 2.5);
  talk.client(kSyn);
  go_on(scene, 60.0);
  return talk;
}

Conversation& capture_no_reset(Scene& scene, bool there) {
  if (there) scene.captured = Side::originator;
  Conversation& talk = shake_hands(scene, client(1), 2.5);
  talk.client(kPsh | kAck, "HELLO\r\n");
  talk.server(kRst | kAck);
  go_on(scene, 60.0);
  return talk;
}

/// Everybody meets the same.
Conversation& reset_behind_an_answer(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < 4; ++i) {
    last = &ask(scene, client(10 + i), 1.0 + i, "HELLO\r\n");
    last->server(kPsh | kAck, "XYZZY\r\n");
    last->after(seconds(there ? 0.001 : 0.1)).server(kRst | kAck);
  }
  return *last;
}

/// What a server would send of its keys is the answer to the client's.
Conversation& name_ssh_algorithms(Scene& scene, bool there) {
  const std::string packet = "\0\0\0\x52\4\x14"s + std::string(80, 'k');
  Conversation& talk = shake_hands(scene, client(1), 2.0);
  talk.exchange("SSH-2.0-client\r\n", "SSH-2.0-server\r\n");
  talk.exchange(packet, packet);
  if (!there) talk.exchange(packet, packet);
  talk.close();
  return talk;
}

constexpr EvidenceCase kCases[] = {
    {"closed-without-payload", "the server closed 1.0 ms after the handshake without sending a byte",
     close_without_a_word},
    {"closed-with-request-unread", "a RST alone is no sign of a crash", leave_the_request_unread},
    {"closed-on-words-it-had-read", "for the client's words, read them, and closed", close_on_words},
    {"unused-where-clients-speak-first", "then the server closed; on 4 served connections the client spoke first",
     close_the_unused},
    {"unused-and-timed-out", "the client said nothing for 20.0 s, then the server closed", close_the_silent},
    {"request-unfinished", "had not come to its end: the server waited 3.0 s for the rest", close_the_unfinished},
    {"one-way-transfer", "in 6 segments, all acknowledged: a transfer in one direction", send_pages_to_print},
    {"one-way-port", "nobody is answered on this port: so it was with 5 other connections", send_figures},
    {"nothing-to-transfer", "closed in good order, there was nothing to transfer", list_an_empty_folder},
    {"took-a-transfer", "took all 6000 octets that the client sent, and closed by FIN", send_a_file},
    {"no-word-of-a-limit", "no 421, which a full ftp server usually sends", be_refused_by_ftp},
    {"words-not-captured", "what it said is missing from the capture", lose_the_answer},
    {"words-usual-here", "the server began with the same words as to 3 served connections", begin_as_usual},
    {"words-unusual-here", "the server said something else than to the 3 sessions that went on",
     reverse_of<begin_as_usual>},
    {"others-went-on", "hung up on its first words, and said more in 3 other sessions", go_on_with_others},
    {"reset-behind-first-words", "after its first words, and goes on with nobody", reset_behind_an_answer},
    {"ordinary-close-after-answer", "answered the last request and closed in one breath", answer_and_close},
    {"ended-on-last-words", "after the client's last words, which it had read", say_farewell},
    {"refusal-was-all-it-said", "a refusal is all that the server said, and the client left on it",
     hear_nothing_but_a_refusal, 5432},
    {"cut-short-without-answer", "the server ended the session 100 ms after a request that it did not answer",
     be_cut_short},
    {"tls-hello-refused", "the server closed on the TLS ClientHello without an alert", close_on_the_hello},
    {"tls-alert-in-cipher", "one encrypted record of an alert's size", answer_the_finished},
    {"tls-alert-of-client", "the client sent TLS alert 48 (unknown CA)", refuse_the_certificate},
    {"begins-unlike-the-served", "began with an HTTP request, the 5 served with a PROXY header", begin_unlike_others},
    {"begins-unlike-the-served-by-tls", "began with an HTTP request, the 5 served with a TLS ClientHello",
     reverse_of<begin_unlike_others>},
    {"tls-met-plain-http", "began with a TLS ClientHello, and the server answered in plain HTTP",
     answer_the_hello_in_http},
    {"went-on-after-the-refusal", "after these words the two went on for at least", go_on_after_the_refusal, 25},
    {"http-error-not-for-all", "and none met such an error, so it is not the whole service's", meet_an_http_error, 80},
    {"ssh-server-left-first", "the SSH server hung up after 6 exchanges", leave_in_the_login, 22},
    {"ssh-without-keys", "both sides named their SSH algorithms", name_ssh_algorithms, 22},
    {"credentials-refused", "the client's CONNECT carries a user name and a password", refuse_the_password, 1883},
    {"nothing-was-tried", "the client had not said a word, and so tried no password", refuse_no_password, 6697},
    {"answered-too-late", "its patience is shorter than the server's work", leave_before_the_answer},
    {"client-waited-in-vain", "was acknowledged, and after 30.0 s without an answer it left", wait_for_the_answer},
    {"client-left-at-once", "the client itself closed after 1.0 ms", leave_at_once},
    {"client-said-nothing", "the client never sent a request", leave_without_a_request},
    {"server-data-not-acked", "the server sent 6 octets again 5 times", answer_no_more},
    {"client-window-closed", "the client's receive window stood at zero for", stop_reading},
    {"packets-lost-meanwhile", "the sensor lost 700 packets meanwhile", lose_packets_meanwhile},
    {"holes-beside-a-close", "lack octets that were acknowledged: the capture has holes", refuse_beside_holes},
    {"holes-beside-silence", "lack octets that were acknowledged: the capture has holes", be_silent_beside_holes},
    {"answers-not-captured", "no packet of its direction was captured", capture_no_answers},
    {"reset-only-supposed", "that the server refused it is only supposed", capture_no_reset},
};

}  // namespace

std::span<const EvidenceCase> speech_evidence_cases() { return kCases; }

}  // namespace doorslam::diagnose::test
