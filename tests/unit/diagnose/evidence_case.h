#pragma once

#include <optional>
#include <ostream>
#include <span>
#include <string_view>
#include <vector>

#include "tests/unit/diagnose/story.h"

/// What the test of the table of evidence is made of: a case for each row of evidence_table(), and with it two stories
/// that differ in little. In the one the row finds something, in the other it does not.
namespace doorslam::diagnose::test {

/// What a case tells, and how it is to be read.
struct Scene {
  Story story;
  bool reads_words = false;           ///< by the project's own signatures
  std::optional<Side> captured{};     ///< the one direction that the capture has; none: both
  std::vector<CaptureLoss> losses{};  ///< what the sensor lost
};

struct EvidenceCase {
  std::string_view row;       ///< its name in evidence_table()
  std::string_view sentence;  ///< a part of what it says that no other row says
  /// Tells the story in which the row finds something in the connection returned, or, with `there` false, the one
  /// beside it.
  Conversation& (*play)(Scene& scene, bool there);
  std::uint16_t port = 5000;  ///< the server's
};

/// For the messages of failed tests.
inline void PrintTo(const EvidenceCase& one, std::ostream* out) { *out << one.row; }

/// The same two stories with their parts exchanged.
template <auto Play>
Conversation& reverse_of(Scene& scene, bool there) {
  return Play(scene, !there);
}

/// The cases by subject, one function a file.
std::span<const EvidenceCase> handshake_evidence_cases();
std::span<const EvidenceCase> ledger_evidence_cases();
std::span<const EvidenceCase> speech_evidence_cases();

/// The capture goes on until `at` seconds, elsewhere.
inline void go_on(Scene& scene, double at) { scene.story.connect(client(250), at, {address4(201), 5000}).handshake(); }

/// `count` clients from client(10) on are served one after the other, a second each.
inline void serve_others(Scene& scene, int count) {
  for (int i = 0; i < count; ++i) scene.story.serve(client(10 + i), 1.0 + 2.0 * i);
}

inline Conversation& shake_hands(Scene& scene, IpAddress who, double at) {
  Conversation& talk = scene.story.connect(who, at);
  talk.handshake();
  return talk;
}

/// The request is taken, and not answered for now.
inline Conversation& ask(Scene& scene, IpAddress who, double at, std::string_view request = "GET / HTTP/1.1\r\n\r\n") {
  Conversation& talk = shake_hands(scene, who, at);
  talk.client(kPsh | kAck, request);
  talk.server(kAck);
  return talk;
}

}  // namespace doorslam::diagnose::test
