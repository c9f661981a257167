#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/diagnose/analysis.h"
#include "tests/support/segment_scenario.h"

/// Stories for the tests of the diagnosis: what a server did with its clients, packet by packet, through the real
/// tracker into the real analysis.
///
///     Story story;
///     for (int i = 0; i < 9; ++i) story.serve(client(10 + i), 2.0 * i, 3.0);
///     Conversation& refused = story.refuse(client(1), 5.0);
///     const Readings readings = story.read();
///     EXPECT_TRUE(is_read_as(readings.of(refused), Cause::acl_denied));
namespace doorslam::diagnose::test {

using namespace doorslam::test;
using flowtable::DurationNs;
using flowtable::Endpoint;
using flowtable::IpAddress;
using tcp::Side;

inline constexpr DurationNs seconds(double count) { return static_cast<DurationNs>(count * kSecondNs); }

inline IpAddress client(int number) { return address4(static_cast<std::uint8_t>(number), 1); }

inline constexpr std::string_view kGreeting = "220 ready\r\n";

struct ReadOptions {
  AnalysisOptions analysis;
  SignatureScanner* scanner = nullptr;
  std::size_t burst = 64;             ///< segments between two advances of the analysis
  std::size_t shards = 1;             ///< trackers, whose batches the analysis merges
  std::vector<CaptureLoss> losses{};  ///< what the sensor lost
  bool last_first = false;            ///< the batches are collected in the other order
  std::optional<Side> captured{};     ///< the one direction that the capture has; none: both
};

struct Readings {
  std::vector<DiagnosedConnection> all;  ///< in the order of judgement
  AnalysisCounters counters;

  const DiagnosedConnection& of(Conversation& talk) const {
    const Endpoint& client = talk.client_end().endpoint;
    const auto found = std::find_if(all.begin(), all.end(), [&](const DiagnosedConnection& reading) {
      return reading.summary.originator == client || reading.summary.responder == client;
    });
    if (found == all.end()) throw std::logic_error("this connection has no reading");
    return *found;
  }
};

/// The clients' ports; a server's is lower.
inline constexpr std::uint16_t kFirstClientPort = 40000;

class Story {
 public:
  explicit Story(Endpoint server = {address4(200), 5000}) : server_(server) {}

  /// A connection of which nothing has been sent; its first packet will leave `at` seconds after the beginning.
  Conversation& connect(IpAddress client, double at) { return connect(client, at, server_); }
  Conversation& connect(IpAddress client, double at, Endpoint server) {
    Conversation& talk = talks_.emplace_back(Endpoint{client, next_port_++}, server);
    talk.set_now(kStart + seconds(at) - kMillisecondNs);
    return talk;
  }

  /// Greeting, request, answer; after `lasting` seconds the client takes its leave.
  Conversation& serve(IpAddress client, double at, double lasting = 1.0) {
    Conversation& talk = connect(client, at);
    open_session(talk);
    talk.after(seconds(lasting)).client(kPsh | kAck, "QUIT\r\n");
    talk.server(kPsh | kAck, "221 bye\r\n");
    talk.close();
    return talk;
  }
  /// The same, but the session is left open.
  Conversation& open(IpAddress client, double at) {
    Conversation& talk = connect(client, at);
    open_session(talk);
    return talk;
  }
  /// Handshake, and the server's FIN without a word.
  Conversation& refuse(IpAddress client, double at) {
    Conversation& talk = connect(client, at);
    talk.handshake();
    hang_up(talk);
    return talk;
  }
  /// As a measuring program does: in one session the two talk, and beside it a connection, which is returned, carries
  /// so many segments until the server has enough.
  Conversation& measure(IpAddress client, double at, int segments) {
    Conversation& control = open(client, at);
    Conversation& transfer = connect(client, at + 0.5);
    transfer.handshake();
    send_file(transfer, segments, 1400);
    transfer.after(470 * kMillisecondNs);
    hang_up(transfer);
    control.after(3 * kSecondNs).exchange("RESULTS\r\n", "200 of 200\r\n");
    control.client(kAck);
    control.close();
    return transfer;
  }
  /// A SYN that nobody listens for.
  Conversation& find_closed(IpAddress client, double at) {
    Conversation& talk = connect(client, at);
    talk.client(kSyn);
    talk.server(kRst | kAck);
    return talk;
  }

