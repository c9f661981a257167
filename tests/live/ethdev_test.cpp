// What the receiving side promises, on DPDK's virtual devices: that nothing received goes uncounted when a run ends, or
// when buffers are short. An EAL lives as long as its process, so each test runs in one of its own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/port/ethdev/dealer.h"
#include "pipeline/port/ethdev/device.h"
#include "pipeline/port/ethdev/live_run.h"
#include "pipeline/port/ethdev/port_set.h"
#include "pipeline/port/ethdev/rx_source.h"
#include "pipeline/port/reconciliation.h"
#include "tests/support/temporary_folder.h"

namespace doorslam::ethdev {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kFrameOctets = 60;
constexpr auto kPatience = std::chrono::seconds(60);

/// A capture of `packets` frames that are no IP, a microsecond apart.
std::string capture_of(const std::filesystem::path& path, std::uint32_t packets) {
  std::ofstream file(path, std::ios::binary);
  const auto word = [&file](std::uint32_t value) { file.write(reinterpret_cast<const char*>(&value), sizeof(value)); };
  for (const std::uint32_t head : {0xa1b2c3d4U, 0x00040002U, 0U, 0U, 65535U, 1U}) word(head);
  const std::string frame(kFrameOctets, '\x88');
  for (std::uint32_t i = 0; i < packets; ++i) {
    for (const std::uint32_t field : {1'700'000'000U, i, std::uint32_t{kFrameOctets}, std::uint32_t{kFrameOctets}}) {
      word(field);
    }
    file << frame;
  }
  return path.string();
}

EalOptions eal_options() {
  EalOptions options;
  for (unsigned lcore = 0; lcore < 2; ++lcore) options.lcores.push_back({.lcore = lcore, .cpus = {0}});
  options.huge_pages = false;
  options.memory_octets = std::size_t{128} << 20U;
  options.telemetry = false;
  options.file_prefix = "ethdev-test-" + std::to_string(getpid());
  options.prefix_is_ours = true;
  return options;
}

/// Ports with buffers, started; without a run.
class Ports {
 public:
  /// Empty where no EAL is to be had here.
  static std::unique_ptr<Ports> open(const std::vector<std::string>& names) {
    auto eal = Eal::start(eal_options(), nullptr);
    if (!eal) return nullptr;
    std::unique_ptr<Ports> ports(new Ports(std::move(*eal)));
    auto opened = open_ports(ports->eal_, {names});
    EXPECT_TRUE(opened) << opened.error().message;
    ports->ports_ = std::move(*opened);
    for (LivePort& port : ports->ports_) {
      auto pool = BufferPool::make(port.facts, plan_pool({.descriptors = 1024, .held = 64}), 2048);
      EXPECT_TRUE(pool) << pool.error().message;
      port.pool = std::move(*pool);
      const std::vector<rte_mempool*> pools(1, port.pool.get());
      auto device = Device::configure(port.facts, {}, pools);
      EXPECT_TRUE(device) << device.error().message;
      port.device = std::make_unique<Device>(std::move(*device));
      EXPECT_TRUE(port.device->start());
    }
    return ports;
  }
  ~Ports() {
    for (LivePort& port : ports_) port.device.reset();
  }
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  LivePort& operator[](std::size_t i) { return ports_[i]; }

 private:
  explicit Ports(Eal eal) : eal_(std::move(eal)) {}

  Eal eal_;
  std::vector<LivePort> ports_;
};

#define OPEN_OR_SKIP(ports, ...)               \
  const auto ports = Ports::open(__VA_ARGS__); \
  if (ports == nullptr) GTEST_SKIP() << "no EAL is to be had here"

TEST(Device, TakesOutWhatNobodyPolledAndCountsIt) {
  OPEN_OR_SKIP(ports, {"net_ring0"});
  LivePort& port = (*ports)[0];
  rte_ring* const wire = rte_ring_lookup("ETH_RXTX0_net_ring0");
  ASSERT_NE(wire, nullptr);
  std::array<rte_mbuf*, 100> frames;
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(port.pool.get(), frames.data(), frames.size()), 0);
  for (rte_mbuf* frame : frames) {
    ASSERT_NE(rte_pktmbuf_append(frame, kFrameOctets), nullptr);
    ASSERT_EQ(rte_ring_enqueue(wire, frame), 0);
  }
  EXPECT_EQ(port.device->counters().received, 0U);
  EXPECT_EQ(port.device->take_out(), frames.size());
  EXPECT_EQ(port.device->counters().received, frames.size());
  EXPECT_EQ(port.device->take_out(), 0U);
  EXPECT_EQ(port.pool.in_use(), 0U) << "every buffer is given back";
}

/// Two threads that deal to one worker; what it tracks is told in its order.
class Dealt : public ::testing::Test {
 protected:
  void deal(Steering& from, flowtable::TimeNs time_ns) {
    packet::Segment segment;
    segment.time_ns = time_ns;
    ASSERT_TRUE(from.rings[0]->deal(segment, nullptr));
  }
  void deal_error(Steering& from, flowtable::TimeNs time_ns) {
    packet::IcmpError error;
    error.time_ns = time_ns;
    ASSERT_TRUE(from.rings[0]->deal(error));
  }
  std::string taken(flowtable::TimeNs until_ns = DealtInput::kNothing) {
    struct Teller {
      std::span<const packet::Segment> segments;
      std::string& told;
      std::size_t done = 0;
      void track_until(std::size_t end) {
        for (; done < end; ++done) told += std::to_string(segments[done].time_ns) + " ";
      }
      void track(const packet::IcmpError& error, const tcp::FrameView& /*frame*/, std::size_t before) {
        track_until(before);
        told += "e" + std::to_string(error.time_ns) + " ";
      }
    };
    std::string told;
    inputs_.take(until_ns, counters_,
                 [&told](std::span<const packet::Segment> segments, std::span<void* const> buffers) {
                   EXPECT_EQ(buffers.size(), segments.size());
                   return Teller{segments, told};
                 });
    return told;
  }

