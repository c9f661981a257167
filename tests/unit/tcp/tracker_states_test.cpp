#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "tests/support/segment_scenario.h"

/// What becomes of whole connections: conn_state, history and stage, by Zeek's vocabulary.
namespace doorslam::tcp {
namespace {

using namespace test;

struct Case {
  const char* name;
  ConnState state;
  const char* history;
  Stage stage;
  std::function<void(Conversation&)> talk;
};

std::ostream& operator<<(std::ostream& out, const Case& scenario) { return out << scenario.name; }

class TrackerStates : public ::testing::TestWithParam<Case> {};

TEST_P(TrackerStates, EndsAs) {
  Conversation talk;
  GetParam().talk(talk);
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(name_of(ended[0].summary.conn_state), name_of(GetParam().state));
  EXPECT_EQ(ended[0].summary.history.view(), GetParam().history);
  EXPECT_EQ(name_of(ended[0].summary.stage), name_of(GetParam().stage));
  EXPECT_EQ(ended[0].summary.responder.port, 80);
}

INSTANTIATE_TEST_SUITE_P(Attempts, TrackerStates,
                         ::testing::Values(Case{"no answer", ConnState::S0, "S", Stage::syn,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.after(kSecondNs).client(kSyn).seq -= 1;
                                                }},
                                           Case{"port closed", ConnState::REJ, "Sr", Stage::handshake,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.server(kRst | kAck);
                                                }},
                                           Case{"half-open scan", ConnState::RSTO, "ShR", Stage::handshake,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.server(kSyn | kAck);
                                                  c.client(kRst);
                                                }},
                                           Case{"SYN given up", ConnState::RSTOS0, "SR", Stage::syn,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.client(kRst);
                                                }},
                                           Case{"SYN and FIN, no answer", ConnState::SH, "SF", Stage::syn,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.client(kFin);
                                                }},
                                           Case{"challenge ACK before the SYN-ACK", ConnState::S1, "SahA",
                                                Stage::accepted,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.server(kAck);
                                                  c.server(kSyn | kAck);
                                                  c.client(kAck);
                                                }},
                                           Case{"simultaneous open", ConnState::S1, "Ssa", Stage::accepted,
                                                [](Conversation& c) {
                                                  c.client(kSyn);
                                                  c.server(kSyn);
                                                  c.client(kSyn | kAck).seq -= 1;
                                                  c.client_end().next -= 1;
                                                  c.server(kAck);
                                                }},
                                           Case{"SYN captured after its SYN-ACK", ConnState::S1, "^hSA",
                                                Stage::accepted, [](Conversation& c) {
                                                  c.client(kSyn);
                                                  const Segment syn = c.segments().back();
                                                  c.lose_latest();
                                                  c.server(kSyn | kAck);
                                                  Segment& late = c.client(kSyn);
                                                  late.seq = syn.seq;
                                                  c.client_end().next = syn.seq + 1;
                                                  c.client(kAck);
                                                }}));

INSTANTIATE_TEST_SUITE_P(
    Ends, TrackerStates,
    ::testing::Values(
        Case{"open, nothing said", ConnState::S1, "ShA", Stage::accepted, [](Conversation& c) { c.handshake(); }},
        Case{"greeting only", ConnState::S1, "ShAd", Stage::greeting,
             [](Conversation& c) {
               c.handshake();
               c.server(kAck | kPsh, "220 ready\r\n");
             }},
        Case{"request only", ConnState::S1, "ShAD", Stage::request,
             [](Conversation& c) {
               c.handshake();
               c.client(kAck | kPsh, "GET /\r\n");
             }},
        Case{"one exchange, orderly close", ConnState::SF, "ShADdFf", Stage::response,
             [](Conversation& c) {
               c.handshake();
               c.exchange();
               c.close();
             }},
        Case{"two exchanges", ConnState::S1, "ShADd", Stage::established,
             [](Conversation& c) {
               c.handshake();
               c.exchange();
               c.exchange();
             }},
        Case{"client closes, server never", ConnState::S2, "ShAF", Stage::accepted,
             [](Conversation& c) {
               c.handshake();
               c.client(kFin | kAck);
             }},
        Case{"server closes, client never", ConnState::S3, "ShAf", Stage::accepted,
             [](Conversation& c) {
               c.handshake();
               c.server(kFin | kAck);
             }},
        Case{"half-close: the server goes on", ConnState::SF, "ShADFadf", Stage::response,
             [](Conversation& c) {
               c.handshake();
               c.client(kAck | kPsh, "request");
               c.client(kFin | kAck);
               c.server(kAck);
               c.server(kAck | kPsh, "answer");
               c.server(kFin | kAck);
               c.client(kAck);
             }},
        Case{"server resets", ConnState::RSTR, "ShADr", Stage::request,
             [](Conversation& c) {
               c.handshake();
               c.client(kAck | kPsh, "request");
               c.server(kRst | kAck);
             }},
        Case{"client resets", ConnState::RSTO, "ShADdR", Stage::response,
             [](Conversation& c) {
               c.handshake();
               c.exchange();
               c.client(kRst);
             }},
        Case{"client closes, then resets", ConnState::RSTO, "ShAFR", Stage::accepted,
             [](Conversation& c) {
               c.handshake();
               c.client(kFin | kAck);
               c.client(kRst).seq += 5;
             }},
        Case{"RST after both FINs changes nothing", ConnState::SF, "ShAFfR", Stage::accepted,
             [](Conversation& c) {
               c.handshake();
               c.client(kFin | kAck);
               c.server(kFin | kAck);
               c.client(kRst);
             }},
        Case{"RST of the same number once", ConnState::RSTR, "ShADr", Stage::request,
             [](Conversation& c) {
               c.handshake();
               c.client(kAck | kPsh, "request");
               c.server(kRst);
               c.after(50 * kMillisecondNs).server(kRst);
             }},
        Case{"RST of another number again", ConnState::RSTR, "ShADrr", Stage::request,
             [](Conversation& c) {
               c.handshake();
               c.client(kAck | kPsh, "request");
               c.server(kRst);
               c.after(50 * kMillisecondNs).server(kRst).seq += 7;
             }},
        Case{"FIN and RST in one", ConnState::RSTO, "ShAI", Stage::accepted,
             [](Conversation& c) {
               c.handshake();
               c.client(kFin | kRst | kAck);
             }},
        Case{"SYN and FIN in one", ConnState::SH, "Q", Stage::syn, [](Conversation& c) { c.client(kSyn | kFin); }}));

