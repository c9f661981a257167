#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/port/capture_reader.h"
#include "tests/unit/port/capture_bytes.h"
#include "tests/unit/port/kept_packets.h"

namespace doorslam::port {
namespace {

using packet::RawPacket;
using test::Bytes;
using test::frame;
using test::Kept;
using test::Order;
using test::PcapFile;
using test::PcapngFile;
using test::read_all;

constexpr std::int64_t kSecond = flowtable::kSecondNs;

class CaptureReaderTest : public test::CaptureFolder {
 protected:
  CaptureReader open(const Bytes& bytes) {
    auto reader = CaptureReader::open(write("file", bytes));
    if (!reader) throw std::runtime_error(reader.error().message);
    return std::move(*reader);
  }
  std::string refusal(const Bytes& bytes) {
    const auto reader = CaptureReader::open(write("file", bytes));
    return reader ? "opened" : reader.error().message;
  }
};

TEST_F(CaptureReaderTest, ReadsPcapOfEitherByteOrderAndPrecision) {
  for (const Order order : {Order::little, Order::big}) {
    for (const bool nano : {false, true}) {
      PcapFile file(nano ? PcapFile::kNanoseconds : PcapFile::kMicroseconds, order);
      file.packet(1'700'000'000, 123'456, frame(1)).packet(1'700'000'001, 7, frame(2, 40), 1500);
      CaptureReader reader = open(file.bytes());
      const std::vector<Kept> all = read_all(reader);
      ASSERT_EQ(all.size(), 2U);
      EXPECT_FALSE(reader.error());
      EXPECT_EQ(all[0].packet.time_ns, 1'700'000'000 * kSecond + 123'456 * (nano ? 1 : 1000));
      EXPECT_EQ(all[0].bytes, frame(1));
      EXPECT_EQ(all[1].bytes, frame(2, 40));
      EXPECT_EQ(all[1].packet.wire_length, 1500U);
      EXPECT_EQ(all[1].packet.link_type, 1U);
    }
  }
}

TEST_F(CaptureReaderTest, ReadsPcapngWithSeveralInterfacesOfTheirOwnPrecision) {
  for (const Order order : {Order::little, Order::big}) {
    PcapngFile file(order);
    file.interface(1, 6).interface(1, 9);
    file.packet(0, 1'700'000'000'000'001, frame(1), 90).name_resolution();
    file.packet(1, 1'700'000'000'000'002'003, frame(2, 61));
    CaptureReader reader = open(file.bytes());
    const std::vector<Kept> all = read_all(reader);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].packet.time_ns, 1'700'000'000'000'001'000);
    EXPECT_EQ(all[0].packet.wire_length, 90U);
    EXPECT_EQ(all[1].packet.time_ns, 1'700'000'000'000'002'003);
    EXPECT_EQ(all[1].bytes, frame(2, 61));
  }
}

TEST_F(CaptureReaderTest, GivesTheLinkTypeOfTheFileNotLibpcapsOwnNumber) {
  for (const std::uint32_t type : {0U, 1U, 101U, 108U, 113U, 228U, 229U, 276U}) {
    CaptureReader reader = open(PcapFile(PcapFile::kMicroseconds, Order::little, type).packet(1, 1, frame(1)).bytes());
    EXPECT_EQ(read_all(reader).at(0).packet.link_type, type);
  }
}

TEST_F(CaptureReaderTest, PacketsOfABurstKeepTheirBytesTogether) {
  // More and larger packets than the arena takes at once: every burst must still hold what the file holds.
  PcapFile file(PcapFile::kMicroseconds, Order::little, 1, 262'144);
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const std::size_t length = i % 50 == 49 ? 150'000 : i % 7 == 6 ? 9000 : i % 5 == 4 ? 0 : 40 + i;
    sent.push_back(frame(static_cast<std::uint8_t>(i), length));
    file.packet(i + 1, 0, sent.back(), 160'000);
  }
  CaptureReader reader = open(file.bytes());
  const std::vector<Kept> all = read_all(reader);
  ASSERT_EQ(all.size(), sent.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].bytes, sent[i]) << "packet " << i;
}

TEST_F(CaptureReaderTest, BurstsOfSmallPacketsAreFull) {
  PcapFile file;
  for (std::uint32_t i = 0; i < 130; ++i) file.packet(i + 1, 0, frame(1));
  CaptureReader reader = open(file.bytes());
  std::array<RawPacket, 64> burst;
  EXPECT_EQ(reader.read(burst), 64U);
  EXPECT_EQ(reader.read(std::span(burst).first(10)), 10U);
  EXPECT_EQ(reader.read(burst), 56U);
  EXPECT_EQ(reader.read(burst), 0U);
  EXPECT_EQ(reader.read(burst), 0U);
}

TEST_F(CaptureReaderTest, WireLengthIsNeverLessThanWhatWasCaptured) {
  CaptureReader reader = open(PcapFile().packet(1, 1, frame(1, 60), 20).bytes());
  EXPECT_EQ(read_all(reader).at(0).packet.wire_length, 60U);
}

// The reader takes what lies in its window whole; a longer record is libpcap's, which believes any fraction.
TEST_F(CaptureReaderTest, AFractionOfASecondOrMoreIsNoTimeWhoeverReadsTheRecord) {
  for (const bool nano : {false, true}) {
    const std::uint32_t second = nano ? 1'000'000'000 : 1'000'000;
    for (const std::uint32_t fraction : {second, 3'000'000'000U}) {
      PcapFile file(nano ? PcapFile::kNanoseconds : PcapFile::kMicroseconds);
      file.packet(10, 5, frame(1)).packet(11, fraction, frame(2)).packet(11, fraction, frame(3, 20'000));
      auto reader = CaptureReader::open(write("file", file.bytes()), 16 * 1024);
      ASSERT_TRUE(reader);
      const std::vector<Kept> all = read_all(*reader);
      ASSERT_EQ(all.size(), 3U);
      for (const Kept& kept : all) EXPECT_EQ(kept.packet.time_ns, 10 * kSecond + (nano ? 5 : 5'000));
      EXPECT_EQ(reader->packets_without_time(), 2U);
    }
  }
}

TEST_F(CaptureReaderTest, APacketWithoutTimeTakesThatOfThePacketBefore) {
  PcapFile file(PcapFile::kNanoseconds);
  file.packet(0, 0, frame(1)).packet(5, 7, frame(2)).packet(0, 0, frame(3));
  CaptureReader reader = open(file.bytes());
  const std::vector<Kept> all = read_all(reader);
  EXPECT_EQ(all.at(0).packet.time_ns, flowtable::kNoTime);
  EXPECT_EQ(all.at(2).packet.time_ns, 5 * kSecond + 7);
  EXPECT_EQ(reader.packets_without_time(), 2U);
}

TEST_F(CaptureReaderTest, ATimeBeyondReasonDoesNotOverflow) {
  PcapngFile file;
  file.interface(1, 0);  // ticks are seconds
  file.packet(0, 1'700'000'000, frame(1)).packet(0, 0xffff'ffff'ffff, frame(2)).packet(0, ~0ULL, frame(3));
  file.simple_packet(frame(4));
  CaptureReader reader = open(file.bytes());
  for (const Kept& kept : read_all(reader)) EXPECT_EQ(kept.packet.time_ns, 1'700'000'000 * kSecond);
  EXPECT_EQ(reader.packets_without_time(), 3U);
}

TEST_F(CaptureReaderTest, EveryCutOfAPcapGivesThePacketsBeforeItAndTheOffset) {
  for (const Order order : {Order::little, Order::big}) {
    PcapFile file(PcapFile::kMicroseconds, order);
    file.packet(1, 0, frame(1, 5)).packet(2, 0, frame(2, 30)).packet(3, 0, frame(3, 1));
    const std::vector<std::size_t>& starts = file.starts();
    for (std::size_t length = 0; length < file.bytes().size(); ++length) {
      auto reader = CaptureReader::open(write_part("cut", file.bytes(), length));
      ASSERT_EQ(reader.has_value(), length >= 24) << length;
      if (!reader) continue;
      // Whole records are those whose end, which is the next one's start, lies within.
      const auto whole = static_cast<std::size_t>(
          std::count_if(starts.begin() + 1, starts.end(), [&](std::size_t next) { return next <= length; }));
      EXPECT_EQ(read_all(*reader).size(), whole) << length;
      const bool at_boundary = std::find(starts.begin(), starts.end(), length) != starts.end();
      ASSERT_EQ(reader->error().has_value(), !at_boundary) << length;
      if (at_boundary) continue;
      EXPECT_NE(reader->error()->message.find("cut: cut short at byte " + std::to_string(starts[whole]) + ","),
                std::string::npos)
          << length << ": " << reader->error()->message;
      EXPECT_EQ(reader->error()->kind, ErrorKind::data);
    }
  }
}

TEST_F(CaptureReaderTest, EveryCutOfAPcapngGivesThePacketsBeforeItAndTheOffset) {
  for (const Order order : {Order::little, Order::big}) {
    PcapngFile file(order);
    file.interface().packet(0, 1'000'000, frame(1, 5)).interface().name_resolution();
    file.packet(1, 2'000'000, frame(2, 30)).statistics().statistics();
    const std::vector<std::size_t>& starts = file.starts();
    for (std::size_t length = 0; length < file.bytes().size(); ++length) {
      auto reader = CaptureReader::open(write_part("cut", file.bytes(), length));
      ASSERT_EQ(reader.has_value(), length >= starts[2]) << length;
      if (!reader) continue;
      const auto whole = static_cast<std::size_t>(std::count_if(file.packet_ends().begin(), file.packet_ends().end(),
                                                                [&](std::size_t end) { return end <= length; }));
      EXPECT_EQ(read_all(*reader).size(), whole) << length;
      const bool at_boundary = std::find(starts.begin(), starts.end(), length) != starts.end();
      ASSERT_EQ(reader->error().has_value(), !at_boundary) << length;
      if (at_boundary) continue;
      const std::size_t block = *(std::upper_bound(starts.begin(), starts.end(), length) - 1);
      EXPECT_NE(reader->error()->message.find("cut short at byte " + std::to_string(block) + ","), std::string::npos)
          << length << ": " << reader->error()->message;
    }
  }
}

TEST_F(CaptureReaderTest, TheOffsetIsRightFarIntoAFile) {
  // The records, some clipped to the snap length by libpcap, cross the boundaries of the stream's buffer.
  PcapFile file(PcapFile::kMicroseconds, Order::little, 1, 500);
  for (std::uint32_t i = 0; i < 20'000; ++i) file.packet(i + 1, 0, frame(1, i % 10 == 0 ? 600 : 20 + i % 480));
  const std::size_t start = file.starts().back();
  auto reader = CaptureReader::open(write_part("cut", file.bytes(), start + 17), 16 * 1024);
  ASSERT_TRUE(reader);
  EXPECT_EQ(read_all(*reader).size(), 19'999U);
  EXPECT_NE(reader->error()->message.find("byte " + std::to_string(start) + ","), std::string::npos)
      << reader->error()->message;
}

TEST_F(CaptureReaderTest, AClippedPacketKeepsItsWireLength) {
  CaptureReader reader =
      open(PcapFile(PcapFile::kMicroseconds, Order::little, 1, 100).packet(1, 0, frame(1, 300)).bytes());
  const std::vector<Kept> all = read_all(reader);
  EXPECT_EQ(all.at(0).bytes.size(), 100U);
  EXPECT_EQ(all.at(0).packet.wire_length, 300U);
}

TEST_F(CaptureReaderTest, DamageInTheMiddleStopsThereAndSaysWhere) {
  PcapFile file;
  file.packet(1, 0, frame(1)).packet(2, 0, frame(2)).packet(3, 0, frame(3));
  Bytes bytes = file.bytes();
  bytes[file.starts()[1] + 11] = 0x7f;  // the captured length becomes absurd
  CaptureReader reader = open(bytes);
  EXPECT_EQ(read_all(reader).size(), 1U);
  ASSERT_TRUE(reader.error());
  EXPECT_NE(reader.error()->message.find("stopped at byte " + std::to_string(file.starts()[1]) + ": "),
            std::string::npos)
      << reader.error()->message;
}

TEST_F(CaptureReaderTest, InterfacesOfDifferentLinkTypesAndSnapLengthsAreAllRead) {
  for (const Order order : {Order::little, Order::big}) {
    PcapngFile file(order);
    file.interface(1).packet(0, 1'000'000, frame(1)).name_resolution().interface(101, 9, 96);
    file.packet(1, 2'000'000'000, frame(2, 96)).packet(0, 3'000'000, frame(3, 400)).interface(113, 6, 0);
    file.packet(2, 4'000'000, frame(4, 70'000));
    CaptureReader reader = open(file.bytes());
    const std::vector<Kept> all = read_all(reader);
    EXPECT_FALSE(reader.error());
    ASSERT_EQ(all.size(), 4U);
    const std::array<std::uint32_t, 4> types = {1, 101, 1, 113};
    const std::array<Bytes, 4> frames = {frame(1), frame(2, 96), frame(3, 400), frame(4, 70'000)};
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].packet.link_type, types[i]) << i;
      EXPECT_EQ(all[i].packet.time_ns, static_cast<std::int64_t>(i + 1) * kSecond) << i;
      EXPECT_TRUE(all[i].bytes == frames[i]) << i;
    }
  }
}

TEST_F(CaptureReaderTest, EachSectionHasItsOwnByteOrderAndInterfaces) {
  PcapngFile file(Order::little);
  file.interface(1).interface(113).packet(1, 1'000'000, frame(1));
  file.section(Order::big).name_resolution().interface(101, 9).packet(0, 2'000'000'000, frame(2));
  file.section(Order::little).interface(276).packet(0, 3'000'000, frame(3));
  CaptureReader reader = open(file.bytes());
  const std::vector<Kept> all = read_all(reader);
  EXPECT_FALSE(reader.error());
  ASSERT_EQ(all.size(), 3U);
  const std::array<std::uint32_t, 3> types = {113, 101, 276};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].packet.link_type, types[i]);
    EXPECT_EQ(all[i].packet.time_ns, static_cast<std::int64_t>(i + 1) * kSecond);
    EXPECT_EQ(all[i].bytes, frame(static_cast<std::uint8_t>(i + 1)));
  }
}

TEST_F(CaptureReaderTest, AnInterfaceOfAnEarlierSectionIsGoneWithIt) {
  PcapngFile file;
  file.interface(1).interface(1).packet(1, 1'000'000, frame(1)).section(Order::little).interface(1);
  file.packet(1, 2'000'000, frame(2));
  CaptureReader reader = open(file.bytes());
  EXPECT_EQ(read_all(reader).size(), 1U);
  ASSERT_TRUE(reader.error());
  const std::string& message = reader.error()->message;
  EXPECT_NE(message.find("stopped at byte " + std::to_string(file.starts().back()) + ": "), std::string::npos)
      << message;
  EXPECT_NE(message.find("interface 1"), std::string::npos) << message;
}

TEST_F(CaptureReaderTest, AnInterfaceThatNobodyDecodesTakesNothingFromTheOthers) {
  constexpr std::uint32_t kUsb = 220;
  for (const bool first : {false, true}) {
    PcapngFile file;
    file.interface(first ? kUsb : 1).interface(first ? 1 : kUsb);
    file.packet(0, 1'000'000, frame(1)).packet(1, 2'000'000, frame(2));
    CaptureReader reader = open(file.bytes());
    ASSERT_TRUE(reader.filter_by("ether[0] == 0xff"));  // cannot look into it, so it stays to be counted
    const std::vector<Kept> all = read_all(reader);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].packet.link_type, kUsb);
    EXPECT_EQ(reader.filtered_out(), 1U);
    EXPECT_FALSE(reader.error());
  }
  const std::string message = refusal(PcapngFile().interface(kUsb).packet(0, 1, frame(1)).interface(1).bytes());
  EXPECT_NE(message.find("link type 220 (USB_LINUX_MMAPPED) cannot be decoded"), std::string::npos) << message;
}

TEST_F(CaptureReaderTest, AFilterIsCompiledForEachLinkType) {
  const auto with_ip = [](Bytes header, std::uint8_t protocol) {
    Bytes ip(40, 0);
    ip[0] = 0x45;
    ip[9] = protocol;
    header.insert(header.end(), ip.begin(), ip.end());
    return header;
  };
  Bytes ethernet(14, 0);
  ethernet[12] = 8;
  Bytes cooked(16, 0);
  cooked[14] = 8;
  PcapngFile file;
  file.interface(1).interface(101).interface(113);
  for (const std::uint8_t protocol : std::array<std::uint8_t, 2>{6, 17}) {
    file.packet(0, 1'000'000, with_ip(ethernet, protocol)).packet(1, 1'000'000, with_ip({}, protocol));
    file.packet(2, 1'000'000, with_ip(cooked, protocol));
  }
  CaptureReader reader = open(file.bytes());
  ASSERT_TRUE(reader.filter_by("tcp"));
  const std::vector<Kept> all = read_all(reader);
  ASSERT_EQ(all.size(), 3U);
  for (const Kept& kept : all) EXPECT_EQ(kept.bytes[kept.bytes.size() - 31], 6);
  EXPECT_EQ(reader.filtered_out(), 3U);
  EXPECT_FALSE(reader.error());

  CaptureReader of_ethernet = open(file.bytes());
  ASSERT_TRUE(of_ethernet.filter_by("ether host 00:00:00:00:00:00"));
  EXPECT_EQ(read_all(of_ethernet).size(), 2U);
  EXPECT_EQ(of_ethernet.filtered_out(), 4U);
  ASSERT_TRUE(of_ethernet.error());
  for (const char* words : {"--filter 'ether host 00:00:00:00:00:00'", "link type 101 (RAW)"}) {
    EXPECT_NE(of_ethernet.error()->message.find(words), std::string::npos) << of_ethernet.error()->message;
  }
}

TEST_F(CaptureReaderTest, PcapngBlocksOfAllKindsAndUnitsAreRead) {
  for (const Order order : {Order::little, Order::big}) {
    PcapngFile file(order);
    file.interface(1, 6, 50).simple_packet(frame(1, 48)).obsolete_packet(0, 7'000'001, frame(2, 33));
    file.interface(1, 0x80 | 10).packet(1, 3 * 1024 + 512, frame(3)).interface(1, 0x80 | 40);
    file.packet(2, (std::uint64_t{5} << 40) + (std::uint64_t{3} << 38), frame(4)).interface(1, 12);
    file.packet(3, 6'000'000'007'000, frame(5)).interface_with_offset(1, 1'700'000'000);
    file.packet(4, 8'000'000, frame(6));
    CaptureReader reader = open(file.bytes());
    const std::vector<Kept> all = read_all(reader);
    EXPECT_FALSE(reader.error());
    const std::array<flowtable::TimeNs, 6> times = {flowtable::kNoTime,        7 * kSecond + 1'000,
                                                    3 * kSecond + 500'000'000, 5 * kSecond + 750'000'000,
                                                    6 * kSecond + 7,           1'700'000'008 * kSecond};
    ASSERT_EQ(all.size(), times.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].packet.time_ns, times[i]) << i;
      EXPECT_EQ(all[i].bytes, frame(static_cast<std::uint8_t>(i + 1), i == 0 ? 48 : i == 1 ? 33 : 60)) << i;
    }
  }
}

TEST_F(CaptureReaderTest, PcapngBlocksLongerThanTheWindowAreReadToo) {
  PcapngFile file;
  file.interface(1, 6, 262'144);
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 40; ++i) {
    sent.push_back(frame(static_cast<std::uint8_t>(i), i % 10 == 3 ? 262'144 : i % 10 == 7 ? 16'384 : 900));
    file.packet(0, 1'000'000 + i, sent.back());
  }
  auto reader = CaptureReader::open(write("file", file.bytes()), 16 * 1024);
  ASSERT_TRUE(reader);
  const std::vector<Kept> all = read_all(*reader);
  EXPECT_FALSE(reader->error());
  ASSERT_EQ(all.size(), sent.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(all[i].bytes == sent[i]) << "packet " << i;
}

TEST_F(CaptureReaderTest, WhatCannotBeOpenedSaysWhyAndHowToMendIt) {
  const auto missing = CaptureReader::open((folder_ / "missing.pcap").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::data);
  EXPECT_NE(missing.error().message.find("missing.pcap: No such file or directory; check the path"), std::string::npos);
  EXPECT_NE(CaptureReader::open(folder_.string()).error().message.find("is a directory"), std::string::npos);
  EXPECT_NE(refusal({}).find("file: empty"), std::string::npos);
  EXPECT_NE(refusal(frame('x', 100)).find("file: not a readable capture: "), std::string::npos);
}

TEST_F(CaptureReaderTest, ACompressedFileIsToldAsSuch) {
  EXPECT_NE(refusal({0x1f, 0x8b, 8, 0}).find("/file | doorslam read -"), std::string::npos);
  EXPECT_NE(refusal({0x1f, 0x8b, 8, 0}).find("compressed (gzip): zcat "), std::string::npos);
  EXPECT_NE(refusal({0x28, 0xb5, 0x2f, 0xfd, 0}).find("compressed (zstd): zstdcat "), std::string::npos);
  EXPECT_NE(refusal({0xfd, '7', 'z', 'X', 'Z', 0}).find("compressed (xz): xzcat "), std::string::npos);
}

TEST_F(CaptureReaderTest, RecordsLongerThanTheWindowAreReadToo) {
  for (const Order order : {Order::little, Order::big}) {
    PcapFile file(PcapFile::kNanoseconds, order, 1, 262'144);
    std::vector<Bytes> sent;
    for (std::uint32_t i = 0; i < 60; ++i) {
      sent.push_back(frame(static_cast<std::uint8_t>(i), i % 10 == 3 ? 262'144 : i % 10 == 7 ? 16'384 - 16 : 900));
      file.packet(3'000'000'000 + i, 999'999'999, sent.back());
    }
    auto reader = CaptureReader::open(write("file", file.bytes()), 16 * 1024);
    ASSERT_TRUE(reader);
    const std::vector<Kept> all = read_all(*reader);
    EXPECT_FALSE(reader->error());
    ASSERT_EQ(all.size(), sent.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(all[i].bytes == sent[i]) << "packet " << i;
      // Seconds have no sign: they last until 2106, whoever reads the record.
      EXPECT_EQ(all[i].packet.time_ns, (3'000'000'000 + static_cast<std::int64_t>(i)) * kSecond + 999'999'999);
    }
  }
}

TEST_F(CaptureReaderTest, CountsItsProgress) {
  PcapFile file;
  for (std::uint32_t i = 0; i < 100; ++i) file.packet(i + 1, 0, frame(1));
  CaptureReader reader = open(file.bytes());
  EXPECT_EQ(reader.octets_total(), file.bytes().size());
  read_all(reader);
  EXPECT_EQ(reader.octets_read(), file.bytes().size());
}

}  // namespace
}  // namespace doorslam::port
