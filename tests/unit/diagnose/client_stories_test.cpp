#include <gtest/gtest.h>

#include "tests/unit/diagnose/story.h"

/// Connections that the server did not refuse: clients that left, stalled or vanished, servers that owe the answer;
/// and captures that lack a part of the story, which the reading must admit.
namespace doorslam::diagnose {
namespace {

using namespace test;

TEST(ClientStory, ThatClosesWithoutAWordAtOnceIsAHealthCheck) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.close();
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::client_abort));
  EXPECT_TRUE(argues_for(reading, Cause::client_abort, "the client itself closed after"));
  EXPECT_TRUE(argues_for(reading, Cause::client_abort, "never sent a request"));
  EXPECT_FALSE(is_refusal(reading.diagnosis.cause));
}

TEST(ClientStory, ThatResetsTheSynAckIsAHalfOpenScan) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  talk.client(kRst);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::client_abort));
  EXPECT_TRUE(argues_for(reading, Cause::client_abort, "resets the server's SYN-ACK"));
}

TEST(ClientStory, ThatStopsReadingHasAZeroWindow) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.client(kPsh | kAck, "GET all\r\n");
  for (int i = 0; i < 4; ++i) talk.server(kPsh | kAck, std::string(1000, 'x'));
  talk.client(kAck).window = 0;
  for (int i = 0; i < 5; ++i) {
    talk.after(kSecondNs << i).server(kAck).seq -= 1;  // a probe, RFC 9293 section 3.8.6.1
    talk.client(kAck).window = 0;
  }
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::client_zero_window));
  EXPECT_TRUE(argues_for(reading, Cause::client_zero_window, "receive window stood at zero"));
}

TEST(ClientStory, ThatAnswersNoMoreHasVanished) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.client(kPsh | kAck, "GET\r\n");
  talk.server(kPsh | kAck, "answer");
  for (int i = 0; i < 5; ++i) {
    talk.server_end().next -= 6;
    talk.after((300 * kMillisecondNs) << i).server(kPsh | kAck, "answer");
  }
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::client_vanished));
  EXPECT_TRUE(argues_for(reading, Cause::client_vanished, "the server sent 6 octets again 5 times"));
}

TEST(ServerStory, ThatNeverAnswersOwesAReply) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.client(kPsh | kAck, "GET\r\n");
  talk.server(kAck);
  talk.after(30 * kSecondNs).client(kFin | kAck);
  talk.server(kAck);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::server_no_reply));
  EXPECT_TRUE(argues_for(reading, Cause::server_no_reply, "after 30.0 s without an answer it left"));
}

/// Where the server greets everybody first, on whatever port, a client that waits for it in silence is owed a word;
/// where clients speak first it may keep a connection in reserve.
TEST(ServerStory, ThatGreetsOwesAGreetingToAClientThatWaits) {
  const auto reading_of_waiting = [](bool greets) {
    Story story;
    for (int i = 0; i < 5; ++i) {
      if (greets) {
        story.serve(client(10 + i), 1.0 + 2.0 * i);
        continue;
      }
      Conversation& asks = story.connect(client(10 + i), 1.0 + 2.0 * i);
      asks.handshake();
      asks.client(kPsh | kAck, "GET x\r\n");
      asks.server(kPsh | kAck, "OK x\r\n");
      asks.close();
    }
    Conversation& waits = story.connect(client(1), 20.0);
    waits.handshake();
    waits.after(seconds(30.0)).close();
    return story.read().of(waits);
  };
  EXPECT_TRUE(is_read_as(reading_of_waiting(true), Cause::server_no_reply));
  EXPECT_TRUE(is_read_as(reading_of_waiting(false), Cause::client_abort));
}

TEST(ServerStory, ThatNeverAnswersAClientThatWaitsStill) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.client(kPsh | kAck, "GET\r\n");
  talk.server(kAck);
  story.connect(client(2), 40.0).handshake();  // the capture goes on
  EXPECT_TRUE(is_read_as(story.read().of(talk), Cause::server_no_reply));
}

TEST(ServerStory, ThatIsCutOffByTheEndOfTheCaptureIsUnknown) {
  Story story;
  Conversation& request = story.connect(client(1), 1.0);
  request.handshake();
  request.client(kPsh | kAck, "GET\r\n");
  request.server(kAck);
  Conversation& syn = story.connect(client(2), 1.0);
  syn.client(kSyn);
  const auto readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(request), Cause::unknown)) << "the answer may have come after the capture's end";
  EXPECT_TRUE(is_read_as(readings.of(syn), Cause::unknown));
}

