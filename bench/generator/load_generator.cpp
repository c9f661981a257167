// Sends TCP conversations over a DPDK port, as fast as the other side takes them or at a given rate.
//
// Theory of operation: a shared-memory port (net_memif) has no wire to lose packets on: what does not fit is not taken,
// and is offered again. So every packet that is counted as sent was put before the other side, and its counters must
// reach this number exactly. After the last packet the port stays open until standard input ends or SIGTERM comes, so
// that the other side can take what is on its way.
//
// Prints on standard output "ready", then one JSON object with what was sent. Exit code: 0; 1 where the port fails or
// nobody takes packets.

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "bench/generator/door_mix.h"
#include "bench/support/frame.h"
#include "pipeline/port/ethdev/eal.h"

namespace doorslam::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBurst = 32;
constexpr unsigned kBuffers = 4095;
constexpr unsigned kCached = 256;
constexpr auto kLinkWait = std::chrono::seconds(20);
/// So long may the other side take nothing before it is given up.
constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::uint64_t kMostConnections = UINT32_MAX - 1;

struct Orders {
  std::string port;
  std::uint64_t packets = 0;
  double seconds = 0;
  double packets_per_second = 0;
  std::uint32_t open = 1000;
  std::uint32_t refused_every = 0;
  std::uint32_t v6_every = 0;
};

volatile std::sig_atomic_t stopped = 0;
void stop(int) { stopped = 1; }

ethdev::LcoreCpus anywhere() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ethdev::LcoreCpus lcore{.lcore = 0, .cpus = {}};
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {.lcore = 0, .cpus = {0}};
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) lcore.cpus.push_back(cpu);
  }
  return lcore;
}

void prepare_buffer(rte_mempool*, void*, void* object, unsigned) {
  FrameBuffer::prepare(static_cast<std::uint8_t*>(rte_pktmbuf_mtod(static_cast<rte_mbuf*>(object), void*)));
}