  Steering a_{1, 64};
  Steering b_{1, 64};
  DealtInTurn inputs_;
  port::LaneCounters counters_;

  void SetUp() override {
    inputs_.add(a_, 0);
    inputs_.add(b_, 0);
  }
};

TEST_F(Dealt, ComesInOrderOfTimeAndNotBeforeItsTurn) {
  for (const flowtable::TimeNs time_ns : {10, 30, 50}) deal(a_, time_ns);
  a_.covered_ns = 60;
  EXPECT_EQ(taken(), "") << "the other may bring something earlier";
  deal(b_, 20);
  deal_error(b_, 40);
  b_.covered_ns = 40;
  EXPECT_EQ(taken(25), "10 20 ") << "the worker itself has come no further";
  EXPECT_EQ(taken(), "30 e40 ");
  EXPECT_EQ(inputs_.covered_ns(), 40);
  EXPECT_EQ(taken(), "") << "50 waits";
  b_.covered_ns = 55;
  EXPECT_EQ(taken(), "50 ");
  EXPECT_EQ(inputs_.covered_ns(), 55);
  EXPECT_EQ(counters_.taken_segments, 4U);
  EXPECT_EQ(counters_.taken_errors, 1U);
}

TEST_F(Dealt, WaitsForNobodyWhoHasEnded) {
  deal(a_, 10);
  a_.covered_ns = 10;
  b_.covered_ns = 5;
  EXPECT_EQ(taken(), "");
  b_.ended = true;
  EXPECT_EQ(taken(), "10 ");
  EXPECT_EQ(inputs_.covered_ns(), 5) << "time goes on with the end of the run alone";
}

TEST_F(Dealt, GivesUpOrderRatherThanPackets) {
  for (flowtable::TimeNs time_ns = 1; time_ns <= 32; ++time_ns) deal(a_, time_ns);
  EXPECT_EQ(taken(), "") << "b stands still";
  deal(a_, 33);
  EXPECT_NE(taken(), "");
}

/// Two stamped inputs, of which the second stays empty: the first one's packets are held back for its sake.
class HeldBack : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kPackets = 150;

  void open(const std::string& filter = {}) {
    ports_ = Ports::open({"net_pcap0,rx_pcap=" + capture_of(folder_.path() / "a.pcap", kPackets),
                          "net_pcap1,rx_pcap=" + capture_of(folder_.path() / "b.pcap", 0)});
    if (ports_ == nullptr) return;
    RxOptions options;
    for (std::uint16_t i = 0; i < 2; ++i) {
      options.inputs.push_back({.queue = {.port = i, .queue = 0}, .stamps = Stamps::microseconds});
    }
    ASSERT_TRUE(clock_.begin());
    options.clock = &clock_.line();
    options.replay = true;
    options.filter = filter;
    source_ = std::make_unique<RxSource>(std::move(options));
    brought_ = source_->receive();
    source_->give_back();
    EXPECT_EQ(brought_, 0U);
    EXPECT_TRUE(source_->holds());
  }