  static void open_session(Conversation& talk) {
    talk.handshake();
    talk.server(kPsh | kAck, kGreeting);
    talk.client(kAck);
    talk.client(kPsh | kAck, "USER x\r\n");
    talk.server(kPsh | kAck, "230 welcome\r\n");
    talk.client(kAck);
  }
  /// From the client; the server acknowledges, and says nothing.
  static void send_file(Conversation& talk, int segments, std::size_t octets_each) {
    for (int i = 0; i < segments; ++i) {
      talk.client(kPsh | kAck, std::string(octets_each, 'x'));
      talk.server(kAck);
    }
  }
  /// The server closes, the client follows.
  static void hang_up(Conversation& talk) {
    talk.server(kFin | kAck);
    talk.client(kAck);
    talk.client(kFin | kAck);
    talk.server(kAck);
  }
  /// An ICMP error about the latest segment of `talk`.
  void report(const Conversation& talk, IpAddress reporter, std::uint8_t type, std::uint8_t code) {
    const Segment& about = talk.segments().back();
    packet::IcmpError error;
    error.time_ns = talk.now() + kMillisecondNs;
    error.reporter = reporter;
    error.source = about.source;
    error.destination = about.destination;
    error.seq = about.seq;
    error.type = type;
    error.code = code;
    error.ttl = 60;
    errors_.push_back(error);
  }

  Readings read(const ReadOptions& options = {}) const;
  /// All packets, in order of time. ICMP errors are not among them.
  std::vector<Segment> segments() const { return merge(std::vector<Conversation>(talks_.begin(), talks_.end())); }