TEST(ServerStory, ThatTakesATransferInOneDirectionServes) {
  Story story;
  Conversation& print_job = story.connect(client(1), 1.0);
  print_job.handshake();
  for (int page = 0; page < 6; ++page) {
    print_job.after(kSecondNs).client(kPsh | kAck, "a page of a print job");
    print_job.server(kAck);
  }
  print_job.client(kFin | kAck);
  print_job.server(kFin | kAck);
  print_job.client(kAck);
  EXPECT_TRUE(is_read_as(story.read().of(print_job), Cause::served)) << "a printer has nothing to say";
}

/// What looks like a limit of one session is none.
TEST(ServerStory, ThatEndsATransferItselfServes) {
  Story story;
  std::vector<Conversation*> transfers;
  for (int i = 0; i < 3; ++i) transfers.push_back(&story.measure(client(10 + i), 1.0 + 8.0 * i, 8));
  const Readings readings = story.read();
  for (Conversation* talk : transfers) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

/// A receiver that has nothing to say closes its own direction at once, and takes what comes.
TEST(ServerStory, ThatClosesItsOwnDirectionAndTakesATransferServes) {
  for (const bool takes_it : {true, false}) {
    Story story;
    Conversation& job = story.connect(client(1), 1.0);
    job.handshake();
    job.server(kFin | kAck);
    job.client(kAck);
    for (int part = 0; part < 8; ++part) {
      job.client(kPsh | kAck, std::string(1000, 'x'));
      job.server(takes_it ? kAck : kRst);
      if (!takes_it) break;
    }
    if (takes_it) {
      job.client(kFin | kAck);
      job.server(kAck);
    }
    EXPECT_EQ(story.read().of(job).diagnosis.cause == Cause::served, takes_it)
        << in_full(story.read().of(job).diagnosis);
  }
}

/// Requests that nobody answers are no transfer, however long they are, and however soon their clients leave.
TEST(ServerStory, ThatAnswersNoRequestIsNotSaidToServe) {
  for (const std::size_t length : {20U, 6000U}) {
    const std::string request = "POST /figures HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(length, 'x');
    Story story;
    std::vector<Conversation*> talks;
    for (int i = 0; i < 6; ++i) {
      Conversation& talk = story.connect(client(10 + i % 2), 1.0 + 0.5 * i);
      talk.handshake();
      for (std::size_t begin = 0; begin < request.size(); begin += 1000) {
        talk.client(kPsh | kAck, request.substr(begin, 1000));
        talk.server(kAck);
      }
      talk.after(400 * kMillisecondNs).close();
      talks.push_back(&talk);
    }
    const Readings readings = story.read();
    for (Conversation* talk : talks) {
      EXPECT_LT(probability_of(readings.of(*talk), Cause::served), 0.2) << in_full(readings.of(*talk).diagnosis);
    }
  }
}

/// Figures of a measuring station: a line, and good-bye.
TEST(ServerStory, ThatAnswersNobodyWhoAsksForNothingServes) {
  Story story;
  std::vector<Conversation*> talks;
  for (int i = 0; i < 6; ++i) {
    Conversation& talk = story.connect(client(10 + i % 2), 1.0 + 0.5 * i);
    talk.handshake();
    talk.client(kPsh | kAck, "load.one 0.7\n");
    talk.close();
    talks.push_back(&talk);
  }
  const Readings readings = story.read();
  for (Conversation* talk : talks) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

TEST(ClientStory, ThatNeverSpeaksUntilTheServerTiresOfItIsNotRefused) {
  Story story;
  Conversation& spare = story.connect(client(1), 1.0);
  spare.handshake();
  spare.after(60 * kSecondNs).server(kFin | kAck);
  spare.client(kFin | kAck);
  spare.server(kAck);
  EXPECT_TRUE(is_read_as(story.read().of(spare), Cause::client_abort)) << "browsers keep connections in reserve";
}

/// A web server with a short idle timer: whoever asks is answered, and a connection in reserve is closed unused.
TEST(ClientStory, ThatNeverSpeaksWhereClientsSpeakFirstIsNotRefused) {
  Story story;
  std::vector<Conversation*> spares;
  for (int i = 0; i < 4; ++i) {
    Conversation& page = story.connect(client(10 + i), 1.0 + 4.0 * i);
    page.handshake();
    page.exchange("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    page.after(kSecondNs).exchange("GET /next HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    page.after(kSecondNs).close();
    Conversation& spare = story.connect(client(10 + i), 1.001 + 4.0 * i);
    spare.handshake();
    spare.after(3 * kSecondNs);
    Story::hang_up(spare);
    spares.push_back(&spare);
  }
  const Readings readings = story.read();
  for (Conversation* spare : spares) EXPECT_TRUE(is_read_as(readings.of(*spare), Cause::served));
}

/// A connection in reserve of a client that the capture shows on no other one. Meanwhile a list refuses others, at
/// once.
TEST(ClientStory, ThatNeverSpeaksWhereAllOthersSpeakFirstIsNotRefused) {
  for (const bool server_greets : {false, true}) {
    Story story;
    for (int i = 0; i < 6; ++i) {
      if (server_greets) {
        story.serve(client(10 + i), 1.0 + 2.0 * i, 0.5);
        continue;
      }
      Conversation& page = story.connect(client(10 + i), 1.0 + 2.0 * i);
      page.handshake();
      page.exchange("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
      page.close();
    }
    Conversation& refused = story.refuse(client(2), 4.1);
    story.refuse(client(3), 6.1);
    Conversation& spare = story.connect(client(1), 5.0);
    spare.handshake();
    spare.after(2 * kSecondNs);
    Story::hang_up(spare);
    const Readings readings = story.read();
    EXPECT_TRUE(is_read_as(readings.of(refused), Cause::acl_denied));
    // A server that speaks first has not done so for seconds: that may be a look-up that a list waits for.
    EXPECT_TRUE(is_read_as(readings.of(spare), server_greets ? Cause::acl_denied : Cause::served));
    EXPECT_EQ(static_cast<bool>(says(readings.of(spare), "the client said nothing for 2.0 s")), !server_greets);
  }
}

/// The same where the capture shows one other client, which comes again and again.
TEST(ClientStory, ThatNeverSpeaksWhereOneOtherSpeaksFirstIsNotRefused) {
  for (const int pages : {1, 4}) {
    Story story;
    for (int i = 0; i < pages; ++i) {
      Conversation& page = story.connect(client(10), 1.0 + 4.0 * i);
      page.handshake();
      page.exchange("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
      page.close();
    }
    std::vector<Conversation*> spares;
    for (int i = 0; i < 4; ++i) {
      Conversation& spare = story.connect(client(1), 2.0 + 4.0 * i);
      spare.handshake();
      spare.after(3 * kSecondNs);
      Story::hang_up(spare);
      spares.push_back(&spare);
    }
    const Readings readings = story.read();
    for (Conversation* spare : spares) {
      EXPECT_EQ(readings.of(*spare).diagnosis.cause == Cause::served, pages > 1)
          << in_full(readings.of(*spare).diagnosis);
    }
  }
}

/// Half a request, and the server's timer for the rest. One whose request is whole has met something else.
TEST(ClientStory, ThatDoesNotFinishItsRequestMeetsATimerAndNoCrash) {
  using namespace std::string_view_literals;
  struct Request {
    std::string_view text;
    bool unfinished;
  };
  constexpr Request kRequests[] = {{"GET /page HTTP/1.1\r\nHost: x\r\n"sv, true},
                                   {"GET /pa"sv, true},
                                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv, true},
                                   {"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"sv, false},
                                   {"GET /page\r\n"sv, false}};
  for (const Request& request : kRequests) {
    Story story;
    for (int i = 0; i < 6; ++i) {
      Conversation& page = story.connect(client(10 + i), 1.0 + 2.0 * i);
      page.handshake();
      page.exchange("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
      page.close();
    }
    Conversation& talk = story.connect(client(1), 5.0);
    talk.handshake();
    talk.client(kPsh | kAck, request.text);
    talk.server(kAck);
    talk.after(2 * kSecondNs);
    Story::hang_up(talk);
    const DiagnosedConnection reading = story.read().of(talk);
    EXPECT_EQ(reading.diagnosis.cause == Cause::client_abort, request.unfinished) << in_full(reading.diagnosis);
    EXPECT_EQ(static_cast<bool>(says(reading, "had not come to its end: the server waited 2.0 s")), request.unfinished);
    EXPECT_EQ(static_cast<bool>(says(reading, "had read the request, and hung up")), !request.unfinished);
  }
}

/// "GET /" from a pipe: the client has no more to ask, and waits for the answer.
TEST(ClientStory, ThatClosesItsOwnDirectionAndTakesTheAnswerWasServed) {
  for (const bool is_gone : {false, true}) {
    Story story;
    Conversation& talk = story.connect(client(1), 1.0);
    talk.handshake();
    talk.client(kPsh | kAck, "GET / HTTP/1.0\r\n\r\n");
    talk.after(15 * kMicrosecondNs).client(kFin | kAck);
    talk.server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
    if (is_gone) {
      talk.client(kRst);
    } else {
      talk.client(kAck);
      talk.server(kFin | kAck);
      talk.client(kAck);
    }
    EXPECT_TRUE(is_read_as(story.read().of(talk), is_gone ? Cause::client_abort : Cause::served));
  }
}

// --- what the capture lacks -----------------------------------------------------------------------------------------

TEST(CaptureStory, OfOneDirectionSaysSo) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  talk.lose_latest();
  talk.client(kAck);
  talk.server(kFin | kAck);
  talk.lose_latest();
  talk.client(kFin | kAck);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(some_sentence_has(reading.diagnosis.caveats, "only one direction")) << in_full(reading.diagnosis);
}

TEST(CaptureStory, ThatBeginsInMidStreamSaysSo) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0, {address4(200), 80});
  talk.handshake();
  for (int i = 0; i < 3; ++i) talk.lose_latest();
  talk.exchange();
  talk.client(kPsh | kAck, "more");
  talk.after(5 * kSecondNs).server(kRst | kAck);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(some_sentence_has(reading.diagnosis.caveats, "handshake is missing")) << in_full(reading.diagnosis);
  EXPECT_TRUE(some_sentence_has(reading.diagnosis.caveats, "guessed from the port numbers"));
}

TEST(CaptureStory, WithAGapSaysHowManyOctets) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  talk.client(kPsh | kAck, "GET\r\n");
  talk.server(kPsh | kAck, "0123456789");
  talk.lose_latest();
  talk.client(kAck);
  talk.server(kFin | kAck);
  talk.client(kFin | kAck);
  talk.server(kAck);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(some_sentence_has(reading.diagnosis.caveats, "10 octets were acknowledged but not captured"))
      << in_full(reading.diagnosis);
  EXPECT_NE(reading.diagnosis.cause, Cause::acl_denied) << "the server did speak";
}

TEST(CaptureStory, WithTheMirrorsDuplicatesSaysHowMany) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& talk = story.connect(client(1), 2.0);
  talk.handshake();
  talk.server(kFin | kAck);
  talk.copy_latest().ttl = 62;
  talk.client(kAck);
  talk.client(kFin | kAck);
  talk.server(kAck);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(some_sentence_has(reading.diagnosis.caveats, "1 of its packets came twice"))
      << in_full(reading.diagnosis);
}

/// SYN-ACKs to addresses that never asked: told from a scanner's few probes by their number.
TEST(SynFloodStory, IsNoHealthCheck) {
  for (const int handshakes : {20, 150}) {
    Story story;
    Conversation* last = nullptr;
    for (int i = 0; i < handshakes; ++i) {
      Conversation& talk = story.connect(client(i + 1), 1.0 + 0.01 * i);
      talk.client(kSyn);
      talk.server(kSyn | kAck);
      last = &talk;
    }
    story.serve(client(200), 90.0);
    const Readings readings = story.read();
    EXPECT_TRUE(is_read_as(readings.of(*last), handshakes < 100 ? Cause::client_abort : Cause::client_vanished));
  }
}

/// Of a server that the capture does not have, nobody knows whether it was silent.
TEST(UnseenServerStory, IsNotSaidToBeSilent) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.client(kPsh | kAck, "GET / HTTP/1.1\r\n\r\n");
  story.serve(client(2), 90.0);
  EXPECT_NE(story.read().of(talk).diagnosis.cause, Cause::server_no_reply);
}

}  // namespace
}  // namespace doorslam::diagnose
