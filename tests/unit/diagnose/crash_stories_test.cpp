#include <gtest/gtest.h>

#include <span>
#include <string>

#include "tests/unit/diagnose/story.h"

/// A crash is told by what happens to the others: sessions that end in the same instant, and a closed port from then
/// on. A RST alone tells nothing.
namespace doorslam::diagnose {
namespace {

using namespace test;

/// `count` sessions that the server cuts within a millisecond, at `at` seconds.
std::vector<Conversation*> cut_together(Story& story, int count, double at) {
  std::vector<Conversation*> cut;
  for (int i = 0; i < count; ++i) {
    Conversation& talk = story.open(client(10 + i), 1.0 + i);
    talk.set_now(kStart + seconds(at) + i * 100 * kMicrosecondNs);
    cut.push_back(&talk);
  }
  return cut;
}

/// The session's next request meets a server that has let go of it: the kernel answers.
void ask_a_closed_session(Conversation& talk, flowtable::DurationNs after_ns) {
  talk.server(kFin | kAck);
  talk.client(kAck);
  talk.after(after_ns).client(kPsh | kAck, "LIST\r\n");
  talk.server(kRst);
}

/// A request is taken and never answered: after `after_ns` the server hangs up.
void ask_and_be_hung_up(Conversation& talk, const std::string& request, flowtable::DurationNs after_ns) {
  talk.client(kPsh | kAck, request);
  talk.server(kAck);
  talk.after(after_ns);
  Story::hang_up(talk);
}

/// `count` clients, `apart` seconds between them, to all of whom that happens.
std::vector<Conversation*> ask_in_turn(Story& story, int count, double from, double apart, const std::string& request,
                                       flowtable::DurationNs after_ns) {
  std::vector<Conversation*> talks;
  for (int i = 0; i < count; ++i) {
    Conversation& talk = story.connect(client(10 + i), from + apart * i);
    talk.handshake();
    ask_and_be_hung_up(talk, request, after_ns);
    talks.push_back(&talk);
  }
  return talks;
}

/// What is served after the one event that a story is about.
void serve_four_from(Story& story, double at) {
  for (int i = 0; i < 4; ++i) story.serve(client(30 + i), at + i);
}

TEST(CrashStory, FiveSessionsEndInTheSameInstantAndThePortIsClosed) {
  Story story;
  const std::vector<Conversation*> cut = cut_together(story, 5, 10.0);
  for (Conversation* talk : cut) Story::hang_up(*talk);
  for (int i = 0; i < 3; ++i) story.find_closed(client(20 + i), 11.0 + i);
  const Readings readings = story.read();
  for (Conversation* talk : cut) {
    const DiagnosedConnection& reading = readings.of(*talk);
    EXPECT_TRUE(is_read_as(reading, Cause::app_crash));
    EXPECT_TRUE(argues_for(reading, Cause::app_crash, "4 other sessions were of this server cut short") ||
                argues_for(reading, Cause::app_crash, "4 other sessions"));
    EXPECT_TRUE(argues_for(reading, Cause::app_crash, "the port answered a SYN with RST"));
  }
}

TEST(CrashStory, ResetsInTheSameInstantAreTheSame) {
  Story story;
  const std::vector<Conversation*> cut = cut_together(story, 5, 10.0);
  for (Conversation* talk : cut) {
    talk->client(kPsh | kAck, "LIST\r\n");
    talk->server(kRst | kAck);
  }
  Conversation& next = story.find_closed(client(20), 11.0);
  const Readings readings = story.read();
  for (Conversation* talk : cut) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
  EXPECT_TRUE(is_read_as(readings.of(next), Cause::port_closed));
  EXPECT_TRUE(says(readings.of(next), "this port accepted connections until"));
}

TEST(CrashStory, TwoIdleSessionsThatTimeOutAreNone) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(20 + i), 1.0 + 5.0 * i, 12.0);
  // A web server's keep-alive timeout: both were answered, and asked for nothing more.
  const std::vector<Conversation*> idle = cut_together(story, 2, 10.0);
  for (Conversation* talk : idle) Story::hang_up(*talk);
  const Readings readings = story.read();
  for (Conversation* talk : idle) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

TEST(CrashStory, OneSessionCutWhileTheOthersGoOnIsNone) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(20 + i), 1.0 + i, 20.0);
  const std::vector<Conversation*> cut = cut_together(story, 1, 10.0);
  Story::hang_up(*cut.front());
  const Readings readings = story.read();
  const DiagnosedConnection& reading = readings.of(*cut.front());
  EXPECT_TRUE(argues_against(reading, Cause::app_crash, "6 other sessions of this server went on undisturbed"));
  EXPECT_LT(probability_of(reading, Cause::app_crash), 0.2);
}