 private:
  Endpoint server_;
  std::uint16_t next_port_ = kFirstClientPort;
  std::deque<Conversation> talks_;  ///< references to them stay good
  std::vector<packet::IcmpError> errors_;
};

inline Readings Story::read(const ReadOptions& options) const {
  std::vector<Segment> segments = this->segments();
  std::erase_if(segments, [&](const Segment& segment) {
    const Side sender = segment.source.port >= kFirstClientPort ? Side::originator : Side::responder;
    return options.captured && *options.captured != sender;
  });
  std::vector<packet::IcmpError> errors = errors_;
  std::stable_sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
  std::deque<tcp::Tracker> trackers;
  for (std::size_t i = 0; i < options.shards; ++i) trackers.emplace_back(small_options());
  const auto tracker_of = [&](const Endpoint& a, const Endpoint& b) -> std::size_t {
    return (std::size_t{a.port} + b.port + a.address.octets[3] + b.address.octets[3]) % options.shards;
  };

  Analysis analysis(options.analysis, options.scanner);
  for (const CaptureLoss& loss : options.losses) analysis.note_loss(loss);
  Readings readings;
  std::vector<tcp::EventBatch> batches(options.shards);
  const auto collect = [&] {
    if (options.last_first) std::reverse(batches.begin(), batches.end());
    for (tcp::EventBatch& batch : batches) analysis.collect(batch);
    if (options.last_first) std::reverse(batches.begin(), batches.end());
  };
  std::size_t next_error = 0;
  TimeNs now = kStart;
  for (std::size_t begin = 0; begin < segments.size(); begin += options.burst) {
    const std::size_t end = std::min(begin + options.burst, segments.size());
    for (std::size_t i = begin; i < end; ++i) {
      now = segments[i].time_ns;
      for (; next_error < errors.size() && errors[next_error].time_ns <= now; ++next_error) {
        const packet::IcmpError& error = errors[next_error];
        const std::size_t at = tracker_of(error.source, error.destination);
        trackers[at].process(error, batches[at]);
      }
      const std::size_t at = tracker_of(segments[i].source, segments[i].destination);
      trackers[at].process(std::span(segments).subspan(i, 1), batches[at]);
    }
    for (std::size_t i = 0; i < options.shards; ++i) trackers[i].advance(now, batches[i]);
    collect();
    analysis.advance(now - 1, readings.all);
  }
  for (; next_error < errors.size(); ++next_error) {
    const packet::IcmpError& error = errors[next_error];
    now = std::max(now, error.time_ns);
    const std::size_t at = tracker_of(error.source, error.destination);
    trackers[at].process(error, batches[at]);
  }
  for (std::size_t i = 0; i < options.shards; ++i) trackers[i].finish(now, batches[i]);
  collect();
  analysis.finish(readings.all);
  readings.counters = analysis.counters();
  return readings;
}

/// The latest words of a side once more, `times` times, as a kernel sends them again.
inline void send_again(Conversation& talk, Side side, std::string_view words, int times) {
  Conversation::End& end = side == Side::originator ? talk.client_end() : talk.server_end();
  for (int i = 0; i < times; ++i) {
    end.next -= static_cast<std::uint32_t>(words.size());
    talk.after((200 * kMillisecondNs) << i);
    side == Side::originator ? talk.client(kPsh | kAck, words) : talk.server(kPsh | kAck, words);
  }
}

/// All that was made of a connection, for the messages of failed tests.
inline std::string in_full(const Diagnosis& diagnosis) {
  std::string text = std::string(name_of(diagnosis.cause)) + " " + std::to_string(diagnosis.confidence) + "\n";
  for (const Hypothesis& hypothesis : diagnosis.hypotheses) {
    text += "  " + std::string(name_of(hypothesis.cause)) + " " + std::to_string(hypothesis.probability) + "\n";
    for (const std::string& sentence : hypothesis.evidence_for) text += "    + " + sentence + "\n";
    for (const std::string& sentence : hypothesis.evidence_against) text += "    - " + sentence + "\n";
  }
  for (const std::string& caveat : diagnosis.caveats) text += "  caveat: " + caveat + "\n";
  return text;
}

inline testing::AssertionResult is_read_as(const DiagnosedConnection& reading, Cause cause) {
  if (reading.diagnosis.cause == cause) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "read as " << in_full(reading.diagnosis);
}

inline const Hypothesis* hypothesis_of(const DiagnosedConnection& reading, Cause cause) {
  for (const Hypothesis& hypothesis : reading.diagnosis.hypotheses) {
    if (hypothesis.cause == cause) return &hypothesis;
  }
  return nullptr;
}

inline double probability_of(const DiagnosedConnection& reading, Cause cause) {
  const Hypothesis* hypothesis = hypothesis_of(reading, cause);
  return hypothesis == nullptr ? 0.0 : hypothesis->probability;
}

inline bool some_sentence_has(const std::vector<std::string>& sentences, std::string_view words) {
  return std::any_of(sentences.begin(), sentences.end(),
                     [&](const std::string& sentence) { return sentence.find(words) != std::string::npos; });
}

/// A sentence with these words argues for the cause.
inline testing::AssertionResult argues_for(const DiagnosedConnection& reading, Cause cause, std::string_view words) {
  const Hypothesis* hypothesis = hypothesis_of(reading, cause);
  if (hypothesis != nullptr && some_sentence_has(hypothesis->evidence_for, words)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "nothing of '" << words << "' for " << name_of(cause) << " in "
                                     << in_full(reading.diagnosis);
}

/// A sentence with these words argues against the cause.
inline testing::AssertionResult argues_against(const DiagnosedConnection& reading, Cause cause,
                                               std::string_view words) {
  const Hypothesis* hypothesis = hypothesis_of(reading, cause);
  if (hypothesis != nullptr && some_sentence_has(hypothesis->evidence_against, words)) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "nothing of '" << words << "' against " << name_of(cause) << " in "
                                     << in_full(reading.diagnosis);
}

/// A sentence with these words stands anywhere, for or against anything.
inline testing::AssertionResult says(const DiagnosedConnection& reading, std::string_view words) {
  for (const Hypothesis& hypothesis : reading.diagnosis.hypotheses) {
    if (some_sentence_has(hypothesis.evidence_for, words) || some_sentence_has(hypothesis.evidence_against, words)) {
      return testing::AssertionSuccess() << "'" << words << "' in " << in_full(reading.diagnosis);
    }
  }
  return testing::AssertionFailure() << "nothing of '" << words << "' in " << in_full(reading.diagnosis);
}

}  // namespace doorslam::diagnose::test
