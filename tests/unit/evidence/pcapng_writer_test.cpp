#include "pipeline/alert/evidence/pcapng_writer.h"

#include <gtest/gtest.h>

#include "tests/unit/evidence/pcapng_blocks.h"

namespace doorslam::trace_files {
namespace {

using test::PcapngFile;
using test::PcapngReader;

packet::ByteView view(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

PcapngFile parsed(const PcapngWriter& writer) { return PcapngReader(writer.octets()).read(); }

TEST(PcapngWriter, TellsWhoWroteItAndWhatItIs) {
  const std::vector<std::string> about = {"What the alert says", "incident 12"};
  const PcapngFile file = parsed(PcapngWriter("doorslam 9.9", 256, about));
  EXPECT_EQ(file.section_texts(1), about);
  EXPECT_EQ(file.section_texts(3), std::vector<std::string>{"Linux"});
  EXPECT_EQ(file.section_texts(4), std::vector<std::string>{"doorslam 9.9"});
  EXPECT_TRUE(file.interfaces.empty());
}

/// Every remainder of the padding to 32 bits, of octets and of comments.
TEST(PcapngWriter, KeepsFramesAndCommentsOfAnyLength) {
  PcapngWriter writer("doorslam", 256, {});
  const std::string octets = "0123456789";
  for (std::size_t length = 1; length <= octets.size(); ++length) {
    const std::string frame = octets.substr(0, length);
    writer.add({.time_ns = 1'700'000'000'123'456'789, .octets = view(frame), .wire_length = 1500, .link_type = 1},
               std::vector<std::string>{std::string(length, 'c'), "\u2192"});
  }
  writer.add({.time_ns = 5, .octets = view(octets), .wire_length = 10, .link_type = 1}, {});
  const PcapngFile file = parsed(writer);
  ASSERT_EQ(file.packets.size(), octets.size() + 1);
  for (std::size_t length = 1; length <= octets.size(); ++length) {
    const test::PcapngPacket& packet = file.packets[length - 1];
    EXPECT_EQ(packet.octets, octets.substr(0, length));
    EXPECT_EQ(packet.wire_length, 1500U);
    EXPECT_EQ(packet.time, 1'700'000'000'123'456'789U);
    EXPECT_EQ(packet.comments, (std::vector<std::string>{std::string(length, 'c'), "\u2192"}));
  }
  EXPECT_TRUE(file.packets.back().comments.empty());
  EXPECT_EQ(file.packets.back().time, 5U);
}

TEST(PcapngWriter, DescribesEachLinkTypeOnceInNanoseconds) {
  PcapngWriter writer("doorslam", 200, {});
  const std::string octets = "frame";
  const std::vector<std::uint16_t> expected = {1, 113, 1, 276, 113};
  for (const std::uint16_t link_type : expected) {
    writer.add({.time_ns = 1, .octets = view(octets), .wire_length = 5, .link_type = link_type}, {});
  }
  const PcapngFile file = parsed(writer);
  ASSERT_EQ(file.interfaces.size(), 3U);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(file.interfaces[file.packets[i].interface].link_type, expected[i]);
  }
  for (const test::PcapngInterface& interface : file.interfaces) {
    EXPECT_EQ(interface.snap_length, 200U);
    ASSERT_EQ(interface.options.size(), 1U);
    EXPECT_EQ(interface.options[0].code, 9U);  // if_tsresol
    EXPECT_EQ(interface.options[0].value, "\x09");
  }
}

TEST(PcapngWriter, CutsACommentThatNoOptionCanHold) {
  PcapngWriter writer("doorslam", 256, std::vector<std::string>{std::string(100'000, 'x')});
  EXPECT_EQ(parsed(writer).section_texts(1).at(0).size(), 0xfffcU);
}

}  // namespace
}  // namespace doorslam::trace_files