TEST(CrashStory, ARefusalByResetIsNoCrashWhereTheNextClientIsServed) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(20 + i), 1.0 + 2.0 * i, 1.0);
  Conversation& refused = story.connect(client(1), 6.5);
  refused.handshake();
  refused.client(kPsh | kAck, "HELLO\r\n");
  refused.server(kRst | kAck);
  const Readings readings = story.read();
  EXPECT_TRUE(argues_against(readings.of(refused), Cause::app_crash, "the next client was served"));
  EXPECT_LT(probability_of(readings.of(refused), Cause::app_crash), 0.1);
}

TEST(CrashStory, FarewellsInTheSameInstantAreNone) {
  Story story;
  const std::vector<Conversation*> leaving = cut_together(story, 7, 10.0);
  for (Conversation* talk : leaving) {
    talk->client(kPsh | kAck, "QUIT\r\n");
    Story::hang_up(*talk);
  }
  const Readings readings = story.read();
  for (Conversation* talk : leaving) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served)) << "each close answers its own client's request";
    EXPECT_TRUE(argues_against(readings.of(*talk), Cause::app_crash, "after the client's last words"));
  }
}

/// Sessions that have been idle equally long look like an idle timer's, until nothing listens any more.
TEST(CrashStory, IdleSessionsEndTogetherAndThePortIsClosedUntilItIsStartedAgain) {
  Story story;
  std::vector<Conversation*> cut;
  for (int i = 0; i < 3; ++i) {
    Conversation& talk = story.open(client(10 + i), 1.0 + 0.002 * i);
    talk.set_now(kStart + seconds(10.0) + i * 100 * kMicrosecondNs);
    Story::hang_up(talk);
    cut.push_back(&talk);
  }
  for (int i = 0; i < 2; ++i) story.find_closed(client(20 + i), 11.0 + i);
  serve_four_from(story, 14.0);
  const Readings readings = story.read();
  for (Conversation* talk : cut) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
    EXPECT_TRUE(argues_for(readings.of(*talk), Cause::app_crash, "the port answered a SYN with RST"));
  }
}

// --- orderly ends that look like one --------------------------------------------------------------------------------

/// Keep-alive sessions whose requests were all answered, let go when a new process takes over.
TEST(ReloadStory, LetsIdleSessionsGoAndHarmsNobody) {
  for (const bool served_again : {true, false}) {
    Story story;
    const std::vector<Conversation*> idle = cut_together(story, 8, 20.0);
    for (Conversation* talk : idle) Story::hang_up(*talk);
    serve_four_from(story, served_again ? 20.2 : 26.0);
    const Readings readings = story.read();
    for (Conversation* talk : idle) {
      EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
      EXPECT_EQ(static_cast<bool>(says(readings.of(*talk), "all of them idle and answered")), !served_again);
    }
  }
}

TEST(ReloadStory, IsACrashWhereARequestWasUnread) {
  Story story;
  const std::vector<Conversation*> cut = cut_together(story, 8, 20.0);
  cut.front()->client(kPsh | kAck, "LIST\r\n");
  cut.front()->server(kRst | kAck);
  for (Conversation* talk : std::span(cut).subspan(1)) Story::hang_up(*talk);
  serve_four_from(story, 26.0);
  const Readings readings = story.read();
  for (Conversation* talk : cut) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
}