  std::size_t all_that_comes() {
    std::size_t sum = 0;
    while (const std::size_t count = source_->receive()) {
      sum += count;
      source_->give_back();
    }
    return sum;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<Ports> ports_;
  port::TickClock clock_{[](std::uint64_t& ticks) {
    ticks = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    return true;
  }};
  std::unique_ptr<RxSource> source_;
  std::size_t brought_ = 0;
};

TEST_F(HeldBack, ComeAtOnceWhenTheRunEnds) {
  open();
  if (ports_ == nullptr) GTEST_SKIP() << "no EAL is to be had here";
  source_->hurry();
  EXPECT_EQ(all_that_comes(), kPackets);
  EXPECT_FALSE(source_->holds());
}

TEST_F(HeldBack, ComeEvenWhenNothingIsPolledAnyMore) {
  open();
  if (ports_ == nullptr) GTEST_SKIP() << "no EAL is to be had here";
  source_->hurry();
  source_->close();
  EXPECT_EQ(all_that_comes(), source_->polled_from(0));
  EXPECT_LT(source_->polled_from(0), kPackets) << "the rest stays in the queue";
  EXPECT_FALSE(source_->holds());
}

TEST_F(HeldBack, AreFreedAndCountedWhereTheFilterDoesNotMatch) {
  open("arp");
  if (ports_ == nullptr) GTEST_SKIP() << "no EAL is to be had here";
  source_->hurry();
  std::size_t taken = 0;
  do {
    EXPECT_EQ(source_->receive(), 0U);
    ++taken;
  } while (source_->has_taken());
  EXPECT_GT(taken, 1U) << "a round that brings nothing is no sign of silence";
  port::LaneCounters counters;
  source_->count_into(counters);
  EXPECT_EQ(counters.polled, kPackets);
  EXPECT_EQ(counters.filtered_out, kPackets);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ((*ports_)[i].pool.in_use(), 0U) << "every buffer is given back";
}

TEST_F(HeldBack, ComeWhereTheFilterMatches) {
  open("len == 60");
  if (ports_ == nullptr) GTEST_SKIP() << "no EAL is to be had here";
  source_->hurry();
  EXPECT_EQ(all_that_comes(), kPackets);
}

/// A pcapng of frames that are no IP, stamped with these microseconds.
std::string capture_stamped(const std::filesystem::path& path, const std::vector<std::uint64_t>& stamps) {
  std::ofstream file(path, std::ios::binary);
  const auto words = [&file](std::initializer_list<std::uint32_t> all) {
    for (const std::uint32_t word : all) file.write(reinterpret_cast<const char*>(&word), sizeof(word));
  };
  words({0x0a0d0d0aU, 28, 0x1a2b3c4dU, 1, ~0U, ~0U, 28});  // section header
  words({1, 20, 1, 65535, 20});                            // interface: Ethernet
  const std::string frame(kFrameOctets, '\x88');
  for (const std::uint64_t stamp : stamps) {
    const std::uint32_t block = 32 + kFrameOctets;
    words({6, block, 0, static_cast<std::uint32_t>(stamp >> 32U), static_cast<std::uint32_t>(stamp), kFrameOctets,
           kFrameOctets});
    file << frame;
    words({block});
  }
  return path.string();
}

/// One of the year 2250 would draw all later packets with it, and leave no room for deadlines.
TEST(DamagedStamp, IsTakenAtTheTimeOfThePacketBefore) {
  constexpr std::uint64_t kNow = 1'700'000'000'000'000;
  constexpr std::uint64_t kIn2250 = 8'835'000'000'000'000;
  const test::TemporaryFolder folder;
  const std::string path = capture_stamped(folder.path() / "a.pcapng", {kNow, kIn2250, kNow + 5});
  OPEN_OR_SKIP(ports, {"net_pcap0,rx_pcap=" + path});
  port::TickClock clock([](std::uint64_t& ticks) {
    ticks = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    return true;
  });
  RxOptions options;
  options.inputs.push_back({.queue = {.port = 0, .queue = 0}, .stamps = Stamps::microseconds});
  options.clock = &clock.line();
  options.replay = true;
  RxSource source(std::move(options));
  ASSERT_EQ(source.receive(), 3U);
  const auto time_of = [&source](std::size_t i) { return source.packets()[i].time_ns; };
  constexpr auto kNowNs = static_cast<flowtable::TimeNs>(kNow) * flowtable::kMicrosecondNs;
  EXPECT_EQ(time_of(0), kNowNs);
  EXPECT_EQ(time_of(1), kNowNs);
  EXPECT_EQ(time_of(2), kNowNs + 5 * flowtable::kMicrosecondNs);
  port::LaneCounters counters;
  source.count_into(counters);
  EXPECT_EQ(counters.stamps_refused, 1U);
  EXPECT_EQ(counters.time_reversals, 0U);
  source.give_back();
}

/// Takes readings and does nothing with them.
class Readings final : public port::ReadingSink {
 public:
  void take(const std::vector<diagnose::DiagnosedConnection>&) override {}
  void advance(flowtable::TimeNs) override {}
  void note_port_losses(std::uint64_t) override {}
  void flush() override {}
};

/// A run of one worker on one port.
class Run : public ::testing::Test {
 protected:
  bool set_up(const std::string& port) {
    LiveOptions options;
    options.groups = {{port}};
    options.huge_pages = false;
    options.telemetry = false;
    options.file_prefix = "ethdev-test-" + std::to_string(getpid());
    options.idle = IdleChoice::sleep;
    options.tracker.capacity_flows = options.tracker.capacity_flows6 = 1024;
    options.tracker.evidence_capacity = 64;
    auto run = LiveRun::set_up(options, nullptr);
    if (!run) {
      EXPECT_THAT(run.error().message, HasSubstr("DPDK cannot be started"));
      return false;
    }
    run_ = std::move(*run);
    return true;
  }

