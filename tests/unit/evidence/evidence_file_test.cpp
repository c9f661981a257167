#include "pipeline/alert/evidence/evidence_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/evidence/pcapng_blocks.h"
#include "tests/unit/evidence/sample_incident.h"

/// What an analyst finds in an evidence file.
namespace doorslam::trace_files {
namespace {

using namespace test;

PcapngFile file_of(const alert::Incident& incident, const EvidenceFileOptions& options = {}) {
  return PcapngReader(evidence_file(incident, options)).read();
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

bool has(const std::vector<std::string>& texts, std::string_view words) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text.find(words) != std::string::npos; });
}

/// Packets that the comments say to be missing.
std::size_t left_out_by_words(const PcapngFile& file) {
  std::size_t sum = 0;
  for (const PcapngPacket& packet : file.packets) {
    for (const std::string& comment : packet.comments) {
      if (comment.find("left out before it") != std::string::npos) sum += std::stoul(comment);
    }
  }
  return sum;
}

TEST(EvidenceFile, HoldsTheFramesAsTheyWereWithWordsForEach) {
  const Conversation talk = turned_away(1, "421 Go away\r\n");
  const PcapngFile file = file_of(incident_of({frame_sample(talk)}));
  ASSERT_EQ(file.packets.size(), talk.segments().size());
  for (std::size_t i = 0; i < file.packets.size(); ++i) {
    EXPECT_EQ(file.packets[i].octets, text_of(frame_of(talk.segments()[i]))) << i;
    EXPECT_EQ(file.packets[i].time, static_cast<std::uint64_t>(talk.segments()[i].time_ns));
    EXPECT_FALSE(file.packets[i].comments.empty()) << i;
  }
  ASSERT_EQ(file.interfaces.size(), 1U);
  EXPECT_EQ(file.interfaces[0].link_type, 1U);
  EXPECT_TRUE(has(file.packets[0].comments, "connection 1 of 1: 10.0.0.1:40000 → 10.0.0.2:80"));
  EXPECT_TRUE(has(file.packets[0].comments, "client → server SYN"));
  EXPECT_TRUE(has(file.packets[2].comments, "handshake complete"));
  EXPECT_TRUE(has(file.packets[3].comments, "\"421 Go away\""));
  EXPECT_TRUE(has(file.packets[5].comments, "server closes"));
  EXPECT_TRUE(has(file.section_texts(1), "acl_denied, 90 % sure"));
}

TEST(EvidenceFile, MergesConnectionsByTime) {
  const PcapngFile file = file_of(incident_of(
      {frame_sample(turned_away(1, "no", kStart + kMillisecondNs / 2)), frame_sample(turned_away(3, "no", kStart))}));
  EXPECT_TRUE(std::is_sorted(file.packets.begin(), file.packets.end(),
                             [](const PcapngPacket& a, const PcapngPacket& b) { return a.time < b.time; }));
  EXPECT_TRUE(has(file.packets[0].comments, "connection 2 of 2"));
  EXPECT_TRUE(has(file.packets[1].comments, "connection 1 of 2"));
}

TEST(EvidenceFile, CutsFramesAndKeepsTheirLength) {
  const Conversation talk = turned_away(1, std::string(600, 'w'));
  const PcapngFile file = file_of(incident_of({frame_sample(talk, 100)}), {.snap_octets = 100});
  EXPECT_EQ(file.packets[3].octets, text_of(frame_of(talk.segments()[3])).substr(0, 100));
  EXPECT_EQ(file.packets[3].wire_length, frame_of(talk.segments()[3]).size());
  EXPECT_EQ(file.interfaces[0].snap_length, 100U);
}

TEST(EvidenceFile, ShowsNoPayloadWhereNoneIsWanted) {
  const Conversation talk = turned_away(1, "secret words");
  const alert::Incident incident = incident_of({frame_sample(talk)});
  const std::vector<std::uint8_t> octets = evidence_file(incident, {.payload = false});
  EXPECT_EQ(std::string(octets.begin(), octets.end()).find("secret"), std::string::npos);
  const PcapngFile file = file_of(incident, {.payload = false});
  ASSERT_EQ(file.packets.size(), talk.segments().size());
  EXPECT_EQ(file.packets[3].octets.size(), frame_of(talk.segments()[3]).size() - 12);
  EXPECT_EQ(file.packets[3].wire_length, frame_of(talk.segments()[3]).size());
}