/// The client's next request and the server's close cross each other, or the client has not looked: the kernel answers
/// it, and no process has died.
TEST(ReloadStory, HarmsNobodyWhoseNextRequestCameAfterTheClose) {
  Story story;
  const std::vector<Conversation*> idle = cut_together(story, 8, 20.0);
  for (Conversation* talk : idle) ask_a_closed_session(*talk, 500 * kMillisecondNs);
  serve_four_from(story, 20.2);
  const Readings readings = story.read();
  for (Conversation* talk : idle) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
    EXPECT_FALSE(says(readings.of(*talk), "a request that it did not answer"));
  }
}

/// The same, but three of them were being worked on: that is no orderly close, and takes the others along.
TEST(CrashStory, RequestsInHandTellItFromAReload) {
  Story story;
  std::vector<Conversation*> cut = cut_together(story, 8, 20.0);
  for (std::size_t i = 0; i < cut.size(); ++i) {
    if (i < 3) {
      cut[i]->set_now(cut[i]->now() - 40 * kMillisecondNs);
      ask_and_be_hung_up(*cut[i], "LIST\r\n", 38 * kMillisecondNs);
    } else {
      ask_a_closed_session(*cut[i], 50 * kMillisecondNs);
    }
  }
  serve_four_from(story, 20.2);
  const Readings readings = story.read();
  for (Conversation* talk : cut) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
}

/// A server that looks through its sessions every few seconds closes those that were idle, whenever they became so.
TEST(SweepStory, ClosesWhatIsIdleAndLeavesTheFresh) {
  Story story;
  const std::vector<Conversation*> swept = cut_together(story, 6, 20.0);
  for (Conversation* talk : swept) Story::hang_up(*talk);
  for (int i = 0; i < 4; ++i) story.open(client(30 + i), 17.0 + 0.5 * i);
  story.serve(client(40), 25.0);
  const Readings readings = story.read();
  for (Conversation* talk : swept) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

/// A proxy that cannot reach what is behind it gives up after its own time, whoever asks and whenever.
TEST(TimerStory, HangUpsAtOneAgeAreNoCrash) {
  Story story;
  const std::vector<Conversation*> talks = ask_in_turn(story, 4, 1.0, 0.4, "GET / HTTP/1.1\r\n\r\n", seconds(3.0));
  const Readings readings = story.read();
  for (Conversation* talk : talks) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::unknown));
    EXPECT_TRUE(says(readings.of(*talk), "3 connections begun at other times ended without a word at the same age"));
  }
}

/// A sweep of the idle, and whoever comes next, is served and says farewell within the same breath.
TEST(SweepStory, DoesNotReachWhoeverIsLetInBehindIt) {
  Story story;
  const std::vector<Conversation*> swept = cut_together(story, 4, 20.0);
  for (Conversation* talk : swept) Story::hang_up(*talk);
  Conversation& next = story.connect(client(40), 20.008);
  Story::open_session(next);
  next.client(kPsh | kAck, "QUIT\r\n");
  Story::hang_up(next);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(next), Cause::served));
  EXPECT_FALSE(says(readings.of(next), "cut short within"));
  for (Conversation* talk : swept) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

