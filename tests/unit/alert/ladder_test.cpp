#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/alert/ladder.h"
#include "pipeline/diagnose/icmp_words.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using namespace packet::tcp_flag;
using tcp::Side;

TEST(Ladder, ShowsTheClassicRefusalAsATraceViewWould) {
  const auto classic = sample::classic();
  EXPECT_EQ(render(ladder_of(classic.summary, *classic.evidence)),
            "  +0.000000  client ──▶ server  SYN      seq 0         len 0  ttl 63\n"
            "  +0.000420  client ◀── server  SYN,ACK  seq 0  ack 1  len 0  ttl 64\n"
            "  +0.000790  client ──▶ server  ACK      seq 1  ack 1  len 0  ttl 63  handshake complete\n"
            "  +0.001350  client ◀── server  FIN,ACK  seq 1  ack 1  len 0  ttl 64  server closes without a byte\n"
            "  +0.001360  client ──▶ server  ACK      seq 1  ack 2  len 0  ttl 63\n"
            "  +0.001700  client ──▶ server  FIN,ACK  seq 1  ack 2  len 0  ttl 63  client closes\n"
            "  +0.002100  client ◀── server  ACK      seq 2  ack 2  len 0  ttl 64\n");
}

TEST(Ladder, NamesTheReporterOfAnIcmpErrorInItsPlace) {
  auto connection = sample::connection(diagnose::Cause::icmp_admin_prohibited, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 22), sample::kEpoch);
  tcp::Evidence evidence;
  sample::add_rung(evidence, sample::rung(0, Side::originator, kSyn, 0, 0, 0, 64));
  sample::add_rung(evidence, sample::rung(sample::kS, Side::originator, kSyn, 0, 0, 0, 64));
  evidence.icmp.time_ns = sample::kEpoch + 350 * sample::kUs;
  evidence.icmp.reporter = sample::address("192.0.2.254");
  evidence.icmp.type = 3;
  evidence.icmp.code = 13;
  evidence.icmp.ttl = 255;
  EXPECT_EQ(render(ladder_of(connection.summary, evidence), {.unicode = false}),
            "  +0.000000  client --> server       SYN  seq 0  len 0  ttl 64\n"
            "  +0.000350  client <-- 192.0.2.254  ICMP 3/13: communication administratively prohibited  ttl 255\n"
            "  +1.000000  client --> server       SYN  seq 0  len 0  ttl 64\n");
  evidence.icmp.about = Side::responder;
  EXPECT_EQ(render(ladder_of(connection.summary, evidence), {.unicode = false}),
            "  +0.000000  client --> server       SYN  seq 0  len 0  ttl 64\n"
            "  +0.000350  192.0.2.254 --> server  ICMP 3/13: communication administratively prohibited  ttl 255\n"
            "  +1.000000  client --> server       SYN  seq 0  len 0  ttl 64\n");
}

/// 14 first and 10 last packets are kept; the reader must be told how many are not shown, and see the last in order.
TEST(Ladder, CountsThePacketsThatWereNotKept) {
  auto connection = sample::connection(diagnose::Cause::server_no_reply, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 22), sample::kEpoch);
  for (const std::uint32_t total : {14U, 15U, 24U, 25U, 37U}) {
    tcp::Evidence evidence;
    for (std::uint32_t i = 0; i < total; ++i) {
      sample::add_rung(evidence, sample::rung(i * sample::kMs, Side::originator, kAck, i, 1, 0, 64));
    }
    std::vector<std::uint32_t> shown;
    std::uint32_t left_out = 0;
    for (const LadderLine& line : ladder_of(connection.summary, evidence)) {
      if (line.kind == LadderLine::Kind::left_out) {
        left_out = line.count;
        EXPECT_EQ(shown.size(), 14U);
      } else {
        shown.push_back(line.seq);
      }
    }
    EXPECT_EQ(shown.size() + left_out, total);
    EXPECT_EQ(left_out, total > 24 ? total - 24 : 0);
    EXPECT_TRUE(std::is_sorted(shown.begin(), shown.end())) << total;
    EXPECT_EQ(shown.back(), total - 1);
  }
}

/// Once a connection is served, packets go by unrecorded: the reader must not take their neighbours for neighbours.
TEST(Ladder, CountsThePacketsThatWereNotRecordedWhereTheyWere) {
  auto connection = sample::connection(diagnose::Cause::auth_failed, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 22), sample::kEpoch);
  tcp::Evidence evidence;
  for (std::uint32_t i = 0; i < 30; ++i) {
    auto rung = sample::rung(i * sample::kMs, Side::originator, kAck, i, 1, 0, 64);
    rung.skipped = i < 5 ? 0 : i < 25 ? 7 : 9;
    sample::add_rung(evidence, rung);
  }
  evidence.uncounted_rungs = 1;  // of a wrong checksum: shown, but no packet of the connection
  connection.summary.side[0].packets = 30;
  connection.summary.side[1].packets = 12;
  std::vector<std::uint32_t> left_out;
  std::vector<std::size_t> at;
  const auto lines = ladder_of(connection.summary, evidence);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].kind != LadderLine::Kind::left_out) continue;
    left_out.push_back(lines[i].count);
    at.push_back(i);
  }
  EXPECT_EQ(left_out, (std::vector<std::uint32_t>{7, 6, 2, 4}));
  EXPECT_EQ(at, (std::vector<std::size_t>{5, 15, 21, lines.size() - 1}));
}