  void expect_exact() {
    for (const port::Balance& balance : port::reconcile(run_->snapshot())) {
      EXPECT_TRUE(balance.holds()) << port::reconciliation_text({balance});
    }
  }

  test::TemporaryFolder folder_;
  Readings sink_;
  diagnose::Analysis analysis_{{}, nullptr};
  std::unique_ptr<LiveRun> run_;
};

TEST_F(Run, CountsWhatFindsNoBuffer) {
  constexpr std::uint32_t kPackets = 2000;
  if (!set_up("net_pcap0,rx_pcap=" + capture_of(folder_.path() / "a.pcap", kPackets))) {
    GTEST_SKIP() << "no EAL is to be had here";
  }
  // Somebody holds all buffers but a few.
  rte_mempool* const pool = rte_mempool_lookup("port0");
  ASSERT_NE(pool, nullptr);
  std::vector<void*> taken(rte_mempool_avail_count(pool) - 16);
  ASSERT_EQ(rte_mempool_get_bulk(pool, taken.data(), static_cast<unsigned>(taken.size())), 0);
  ASSERT_TRUE(run_->start(analysis_, sink_));
  std::vector<std::string> news;
  const auto read_so_far = [this] {
    const port::PortSnapshot port = run_->snapshot().ports.front();
    return port.received + port.no_buffer;
  };
  for (const auto until = Clock::now() + kPatience; read_so_far() < kPackets && Clock::now() < until;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (std::string& piece : run_->tick()) news.push_back(std::move(piece));
  run_->stop();
  rte_mempool_put_bulk(pool, taken.data(), static_cast<unsigned>(taken.size()));
  const port::PortSnapshot port = run_->snapshot().ports.front();
  EXPECT_GT(port.no_buffer, 0U);
  EXPECT_EQ(port.polled + port.no_buffer, kPackets);
  EXPECT_THAT(news, Contains(HasSubstr("were lost")));
  expect_exact();
}

TEST_F(Run, CountsWhatIsLeftOnALinkThatNeverFallsSilent) {
  if (!set_up("net_ring0")) GTEST_SKIP() << "no EAL is to be had here";
  rte_ring* const wire = rte_ring_lookup("ETH_RXTX0_net_ring0");
  ASSERT_NE(wire, nullptr);
  rte_mempool* const pool = rte_mempool_lookup("port0");
  ASSERT_TRUE(run_->start(analysis_, sink_));
  std::atomic<bool> silent{false};
  std::uint64_t sent = 0;
  std::thread sender([&] {
    while (!silent.load()) {
      rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
      if (frame == nullptr) continue;
      rte_pktmbuf_append(frame, kFrameOctets);
      if (rte_ring_enqueue(wire, frame) == 0) {
        ++sent;
      } else {
        rte_pktmbuf_free(frame);
        std::this_thread::yield();
      }
    }
  });
  for (const auto until = Clock::now() + kPatience; run_->packets() < 10'000 && Clock::now() < until;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  run_->stop();
  silent.store(true);
  sender.join();
  const port::PortSnapshot port = run_->snapshot().ports.front();
  EXPECT_GE(port.polled, 10'000U);
  EXPECT_EQ(port.received, port.polled + port.left);
  EXPECT_EQ(sent, port.received + rte_ring_count(wire)) << "what came when all was over lies there still";
  expect_exact();
}

}  // namespace
}  // namespace doorslam::ethdev
