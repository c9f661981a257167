// Packets a second with two workers beside one, with the analysis thread at work.
//
// Every worker has its own source, table and core; connections of a hundred segments come and go, so that events flow.
// Batches of events go to the analysis through rings of one producer and one consumer. Workers and analysis run at the
// same time, and compete for cache and memory as they do live; what counts is the processor time that each used, as
// the machine has others to serve. On two cores a single worker has one for itself and the analysis the other; two
// workers share both with the analysis, so that its time is taken off theirs.

#include <rte_lcore.h>
#include <rte_ring.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/path.h"
#include "pipeline/diagnose/analysis.h"
#include "pipeline/diagnose/signature/signature_file.h"

namespace doorslam::bench {
namespace {

constexpr std::uint32_t kSegments = 100;
constexpr std::uint64_t kPacketsOfBatch = 8192;

struct Batch {
  tcp::EventBatch events;
  flowtable::TimeNs covers_ns = 0;
};

class Ring {
 public:
  Ring(const std::string& name, unsigned size)
      : ring_(rte_ring_create(name.c_str(), size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
    if (!ring_) throw std::runtime_error("no memory for a ring");
  }
  void put(Batch* batch) {
    while (rte_ring_sp_enqueue(ring_.get(), batch) != 0) std::this_thread::yield();
  }
  Batch* take() {
    void* batch = nullptr;
    while (rte_ring_sc_dequeue(ring_.get(), &batch) != 0) std::this_thread::yield();
    return static_cast<Batch*>(batch);
  }

 private:
  struct Free {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
  };
  std::unique_ptr<rte_ring, Free> ring_;
};

/// One worker, its source, and the rings between it and the analysis.
class Lane {
 public:
  Lane(unsigned number, unsigned lanes, std::uint32_t open)
      : number_(number),
        worker_(packet::DecodeOptions{}, options_for(2UL * open)),
        source_(pool_, Churn(open / kSegments, kSegments, number << 28U), kStart, 100, number, lanes),
        full_("full" + std::to_string(made_), kBatches),
        empty_("empty" + std::to_string(made_++), kBatches) {
    for (Batch& batch : batches_) empty_.put(&batch);
  }

  void warm_up(std::uint64_t packets) {
    tcp::EventBatch batch;
    run_path(worker_, source_, packets, batch);
  }

  /// In the worker's thread. Cycles that it used; waiting does not count.
  double work(std::uint64_t batches, std::atomic<unsigned>& waiting) {
    if (rte_thread_register() != 0) throw std::runtime_error("rte_thread_register failed");  // for the pool's cache
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(number_ % std::thread::hardware_concurrency(), &core);
    pthread_setaffinity_np(pthread_self(), sizeof(core), &core);
    --waiting;
    while (waiting != 0) std::this_thread::yield();
    double used = 0;
    for (std::uint64_t i = 0; i < batches; ++i) {
      Batch* const batch = empty_.take();
      const Stopwatch watch;
      for (std::uint64_t done = 0; done < kPacketsOfBatch; done += MbufSource<Churn>::kBurst) {
        worker_.process(source_.receive(), batch->events);
        source_.release();
      }
      batch->covers_ns = source_.now_ns() - 1;
      used += watch.cycles();
      full_.put(batch);
    }
    rte_thread_unregister();
    return used;
  }

  Ring& full() { return full_; }
  Ring& empty() { return empty_; }

 private:
  static constexpr unsigned kBatches = 64;
  static inline int made_ = 0;
  unsigned number_;
  BufferPool pool_;
  port::Worker worker_;
  MbufSource<Churn> source_;
  std::array<Batch, kBatches - 1> batches_;  // a ring holds one less than its size
  Ring full_;
  Ring empty_;
};

struct Cost {
  double worker = 0;    ///< cycles a packet
  double analysis = 0;  ///< cycles a packet of all workers
};

Cost run(std::vector<std::unique_ptr<Lane>>& lanes, diagnose::Analysis& analysis, std::uint64_t batches) {
  std::atomic<unsigned> waiting = static_cast<unsigned>(lanes.size());
  std::vector<double> used(lanes.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    threads.emplace_back([&, i] { used[i] = lanes[i]->work(batches, waiting); });
  }
  double analysed = 0;
  std::vector<diagnose::DiagnosedConnection> readings;
  for (std::uint64_t i = 0; i < batches; ++i) {
    flowtable::TimeNs covered = std::numeric_limits<flowtable::TimeNs>::max();
    for (const auto& lane : lanes) {
      Batch* const batch = lane->full().take();
      const Stopwatch watch;
      analysis.collect(batch->events);
      analysed += watch.cycles();
      covered = std::min(covered, batch->covers_ns);
      lane->empty().put(batch);
    }
    const Stopwatch watch;
    analysis.advance(covered, readings);
    readings.clear();
    analysed += watch.cycles();
  }
  for (std::thread& thread : threads) thread.join();
  Cost cost;
  const double packets = static_cast<double>(batches * kPacketsOfBatch);
  for (const double cycles : used) cost.worker += cycles / packets / static_cast<double>(lanes.size());
  cost.analysis = analysed / packets / static_cast<double>(lanes.size());
  return cost;
}

diagnose::SignatureScanner scanner() {
  const std::filesystem::path paths[] = {diagnose::default_signature_directory()};
  const auto database = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
  if (!database) throw std::runtime_error(database.error().message);
  auto made = diagnose::SignatureScanner::create(*database);
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

/// A measurement of its own for each number of workers; the lanes go on from round to round.
class Set {
 public:
  Set(unsigned workers, std::uint32_t open, diagnose::SignatureScanner& scanner)
      : analysis_(diagnose::AnalysisOptions{}, &scanner) {
    for (unsigned i = 0; i < workers; ++i) {
      lanes_.push_back(std::make_unique<Lane>(i, workers, open));
      lanes_.back()->warm_up(2UL * open * kSegments);
    }
  }
  Cost round(std::uint64_t batches) { return run(lanes_, analysis_, batches); }

 private:
  diagnose::Analysis analysis_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

void measure(Findings& findings) {
  const std::uint32_t open = findings.quick() ? 20'000 : 500'000;
  const std::uint64_t batches = findings.quick() ? 32 : 256;
  diagnose::SignatureScanner words = scanner();
  Set one(1, open, words);
  Set two(2, open, words);
  std::vector<double> alone;
  std::vector<double> shared;
  std::vector<double> analysed;
  for (std::size_t i = 0; i <= findings.rounds(9); ++i) {
    const Cost single = one.round(batches);
    const Cost both = two.round(batches);
    if (i == 0) continue;
    alone.push_back(single.worker);
    shared.push_back(both.worker);
    analysed.push_back(both.analysis);
  }
  const Timing worker1 = timing_of(alone);
  const Timing worker2 = timing_of(shared);
  const Timing analysis = timing_of(analysed);
  findings.cycles("scale", "one_worker", worker1);
  findings.cycles("scale", "of_two_workers", worker2);
  findings.cycles("scale", "analysis", analysis);
  findings.fact("cores", std::thread::hardware_concurrency());
  const Timing twice = worker1 + worker1;
  findings.ratio("R7_scale", twice / (worker2 + analysis));
  findings.ratio("R7_scale_analysis_elsewhere", twice / worker2);
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "Packets a second with two workers beside one");
  try {
    findings.fact("huge_pages", start_dpdk());
    measure(findings);
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scale: %s\n", error.what());
    return 1;
  }
}
