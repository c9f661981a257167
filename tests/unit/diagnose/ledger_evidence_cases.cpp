#include "tests/unit/diagnose/evidence_case.h"

/// Cases of what else the server did, since when, and who else ended (evidence/ledger, evidence/servers,
/// evidence/spell, evidence/crash).
namespace doorslam::diagnose::test {
namespace {

// --- whom it refuses ------------------------------------------------------------------------------------------------

Conversation& refuse_one_always(Scene& scene, bool there) {
  serve_others(scene, 4);
  scene.story.refuse(client(1), 2.5);
  if (!there) scene.story.serve(client(1), 4.5);
  return scene.story.refuse(client(1), 6.5);
}

Conversation& refuse_two_and_serve_others(Scene& scene, bool there) {
  serve_others(scene, 4);
  scene.story.refuse(client(2), 2.5);
  if (!there) scene.story.serve(client(2), 4.5);
  return scene.story.refuse(client(1), 6.5);
}

Conversation& refuse_all(Scene& scene, bool there) {
  for (int i = 0; i < 2; ++i) scene.story.refuse(client(2 + i), 2.0 + 2.0 * i);
  if (!there) scene.story.serve(client(10), 5.0);
  return scene.story.refuse(client(1), 8.0);
}

Conversation& refuse_by_one_of_two_servers(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < (there ? 8 : 4); ++i) {
    scene.story.serve(client(10 + i % 4), 1.0 + 2.0 * i, 0.5);
    last = &scene.story.connect(client(10 + (i + 1) % 4), 2.0 + 2.0 * i);
    last->server_end().ttl = 57;
    last->handshake();
    Story::hang_up(*last);
  }
  return *last;
}

// --- at which load --------------------------------------------------------------------------------------------------

/// A server with three seats, which are taken or not.
Conversation& refuse_above_three_sessions(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int round = 0; round < 4; ++round) {
    const double at = 20.0 * round;
    for (int seat = 0; seat < 3; ++seat) scene.story.serve(client(10 + seat + round), at + seat, there ? 12.0 : 0.5);
    scene.story.refuse(client(10 + (round + 4) % 7), at + 5.0);
    last = &scene.story.refuse(client(10 + (round + 5) % 7), at + 8.0);
  }
  return *last;
}

/// Two sessions an address, or none to do with it.
Conversation& refuse_above_two_of_a_client(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int round = 0; round < 3; ++round) {
    const double at = 30.0 * round;
    for (int i = 0; i < 2; ++i) scene.story.serve(client(there ? 1 : 40 + i), at + 1 + i, 15.0);
    scene.story.refuse(client(1), at + 5.0);
    last = &scene.story.refuse(client(1), at + 9.0);
    for (int i = 0; i < 6; ++i) scene.story.serve(client(20 + i), at + 3 + i, 10.0);
  }
  return *last;
}

/// One client is refused between or beside the sessions of others.
Conversation& refuse_beside_sessions(Scene& scene, bool there) {
  for (int i = 0; i < 9; ++i) scene.story.serve(client(10 + i), 1.0 + 2.0 * i, there ? 3.0 : 0.5);
  Conversation* last = nullptr;
  for (int i = 0; i < 4; ++i) last = &scene.story.refuse(client(1), 2.5 + 4.0 * i);
  return *last;
}

/// Five in a burst are taken, the rest refused; or they come one after the other.
Conversation& refuse_a_burst(Scene& scene, bool there) {
  const double pace = there ? 0.06 : 1.5;
  Conversation* last = nullptr;
  for (int burst = 0; burst < 4; ++burst) {
    const double at = 30.0 * burst;
    const auto who = [&](int i) { return client(10 + (i + burst) % 12); };
    for (int i = 0; i < 5; ++i) scene.story.serve(who(i), at + pace * i, 0.01);
    for (int i = 5; i < 10; ++i) last = &scene.story.refuse(who(i), at + pace * i);
    for (int i = 0; i < 3; ++i) scene.story.serve(client(10 + i), at + 20 + i, 0.01);
  }
  return *last;
}

// --- since when -----------------------------------------------------------------------------------------------------

/// Clients of their own paces: from eight seconds on nobody is served, or all but one.
Conversation& serve_nobody_any_more(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int who = 0; who < 8; ++who) {
    for (double at = 1.0 + 0.11 * who; at < 20.0;) {
      const bool is_refused = at >= 8.0 && (there || who == 0);
      if (is_refused) {
        last = &scene.story.refuse(client(10 + who), at);
      } else {
        scene.story.serve(client(10 + who), at, 0.05);
      }
      at += is_refused ? 0.55 : 0.9 + 0.03 * who;
    }
  }
  return *last;
}

