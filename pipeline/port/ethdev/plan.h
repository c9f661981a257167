#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Who runs where and polls what. Pure: no device is asked.
namespace doorslam::ethdev {

/// A DPDK thread and the CPUs it may run on. Two lcores may share a CPU; they then take turns.
struct LcoreCpus {
  unsigned lcore = 0;
  std::vector<unsigned> cpus;
};

struct LcoreRequest {
  std::size_t workers = 1;
  std::size_t receivers = 0;      ///< threads that may have to steer packets to the workers
  std::vector<unsigned> allowed;  ///< CPUs that the process may run on
  std::vector<unsigned> wanted;   ///< CPUs for workers, then receivers (run.lcores); empty: any
};

struct LcorePlan {
  LcoreCpus control;  ///< the main thread; analysis, log and telemetry threads run on its CPUs as well
  std::vector<LcoreCpus> workers;
  std::vector<LcoreCpus> receivers;
  bool shared = false;             ///< some CPU has more than one of these threads: they must not spin
  std::vector<std::string> notes;  ///< what a person should know, one sentence each
};

/// Gives every worker a CPU of its own as long as there are enough, keeps the control thread off them, and the
/// receivers where there is room. With too few CPUs threads share.
LcorePlan plan_lcores(const LcoreRequest& request);

struct QueueRef {
  std::uint16_t port = 0;
  std::uint16_t queue = 0;

  friend bool operator==(const QueueRef&, const QueueRef&) = default;
};

/// What the plan must know of a port.
struct PortTraits {
  std::uint16_t port = 0;
  std::string name;
  unsigned group = 0;            ///< ports of one group carry the two directions of the same connections
  std::uint16_t queues = 1;      ///< that it can have
  std::uint16_t own_queues = 1;  ///< that bring packets whatever is asked for (a file each, with net_pcap)
  bool spreads_evenly = false;   ///< its hash brings both directions of a connection to one queue
};

struct PollPlan {
  bool steered = false;                          ///< receivers poll and deal to the workers
  std::vector<std::uint16_t> queues;             ///< of each port, in the order given
  std::vector<std::vector<QueueRef>> workers;    ///< what each worker polls; empty lists when steered
  std::vector<std::vector<QueueRef>> receivers;  ///< what each receiver polls, one for a group; none when not steered
  std::vector<std::string> notes;
};

/// One worker polls everything. Several poll queue i of every port each, where every port spreads both directions of a
/// connection to one queue; else one receiver for a group polls and steers.
PollPlan plan_polling(const std::vector<PortTraits>& ports, std::size_t workers);

/// What a port's buffers must suffice for.
struct PoolNeeds {
  std::size_t queues = 1;
  std::size_t descriptors = 1024;
  std::size_t pollers = 1;         ///< threads that take packets from the port
  std::size_t held = 0;            ///< packets that a poller may hold for their order
  std::size_t in_rings = 0;        ///< packets that may wait between receiver and workers
  std::size_t users = 1;           ///< threads that give buffers back: each keeps some in its cache
  std::size_t data_octets = 2048;  ///< of a buffer
};

struct PoolPlan {
  std::size_t buffers = 0;  ///< 2^n - 1, as a mempool is used best
  std::size_t cache = 0;    ///< kept by each thread
  std::size_t octets = 0;   ///< of memory, all told
};

/// Buffers enough for every place where one can be at a time: a port then never lacks one.
PoolPlan plan_pool(const PoolNeeds& needs);

}  // namespace doorslam::ethdev
