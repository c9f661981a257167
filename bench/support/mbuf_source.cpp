#include "bench/support/mbuf_source.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <fstream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "pipeline/port/ethdev/eal.h"

namespace doorslam::bench {

namespace {

constexpr unsigned kBuffers = 2047;  // 2^n - 1 is best for a mempool
constexpr unsigned kCached = 256;

std::size_t free_huge_pages() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::size_t number = 0;
  while (file >> name >> number) {
    if (name == "HugePages_Free:") return number;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

std::optional<ethdev::Eal>& running() {
  static std::optional<ethdev::Eal> eal;
  return eal;
}

void prepare_buffer(rte_mempool*, void*, void* object, unsigned) {
  FrameBuffer::prepare(static_cast<std::uint8_t*>(rte_pktmbuf_mtod(static_cast<rte_mbuf*>(object), void*)));
}

}  // namespace

bool start_dpdk() {
  constexpr std::size_t kPages = 128;
  const bool huge = free_huge_pages() >= kPages;
  ethdev::EalOptions options;
  options.lcores = {{0, {0}}};
  options.huge_pages = huge;
  options.memory_octets = std::size_t{512} << 20U;
  options.attachable = false;
  options.telemetry = false;
  auto eal = ethdev::Eal::start(options, nullptr);
  if (!eal) throw std::runtime_error(eal.error().message);
  running().emplace(std::move(*eal));
  return huge;
}

std::uint16_t attach_port(const std::string& specification) {
  const auto port = running()->attach(specification);
  if (!port) throw std::runtime_error(port.error().message);
  return *port;
}

BufferPool::BufferPool() {
  static int made = 0;
  const std::string name = "bench" + std::to_string(made++);
  constexpr auto kRoom = static_cast<std::uint16_t>(RTE_PKTMBUF_HEADROOM + FrameBuffer::kOctets);
  pool_.reset(rte_pktmbuf_pool_create(name.c_str(), kBuffers, kCached, 0, kRoom, SOCKET_ID_ANY));
  if (!pool_) throw std::runtime_error(std::string("no memory for packet buffers: ") + rte_strerror(rte_errno));
  // Fresh buffers begin where rte_pktmbuf_reset() will put them again.
  rte_mempool_obj_iter(
      pool_.get(),
      [](rte_mempool*, void*, void* object, unsigned) { rte_pktmbuf_reset(static_cast<rte_mbuf*>(object)); }, nullptr);
  rte_mempool_obj_iter(pool_.get(), prepare_buffer, nullptr);
}

void BufferPool::Free::operator()(rte_mempool* pool) const { rte_mempool_free(pool); }

}  // namespace doorslam::bench