/// From seven seconds on, three of ten clients are refused, or all.
Conversation& serve_three_no_more(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int who = 0; who < 10; ++who) {
    for (int i = 0; i < 16; ++i) {
      const double at = 1.0 + 0.07 * who + 0.9 * i;
      if (at >= 7.0 && (who < 3 || !there)) {
        last = &scene.story.refuse(client(10 + who), at);
      } else {
        scene.story.serve(client(10 + who), at, 0.05);
      }
    }
  }
  return *last;
}

// --- who else ended -------------------------------------------------------------------------------------------------

/// Sessions that are cut with a request unread: within a millisecond, or a second apart.
Conversation& cut_sessions(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < 5; ++i) {
    last = &scene.story.open(client(10 + i), 1.0 + i);
    last->set_now(kStart + seconds(10.0) + i * (there ? 100 * kMicrosecondNs : kSecondNs));
    last->client(kPsh | kAck, "LIST\r\n");
    last->server(kRst | kAck);
  }
  return *last;
}

Conversation& let_idle_sessions_go(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < 8; ++i) {
    last = &scene.story.open(client(10 + i), 1.0 + i);
    last->set_now(kStart + seconds(20.0) + i * 100 * kMicrosecondNs);
    Story::hang_up(*last);
  }
  for (int i = 0; i < 4; ++i) scene.story.serve(client(30 + i), (there ? 26.0 : 20.2) + i);
  return *last;
}

Conversation& time_a_request_out(Scene& scene, bool there) {
  Conversation& talk = ask(scene, client(1), 1.0);
  talk.after(seconds(there ? 6.0 : 3.0));
  Story::hang_up(talk);
  return talk;
}

Conversation& close_at_one_age(Scene& scene, bool there) {
  Conversation* last = nullptr;
  for (int i = 0; i < 4; ++i) {
    last = &ask(scene, client(10 + i), 1.0 + 0.4 * i);
    last->after(seconds(there ? 3.0 : 2.0 + 0.5 * i));
    Story::hang_up(*last);
  }
  return *last;
}

/// Of PostgreSQL's: two sessions that are told why they end, or are not, and a third client that is told nothing.
Conversation& end_beside_others(Scene& scene, std::string_view words) {
  using namespace std::string_view_literals;
  scene.reads_words = true;
  const auto begin = [&](IpAddress who, double at) -> Conversation& {
    Conversation& talk = shake_hands(scene, who, at);
    talk.exchange("startup", "R\0\0\0\x08\0\0\0\0"sv);
    return talk;
  };
  for (int i = 0; i < 6; ++i) begin(client(20 + i), 1.0 + i).close();
  const std::vector<Conversation*> told = {&begin(client(1), 8.0), &begin(client(2), 8.1)};
  Conversation& speechless = shake_hands(scene, client(3), 10.0);
  speechless.client(kPsh | kAck, "startup");
  speechless.server(kRst | kAck);
  for (Conversation* talk : told) {
    talk->set_now(kStart + seconds(10.005));
    if (!words.empty()) talk->server(kPsh | kAck, words);
    Story::hang_up(*talk);
  }
  return speechless;
}

Conversation& end_beside_crashed(Scene& scene, bool there) {
  using namespace std::string_view_literals;
  constexpr auto kCrash =
      "N\0\0\x01\x8bSWARNING\0VWARNING\0C57P02\0Mterminating connection because of crash of another server process\0"sv;
  return end_beside_others(scene, there ? kCrash : std::string_view());
}

Conversation& end_beside_stopped(Scene& scene, bool there) {
  using namespace std::string_view_literals;
  constexpr auto kStop = "E\0\0\0gSFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0"sv;
  return end_beside_others(scene, there ? kStop : std::string_view());
}

/// Sessions of others that last, or are over by then.
Conversation& refuse_among_sessions(Scene& scene, bool there) {
  for (int i = 0; i < 4; ++i) scene.story.serve(client(20 + i), 1.0 + i, there ? 20.0 : 1.0);
  return scene.story.refuse(client(1), 10.0);
}

Conversation& find_it_closed_afterwards(Scene& scene, bool there) {
  Conversation& talk = scene.story.refuse(client(1), 2.0);
  scene.story.find_closed(client(2), there ? 3.0 : 14.0);
  return talk;
}