/// Idle sessions that a timer ended, others that were served after them, and a process that died only then.
TEST(CrashStory, DoesNotReachBackPastThoseWhoWereServedMeanwhile) {
  Story story;
  for (int i = 0; i < 3; ++i) story.serve(client(20 + i), 1.0 + i, 0.5);
  std::vector<Conversation*> idle;
  for (int i = 0; i < 2; ++i) {
    Conversation& talk = story.open(client(10 + i), 5.0 + 0.002 * i);
    talk.set_now(kStart + seconds(10.0) + i * 5 * kMillisecondNs);
    Story::hang_up(talk);
    idle.push_back(&talk);
  }
  std::vector<Conversation*> cut;
  for (int i = 0; i < 3; ++i) {
    Conversation& talk = story.open(client(30 + i), 10.02 + 0.01 * i);
    talk.set_now(kStart + seconds(10.6) + i * 100 * kMicrosecondNs);
    talk.client(kPsh | kAck, "LIST\r\n");
    talk.server(kRst | kAck);
    cut.push_back(&talk);
  }
  for (int i = 0; i < 2; ++i) story.find_closed(client(40 + i), 10.7 + i);
  const Readings readings = story.read();
  for (Conversation* talk : cut) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
  for (Conversation* talk : idle) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

// --- one worker of several -------------------------------------------------------------------------------------------

/// A server of many workers: one of them dies with a request in hand, the others do not notice.
TEST(CrashStory, OneWorkerDiesOverARequest) {
  Story story;
  for (int i = 0; i < 3; ++i) story.serve(client(20 + i), 1.0 + i, 20.0);
  for (int i = 0; i < 6; ++i) story.serve(client(30 + i), 4.2 + i, 0.5);
  const std::vector<Conversation*> cut =
      ask_in_turn(story, 3, 5.0, 2.0, "GET /report HTTP/1.1\r\n", 800 * kMillisecondNs);
  story.serve(client(10), 12.0);
  const Readings readings = story.read();
  for (Conversation* talk : cut) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
    EXPECT_TRUE(argues_for(readings.of(*talk), Cause::app_crash, "hung up 801 ms later"));
  }
  EXPECT_TRUE(argues_against(readings.of(*cut[1]), Cause::acl_denied, "served at other times"));
}

/// A printer: it reads the job, has nothing to say, and closes when it has done with it.
TEST(OneWayStory, AServerThatReadsAllAndClosesIsNoneThatDied) {
  for (const bool large : {true, false}) {
    Story story;
    std::vector<Conversation*> jobs;
    for (int i = 0; i < 8; ++i) {
      Conversation& talk = story.connect(client(10 + i % 5), 1.0 + 0.7 * i);
      talk.handshake();
      for (int part = 0; part < (large ? 6 + i : 1); ++part) {
        talk.client(kPsh | kAck, std::string(1000, 'x'));
        talk.server(kAck);
      }
      talk.after((300 + i) * kMillisecondNs);
      Story::hang_up(talk);
      jobs.push_back(&talk);
    }
    const Readings readings = story.read();
    for (Conversation* talk : jobs) {
      EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
      EXPECT_TRUE(argues_for(readings.of(*talk), Cause::served, "nobody is answered on this port"));
    }
  }
}

/// Of those that are otherwise answered, a hang-up over a request is a death still, however evenly it comes.
TEST(OneWayStory, IsNoneWhereOthersAreAnswered) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(30 + i), 1.2 + i, 0.5);
  const std::vector<Conversation*> cut =
      ask_in_turn(story, 3, 2.0, 2.0, "GET /report HTTP/1.1\r\n", 300 * kMillisecondNs);
  const Readings readings = story.read();
  for (Conversation* talk : cut) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::app_crash));
}

/// nginx's 444: the request decides, at once, and for the same clients every time.
TEST(CrashStory, AHangUpInOneBreathWithTheRequestIsNone) {
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\n\r\n";
  Story story;
  for (int i = 0; i < 6; ++i) {
    Conversation& page = story.connect(client(20 + i), 1.0 + i);
    page.handshake();
    page.exchange(kRequest, "HTTP/1.1 200 OK\r\n\r\n");
    page.after(kSecondNs).close();
  }
  Conversation* refused = nullptr;
  for (int i = 0; i < 3; ++i) {
    refused = &story.connect(client(9), 2.5 + i);
    refused->handshake();
    refused->client(kPsh | kAck, kRequest);
    Story::hang_up(*refused);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.all.back(), Cause::acl_denied));
  EXPECT_FALSE(says(readings.all.back(), "had read the request"));
}

}  // namespace
}  // namespace doorslam::diagnose