TEST(Ladder, QuotesTheServerAndNeverTheClient) {
  auto connection = sample::connection(diagnose::Cause::connection_limit, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 21), sample::kEpoch);
  tcp::Evidence evidence;
  const auto say = [&](Side side, std::string_view words, flowtable::DurationNs at) {
    auto& end = evidence.of(side);
    end.first_payload_ns = end.last_payload_ns = sample::kEpoch + at;
    end.payload_segments = 1;
    end.head.length =
        static_cast<std::uint16_t>(words.copy(reinterpret_cast<char*>(end.head.bytes.data()), words.size()));
    sample::add_rung(evidence, sample::rung(at, side, kPsh | kAck, 1, 1, static_cast<std::uint16_t>(words.size()), 64));
  };
  say(Side::responder, "421 too many\x1b[31m users\r\nmore", 1 * sample::kMs);
  say(Side::originator, "PASS secret\r\n", 2 * sample::kMs);
  const std::string text = render(ladder_of(connection.summary, evidence));
  EXPECT_NE(text.find("\"421 too many\\x1b[31m users\""), std::string::npos) << text;
  EXPECT_EQ(text.find("more"), std::string::npos);
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(render(ladder_of(connection.summary, evidence, false)).find("421"), std::string::npos);
}

/// The line that decided stands in the middle of a dialogue more often than not.
TEST(Ladder, QuotesWhatTheServerSaidInBetween) {
  auto connection = sample::connection(diagnose::Cause::acl_denied, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 25), sample::kEpoch);
  tcp::Evidence evidence;
  auto& server = evidence.of(Side::responder);
  server.first_payload_ns = sample::kEpoch + sample::kMs;
  std::uint32_t at = 0;
  for (const std::string_view words : {"220 mx\r\n", "554 go away\r\n", "221 bye\r\n"}) {
    server.head.segment_start[server.head.segments++] = server.head.length;
    words.copy(reinterpret_cast<char*>(server.head.bytes.data()) + server.head.length, words.size());
    const std::uint32_t seq = server.head.length + 1U;
    server.head.length = static_cast<std::uint16_t>(server.head.length + words.size());
    sample::add_rung(evidence, sample::rung(++at * sample::kMs, Side::responder, kPsh | kAck, seq, 1,
                                            static_cast<std::uint16_t>(words.size()), 64));
  }
  const std::string text = render(ladder_of(connection.summary, evidence));
  EXPECT_NE(text.find("\"554 go away\""), std::string::npos) << text;
  EXPECT_EQ(render(ladder_of(connection.summary, evidence, false)).find("554"), std::string::npos);
}

TEST(Ladder, NamesTheAlertWithWhichAClientGivesUpTls) {
  auto connection = sample::connection(diagnose::Cause::tls_refused, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 443), sample::kEpoch);
  tcp::Evidence evidence;
  auto& client = evidence.of(Side::originator);
  constexpr std::string_view kUnknownCa("\x15\x03\x03\x00\x02\x02\x30", 7);
  client.last_payload_ns = sample::kEpoch + sample::kMs;
  client.last_words_length =
      static_cast<std::uint8_t>(kUnknownCa.copy(reinterpret_cast<char*>(client.last_words.data()), kUnknownCa.size()));
  sample::add_rung(evidence, sample::rung(sample::kMs, Side::originator, kPsh | kAck, 518, 1, 7, 64));
  const std::string text = render(ladder_of(connection.summary, evidence));
  EXPECT_NE(text.find("TLS alert 48 (unknown CA)"), std::string::npos) << text;
}

TEST(Ladder, SaysWhoseTtlDoesNotFit) {
  auto connection = sample::connection(diagnose::Cause::middlebox_reset, sample::endpoint("192.0.2.10", 40001),
                                       sample::endpoint("198.51.100.5", 21), sample::kEpoch);
  tcp::Evidence evidence;
  evidence.of(Side::responder).first.ttl = 57;
  auto reset = sample::rung(sample::kMs, Side::responder, kRst, 1, 0, 0, 63);
  reset.note = tcp::RungNote::foreign_ttl;
  sample::add_rung(evidence, reset);
  EXPECT_EQ(ladder_of(connection.summary, evidence)[0].note, "reset in its name; TTL 63, not 57");
}

TEST(Ladder, ShowsWindowsWhereOneIsClosedAndCutsNotesToTheWidth) {
  const auto classic = sample::classic();
  auto evidence = *classic.evidence;
  evidence.first_rungs[2].window = 0;
  evidence.first_rungs[2].note = tcp::RungNote::zero_window;
  const std::string text = render(ladder_of(classic.summary, evidence), {.width = 90});
  EXPECT_NE(text.find("win 0      ttl 63  handshak…\n"), std::string::npos) << text;
}

TEST(IcmpWords, KnowsBothVersions) {
  using flowtable::IpVersion;
  EXPECT_EQ(diagnose::icmp_words(IpVersion::v4, 3, 3), "ICMP 3/3: port unreachable");
  EXPECT_EQ(diagnose::icmp_words(IpVersion::v6, 1, 4), "ICMPv6 1/4: port unreachable");
  EXPECT_EQ(diagnose::icmp_words(IpVersion::v4, 3, 99), "ICMP 3/99: error");
}

}  // namespace
}  // namespace doorslam::alert