/// The port, ready to send. Everything that fails ends the program: throws std::runtime_error.
class Sender {
 public:
  explicit Sender(const std::string& specification) {
    ethdev::EalOptions options;
    options.lcores = {anywhere()};
    options.huge_pages = false;
    options.memory_octets = std::size_t{256} << 20U;
    options.telemetry = false;
    options.file_prefix = "generator-" + std::to_string(getpid());
    options.prefix_is_ours = true;
    auto eal = ethdev::Eal::start(options, nullptr);
    if (!eal) throw std::runtime_error(eal.error().message);
    eal_.emplace(std::move(*eal));
    const auto port = eal_->attach(specification);
    if (!port) throw std::runtime_error(port.error().message);
    port_ = *port;
    pool_ = rte_pktmbuf_pool_create("frames", kBuffers, kCached, 0, RTE_PKTMBUF_HEADROOM + FrameBuffer::kOctets,
                                    SOCKET_ID_ANY);
    if (pool_ == nullptr) throw std::runtime_error("no memory for packet buffers");
    rte_mempool_obj_iter(pool_, prepare_buffer, nullptr);
    start();
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender() {
    rte_eth_dev_stop(port_);
    rte_eth_dev_close(port_);
  }

  void wait_for_link() const {
    rte_eth_link link{};
    for (const auto until = Clock::now() + kLinkWait; Clock::now() < until;) {
      if (rte_eth_link_get_nowait(port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("nobody is at the other end of the port");
  }

  /// Sends `count` of the next packets, at most a burst. Returns how many the other side had room for: all, unless the
  /// program was told to stop.
  std::size_t send(DoorMix& mix, std::size_t count) {
    if (rte_pktmbuf_alloc_bulk(pool_, buffers_.data(), static_cast<unsigned>(count)) != 0) {
      throw std::runtime_error("no packet buffer is free");
    }
    for (std::size_t i = 0; i < count; ++i) write(mix.next(), buffers_[i]);
    std::size_t sent = 0;
    Clock::time_point stuck_since{};
    while (sent < count) {
      const std::uint16_t taken =
          rte_eth_tx_burst(port_, 0, buffers_.data() + sent, static_cast<std::uint16_t>(count - sent));
      sent += taken;
      if (taken > 0) continue;
      if (stopped != 0) break;
      if (stuck_since == Clock::time_point{}) stuck_since = Clock::now();
      if (Clock::now() - stuck_since > kPatience) throw std::runtime_error("the other side takes no packets");
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    rte_pktmbuf_free_bulk(buffers_.data() + sent, static_cast<unsigned>(count - sent));
    return sent;
  }

  /// What the driver says it has sent, and what it could not.
  rte_eth_stats counted() const {
    rte_eth_stats stats{};
    rte_eth_stats_get(port_, &stats);
    return stats;
  }

 private:
  void start() const {
    const rte_eth_conf plain{};
    if (rte_eth_dev_configure(port_, 0, 1, &plain) != 0 || rte_eth_tx_queue_setup(port_, 0, 512, 0, nullptr) != 0 ||
        rte_eth_dev_start(port_) != 0) {
      throw std::runtime_error("the port cannot be started");
    }
  }

  static void write(const Line& line, rte_mbuf* buffer) {
    auto* const octets = rte_pktmbuf_mtod(buffer, std::uint8_t*);
    const std::size_t length = FrameBuffer::write(line, octets);
    buffer->data_off = static_cast<std::uint16_t>(buffer->data_off + (FrameBuffer::frame(line, octets) - octets));
    buffer->data_len = static_cast<std::uint16_t>(length);
    buffer->pkt_len = static_cast<std::uint32_t>(length);
  }

  std::optional<ethdev::Eal> eal_;
  std::uint16_t port_ = 0;
  rte_mempool* pool_ = nullptr;
  std::array<rte_mbuf*, kBurst> buffers_{};
};

/// How many packets may be sent by now; waits a little where that is none.
std::size_t due(const Orders& orders, std::uint64_t sent, double elapsed) {
  std::uint64_t allowed = kBurst;
  if (orders.packets > 0) allowed = std::min(allowed, orders.packets - sent);
  if (orders.packets_per_second > 0) {
    const auto by_now = static_cast<std::uint64_t>(elapsed * orders.packets_per_second);
    allowed = std::min(allowed, by_now > sent ? by_now - sent : 0);
    if (allowed == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return allowed;
}

void wait_for_end() {
  char octet = 0;
  while (stopped == 0 && read(STDIN_FILENO, &octet, 1) > 0) {
  }
}

int generate(const Orders& orders) {
  Sender sender(orders.port);
  sender.wait_for_link();
  std::puts("ready");
  std::fflush(stdout);
  DoorMix mix({.apart = std::max(orders.open / DoorMix::kServedLife, 1U),
               .refused_every = orders.refused_every,
               .v6_every = orders.v6_every});
  const auto began = Clock::now();
  std::uint64_t sent = 0;
  double elapsed = 0;
  while (stopped == 0 && (orders.packets == 0 || sent < orders.packets) && mix.begun() < kMostConnections) {
    elapsed = std::chrono::duration<double>(Clock::now() - began).count();
    if (orders.seconds > 0 && elapsed >= orders.seconds) break;
    const std::size_t count = due(orders, sent, elapsed);
    if (count > 0) sent += sender.send(mix, count);
  }
  const rte_eth_stats counted = sender.counted();
  std::printf("{\"sent\": %llu, \"driver_sent\": %llu, \"connections\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(counted.opackets),
              static_cast<unsigned long long>(mix.begun()), static_cast<unsigned long long>(mix.refused()), elapsed);
  std::fflush(stdout);
  wait_for_end();
  return 0;
}

}  // namespace

}  // namespace doorslam::bench

int main(int argc, char** argv) {
  doorslam::bench::Orders orders;
  CLI::App app("Sends TCP conversations over a DPDK port");
  app.add_option("--port", orders.port, "DPDK's specification of the port, e.g. net_memif0,role=client,socket=/run/x")
      ->required();
  app.add_option("--packets", orders.packets, "packets to send; 0: no limit");
  app.add_option("--seconds", orders.seconds, "time to send for; 0: no limit");
  app.add_option("--rate", orders.packets_per_second, "packets a second; 0: as many as are taken");
  app.add_option("--open", orders.open, "connections open at a time");
  app.add_option("--refused-every", orders.refused_every, "one connection in so many is refused; 0: none");
  app.add_option("--v6-every", orders.v6_every, "one connection in so many goes over IPv6; 0: none");
  CLI11_PARSE(app, argc, argv);
  struct sigaction action {};
  action.sa_handler = doorslam::bench::stop;  // without SA_RESTART: a waiting read ends
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  try {
    return doorslam::bench::generate(orders);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_generator: %s\n", error.what());
    return 1;
  }
}
