#include <array>
#include <initializer_list>

#include "pipeline/port/capture_source.h"
#include "tests/unit/port/capture_bytes.h"

// A packet alone in the far future must not draw the others to its time; a pause must stay a pause.
namespace doorslam::port {
namespace {

using test::Bytes;
using test::frame;
using test::PcapFile;
using test::PcapngFile;

constexpr std::uint32_t kNow = 1'700'000'000;
constexpr std::uint32_t kFuture = 2'500'000'000;  // 2049
constexpr std::uint32_t kDay = 86'400;

struct Read {
  std::vector<std::int64_t> seconds;
  CaptureStatistics statistics;
};

class CaptureTimelineTest : public test::CaptureFolder {
 protected:
  /// Reads a capture of packets at these seconds, with bursts of some size, and checks that none is lost or mixed up.
  Read read(const std::vector<std::uint32_t>& seconds, std::size_t burst_size, bool pcapng = false) const {
    PcapFile classic;
    PcapngFile blocks;
    blocks.interface();
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      const Bytes octets = frame(static_cast<std::uint8_t>(i), 60 + i % 50);
      classic.packet(seconds[i], 0, octets);
      blocks.packet(0, std::uint64_t{seconds[i]} * 1'000'000, octets);
    }
    CaptureSource source =
        CaptureSource::open(std::vector<std::string>{write("file", pcapng ? blocks.bytes() : classic.bytes())});
    Read out;
    std::vector<packet::RawPacket> burst(burst_size);
    while (const std::size_t count = source.next_burst(burst)) {
      for (const packet::RawPacket& packet : std::span(burst).first(count)) {
        const std::size_t i = out.seconds.size();
        EXPECT_TRUE(Bytes(packet.captured.begin(), packet.captured.end()) ==
                    frame(static_cast<std::uint8_t>(i), 60 + i % 50));
        EXPECT_EQ(packet.number, i + 1);
        out.seconds.push_back(packet.time_ns / flowtable::kSecondNs);
      }
    }
    EXPECT_EQ(out.seconds.size(), seconds.size());
    out.statistics = source.statistics();
    return out;
  }

  /// The same for every way to read: `taken` are the times, `leaps` how many were not believed.
  void expect(const std::vector<std::uint32_t>& seconds, const std::vector<std::uint32_t>& taken,
              std::uint64_t leaps) const {
    for (const std::size_t burst : {1, 2, 3, 7, 64}) {
      for (const bool pcapng : {false, true}) {
        const Read out = read(seconds, burst, pcapng);
        EXPECT_EQ(out.seconds, std::vector<std::int64_t>(taken.begin(), taken.end())) << burst << pcapng;
        EXPECT_EQ(out.statistics.time_leaps, leaps) << burst << pcapng;
        EXPECT_EQ(out.statistics.time_reversals, 0U) << burst << pcapng;
      }
    }
  }
};

/// One packet a second.
std::vector<std::uint32_t> steady(std::size_t count) {
  std::vector<std::uint32_t> seconds;
  for (std::uint32_t i = 0; i < count; ++i) seconds.push_back(kNow + i);
  return seconds;
}

TEST_F(CaptureTimelineTest, ALoneLeapIsTakenAtTheTimeBefore) {
  // Everywhere in a burst, and across its end.
  for (const std::size_t at : {1U, 5U, 62U, 63U, 64U, 65U, 198U}) {
    std::vector<std::uint32_t> seconds = steady(200);
    std::vector<std::uint32_t> taken = seconds;
    seconds[at] = kFuture;
    taken[at] = taken[at - 1];
    expect(seconds, taken, 1);
  }
  std::vector<std::uint32_t> seconds = steady(20);
  seconds[10] = kNow + 9 + 3 * kDay;
  EXPECT_EQ(read(seconds, 64).statistics.largest_leap_ns, 3 * kDay * flowtable::kSecondNs);
}

TEST_F(CaptureTimelineTest, TheFirstPacketTakesTheTimeOfTheNext) {
  std::vector<std::uint32_t> seconds = steady(20);
  std::vector<std::uint32_t> taken = seconds;
  seconds[0] = kFuture;
  taken[0] = taken[1];
  expect(seconds, taken, 1);
}

TEST_F(CaptureTimelineTest, SeveralLeapsOneAfterTheOther) {
  std::vector<std::uint32_t> seconds = steady(100);
  std::vector<std::uint32_t> taken = seconds;
  for (const std::size_t at : {30U, 31U, 33U, 90U}) {
    seconds[at] = kFuture + 7 * static_cast<std::uint32_t>(at);
    taken[at] = at == 31 ? taken[29] : taken[at - 1];
  }
  expect(seconds, taken, 4);
}

TEST_F(CaptureTimelineTest, APauseOfDaysIsBelieved) {
  std::vector<std::uint32_t> seconds = steady(100);
  for (std::size_t i = 60; i < 100; ++i) seconds[i] += 400 * kDay;
  expect(seconds, seconds, 0);
  expect({kNow, kNow + 2 * kDay, kNow + 4 * kDay, kNow + 6 * kDay},
         {kNow, kNow + 2 * kDay, kNow + 4 * kDay, kNow + 6 * kDay}, 0);
}

TEST_F(CaptureTimelineTest, NothingContradictsTheLastPacket) {
  expect({kNow, kNow + 1, kFuture}, {kNow, kNow + 1, kFuture}, 0);
}

TEST_F(CaptureTimelineTest, APacketFarInThePastDoesNotMakeTheOthersLeap) {
  const Read out = read({kNow, 5, kNow + 1, kNow + 2, kNow + 3}, 64);
  EXPECT_EQ(out.seconds, (std::vector<std::int64_t>{kNow, kNow, kNow + 1, kNow + 2, kNow + 3}));
  EXPECT_EQ(out.statistics.time_leaps, 0U);
  EXPECT_EQ(out.statistics.time_reversals, 1U);
}

TEST_F(CaptureTimelineTest, ALeapInOneFileDoesNotHoldItBackFromTheMerge) {
  PcapFile first;
  PcapFile second;
  for (std::uint32_t i = 0; i < 30; ++i) {
    first.packet(i == 4 ? kFuture : kNow + i, 0, frame('a'));
    second.packet(kNow + i, 500'000, frame('b'));
  }
  CaptureSource source =
      CaptureSource::open(std::vector<std::string>{write("1", first.bytes()), write("2", second.bytes())});
  std::array<packet::RawPacket, 64> burst;
  std::string order;
  while (const std::size_t count = source.next_burst(burst)) {
    for (std::size_t i = 0; i < count; ++i) order += static_cast<char>(burst[i].captured[0]);
  }
  EXPECT_EQ(order.substr(0, 12), "abababaabbab");
  EXPECT_EQ(source.statistics().time_reversals, 0U);
  EXPECT_EQ(source.statistics().time_leaps, 1U);
}

}  // namespace
}  // namespace doorslam::port