/// Of a long conversation the beginning and the end, with a word on what lies between.
TEST(EvidenceFile, KeepsTheFirstAndTheLastPackets) {
  Conversation talk({address4(1), 40000});
  talk.handshake();
  for (int i = 0; i < 10; ++i) talk.exchange();
  talk.server(kRst | kAck);
  const std::size_t all = talk.segments().size();
  for (const std::size_t wanted : {4, 12, 24}) {
    const PcapngFile file = file_of(incident_of({frame_sample(talk)}), {.packets = wanted});
    ASSERT_LE(file.packets.size(), wanted);
    EXPECT_EQ(file.packets.front().octets, text_of(frame_of(talk.segments().front())));
    EXPECT_EQ(file.packets.back().octets, text_of(frame_of(talk.segments().back())));
    EXPECT_EQ(left_out_by_words(file), all - file.packets.size());
  }
}

/// What was not recorded while the connection was served lies between, too.
TEST(EvidenceFile, SaysHowMuchWentByUnrecorded) {
  Conversation talk({address4(1), 40000});
  talk.handshake();
  for (int i = 0; i < 20; ++i) talk.exchange("request", std::string(600, 'x'));
  talk.server(kRst);
  const PcapngFile file = file_of(incident_of({frame_sample(talk)}));
  const std::size_t left_out = talk.segments().size() - file.packets.size();
  ASSERT_GT(left_out, 20U);
  EXPECT_EQ(left_out_by_words(file), left_out);
}

/// The router's word on it belongs to the evidence; what it quotes may hold payload.
TEST(EvidenceFile, HoldsTheIcmpError) {
  Conversation talk({address4(1), 40000});
  talk.client(kSyn, "early words");
  tcp::TrackerOptions options = small_options();
  options.frame_octets = 256;
  tcp::Tracker tracker(options);
  tcp::EventBatch batch;
  const Segment& syn = talk.segments().front();
  const Bytes frame = frame_of(syn);
  Segment decoded = syn;
  decoded.payload = packet::ByteView(frame).last(syn.payload.size());
  const tcp::FrameView view = tcp::frame_of(raw_packet(syn, frame), decoded);
  tracker.process({&decoded, 1}, {&view, 1}, batch);
  Bytes answer = unreachable_frame(syn, address4(9), 13);
  const std::string quoted = "early words";
  answer.insert(answer.end(), quoted.begin(), quoted.end());
  packet::IcmpError error;
  error.time_ns = syn.time_ns + kMillisecondNs;
  error.reporter = address4(9);
  error.source = syn.source;
  error.destination = syn.destination;
  error.seq = syn.seq;
  error.type = 3;
  error.code = 13;
  tracker.process(error, tcp::frame_of(raw_packet(syn, answer), error), batch);
  tracker.finish(error.time_ns, batch);
  ASSERT_EQ(batch.events.size(), 1U);
  const packet::ByteView packed = batch.frames_of(0);
  const alert::Incident incident = incident_of(
      {{.summary = batch.events[0].summary,
        .evidence = std::make_shared<const tcp::Evidence>(batch.evidence.at(0)),
        .frames = std::make_shared<const tcp::FrameTrace>(tcp::FrameTrace{{packed.begin(), packed.end()}})}});
  const PcapngFile file = file_of(incident);
  ASSERT_EQ(file.packets.size(), 2U);
  EXPECT_EQ(file.packets[1].octets, text_of(answer));
  EXPECT_EQ(file.packets[1].time, static_cast<std::uint64_t>(error.time_ns));
  EXPECT_TRUE(has(file.packets[1].comments, "10.0.0.9 → client: ICMP 3/13"));
  const PcapngFile bare = file_of(incident, {.payload = false});
  ASSERT_EQ(bare.packets.size(), 2U);
  EXPECT_EQ(bare.packets[1].octets.size(), 14U + 20 + 8 + 20 + 8) << "up to the quoted sequence number";
  for (const PcapngPacket& packet : bare.packets) EXPECT_EQ(packet.octets.find("early"), std::string::npos);
}

}  // namespace
}  // namespace doorslam::trace_files