Conversation& serve_the_next(Scene& scene, bool there) {
  Conversation& talk = scene.story.refuse(client(1), 2.0);
  scene.story.serve(client(2), there ? 3.0 : 5.0);
  return talk;
}

/// A printer, or a server that has answers for others.
Conversation& read_and_close(Scene& scene, bool there) {
  if (!there) scene.story.serve(client(30), 0.5, 0.1);
  Conversation* last = nullptr;
  for (int i = 0; i < 8; ++i) {
    last = &shake_hands(scene, client(10 + i % 5), 1.0 + 0.7 * i);
    for (int part = 0; part < 6 + i; ++part) {
      last->client(kPsh | kAck, std::string(1000, 'x'));
      last->server(kAck);
    }
    last->after((300 + i) * kMillisecondNs);
    Story::hang_up(*last);
  }
  return *last;
}

Conversation& hang_up_over_the_request(Scene& scene, bool there) {
  serve_others(scene, 4);
  Conversation& talk = ask(scene, client(1), 5.5);
  talk.after((there ? 800 : 1) * kMillisecondNs);
  Story::hang_up(talk);
  return talk;
}

Conversation& hang_up_over_a_later_request(Scene& scene, bool there) {
  serve_others(scene, 4);
  Conversation& talk = scene.story.open(client(1), 5.5);
  talk.client(kPsh | kAck, "LIST\r\n");
  talk.server(kAck);
  talk.after((there ? 800 : 1) * kMillisecondNs);
  Story::hang_up(talk);
  return talk;
}

constexpr EvidenceCase kCases[] = {
    {"client-always-refused", "this client was refused 2 of 2 times, while 4 other clients were served",
     refuse_one_always},
    {"client-served-at-other-times", "the same client was served 1 time and refused 2 times",
     reverse_of<refuse_one_always>},
    {"several-clients-refused-only", "2 clients were only refused, 4 clients only served, none both",
     refuse_two_and_serve_others},
    {"refused-clients-served-too", "the only other client that was refused here was served at other times",
     reverse_of<refuse_two_and_serve_others>},
    {"one-server-refuses", "8 of 8 refusals came from the one of 2 servers behind this address",
     refuse_by_one_of_two_servers},
    {"several-clients-and-none-served", "all of 3 clients were refused", refuse_all},
    {"nobody-served", "nobody was served on this port in sight, 3 connections were refused", refuse_all},
    {"above-session-ceiling", "3 sessions were open on this port then: 12 of 12 served came below 3",
     refuse_above_three_sessions},
    {"above-client-ceiling", "this client held 2 sessions open already", refuse_above_two_of_a_client},
    {"below-every-ceiling", "served ones were let in at as many or more", refuse_beside_sessions},
    {"no-session-open", "no other session was open on this port at that moment", reverse_of<refuse_beside_sessions>},
    {"arrivals-too-fast", "connections had arrived in the second before: ", refuse_a_burst},
    {"arrivals-slow", "no other connection had arrived in the second before", reverse_of<refuse_a_burst>},
    {"nobody-served-any-more", "of 8 clients were refused for", serve_nobody_any_more},
    {"some-served-no-more", "3 clients were refused every time", serve_three_no_more},
    {"sessions-ended-together", "4 other sessions of this server were cut short within", cut_sessions},
    {"idle-sessions-ended-together", "all of them idle and answered, and nobody was served", let_idle_sessions_go},
    {"timed-out-over-a-request", "the server had acknowledged the request, and closed 6.0 s later", time_a_request_out},
    {"closed-at-one-age", "3 connections begun at other times ended without a word at the same age", close_at_one_age},
    {"others-told-of-crash", "the server told 2 other clients that it had crashed", end_beside_crashed, 5432},
    {"others-told-of-stop", "the server told 2 other clients that it was not available", end_beside_stopped, 5432},
    {"sessions-went-on", "4 other sessions of this server went on undisturbed", refuse_among_sessions},
    {"port-closed-afterwards", "later the port answered a SYN with RST: nothing listened any more",
     find_it_closed_afterwards},
    {"served-again-soon", "the next client was served", serve_the_next},
    {"read-it-all-and-closed", "later without a word, as evenly as with 7 other connections", read_and_close},
    {"died-over-a-request", "the server had read the request, and hung up", hang_up_over_the_request},
    {"died-over-a-later-request", "the server had read the last request, and hung up", hang_up_over_a_later_request},
};

}  // namespace

std::span<const EvidenceCase> ledger_evidence_cases() { return kCases; }

}  // namespace doorslam::diagnose::test