INSTANTIATE_TEST_SUITE_P(
    MidStream, TrackerStates,
    ::testing::Values(Case{"data of both", ConnState::OTH, "Dd", Stage::response,
                           [](Conversation& c) { c.exchange(); }},
                      Case{"server first: turned", ConnState::OTH, "^dD", Stage::request,
                           [](Conversation& c) {
                             c.server(kAck | kPsh, "220 ready");
                             c.client(kAck | kPsh, "HELO");
                           }},
                      Case{"SYN-ACK first", ConnState::S1, "^hA", Stage::accepted,
                           [](Conversation& c) {
                             c.client(kSyn);
                             c.lose_latest();
                             c.server(kSyn | kAck);
                             c.client(kAck);
                           }},
                      Case{"SYN-ACK, then RST", ConnState::RSTRH, "^hr", Stage::handshake,
                           [](Conversation& c) {
                             c.server(kSyn | kAck);
                             c.server(kRst);
                           }},
                      Case{"FIN of the server only", ConnState::SHR, "^f", Stage::accepted,
                           [](Conversation& c) { c.server(kFin | kAck); }},
                      Case{"stray RST", ConnState::OTH, "R", Stage::handshake, [](Conversation& c) { c.client(kRst); }},
                      Case{"orderly end", ConnState::SF, "FfA", Stage::accepted, [](Conversation& c) { c.close(); }}));

TEST(Tracker, BadChecksumIsNotedAndOtherwiseIgnored) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "request").checksum_bad = true;
  talk.client_end().next -= 7;
  talk.exchange();
  const Tracked tracked = track(talk.segments());
  const auto ended = tracked.ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.history.view(), "ShACDd");
  EXPECT_EQ(ended[0].summary.side[0].packets, 3U);
  EXPECT_EQ(ended[0].summary.side[0].retransmissions, 0U);
  EXPECT_EQ(tracked.counters.bad_checksums, 1U);
}

TEST(Tracker, BadChecksumAloneMakesAnEmptyRecord) {
  Conversation talk;
  talk.client(kSyn).checksum_bad = true;
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.history.view(), "C");
  EXPECT_EQ(name_of(ended[0].summary.conn_state), "OTH");
  EXPECT_EQ(ended[0].summary.side[0].packets, 0U);
}

TEST(Tracker, MidStreamIsSaid) {
  Conversation talk;
  talk.server(kAck | kPsh, "220 ready");
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_TRUE(ended[0].summary.mid_stream);
  EXPECT_TRUE(ended[0].summary.orientation_guessed);
  EXPECT_EQ(ended[0].summary.originator.port, 40000);

  Conversation whole;
  whole.handshake();
  const auto seen = track(whole.segments()).ended();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen[0].summary.mid_stream);
  EXPECT_FALSE(seen[0].summary.orientation_guessed);
}

TEST(Tracker, OneSidedCaptureIsRecognised) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.close();
  for (const std::size_t visible : {0U, 1U}) {
    std::vector<Segment> half;
    for (const Segment& segment : talk.segments()) {
      if ((segment.destination.port == 80) == (visible == 0)) half.push_back(segment);
    }
    const auto ended = track(half).ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_TRUE(ended[0].summary.one_sided) << visible;
    EXPECT_EQ(ended[0].summary.responder.port, 80);
  }
  EXPECT_FALSE(track(talk.segments()).ended().at(0).summary.one_sided);
}

TEST(Tracker, AClientThatIsNotAnsweredIsNotOneSided) {
  Conversation talk;
  talk.client(kSyn);
  for (int i = 0; i < 3; ++i) talk.after(kSecondNs).client(kSyn).seq = 1000;
  EXPECT_FALSE(track(talk.segments()).ended().at(0).summary.one_sided);
}

TEST(Tracker, Ipv6IsTrackedAlike) {
  Conversation talk({address6(1), 40000}, {address6(2), 443});
  talk.handshake();
  talk.exchange();
  talk.close();
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.originator, talk.client_end().endpoint);
  EXPECT_EQ(ended[0].summary.history.view(), "ShADdFf");
  EXPECT_EQ(ended[0].summary.side[1].payload_bytes, 6U);
}

TEST(Tracker, EstablishedIsSaidOnceWhenTheHandshakeCompletes) {
  Conversation talk;
  talk.handshake();
  const TimeNs completed = talk.now();
  talk.exchange();
  talk.close();
  const auto established = track(talk.segments()).of_kind(EventKind::established);
  ASSERT_EQ(established.size(), 1U);
  EXPECT_EQ(established[0].time_ns, completed);
  EXPECT_EQ(established[0].number, 3U);
  EXPECT_EQ(established[0].summary.id, 1U);
}

}  // namespace
}  // namespace doorslam::tcp
