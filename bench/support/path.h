#pragma once

#include <cstdint>
#include <vector>

#include "bench/support/mbuf_source.h"
#include "bench/support/stopwatch.h"
#include "flowtable/page_memory.h"
#include "pipeline/port/worker.h"

namespace doorslam::bench {

inline constexpr flowtable::TimeNs kStart = 1'700'000'000 * flowtable::kSecondNs;

/// A worker as it runs live: huge pages, room for this many connections at 80 % load.
tcp::TrackerOptions options_for(std::size_t connections, std::size_t connections6 = 0);

/// Takes `packets` of the source through the worker; the events are made and thrown away.
template <class Mix>
void run_path(port::Worker& worker, MbufSource<Mix>& source, std::uint64_t packets, tcp::EventBatch& batch) {
  for (std::uint64_t done = 0; done < packets; done += MbufSource<Mix>::kBurst) {
    worker.process(source.receive(), batch);
    batch.clear();
    source.release();
  }
}

/// The source alone.
template <class Mix>
void run_source(MbufSource<Mix>& source, std::uint64_t packets) {
  for (std::uint64_t done = 0; done < packets; done += MbufSource<Mix>::kBurst) {
    keep(source.receive().data());
    source.release();
  }
}

/// The floor: nobody can write to a connection's line with less than touching it. One line a connection, in the order
/// of the packets, brought near a burst ahead as the pipeline does.
class TouchedLines {
 public:
  /// `order` is borrowed.
  explicit TouchedLines(const std::vector<std::uint32_t>& order);
  void run(std::uint64_t packets) noexcept;

 private:
  struct alignas(64) Line {
    std::uint64_t value;
  };
  const std::vector<std::uint32_t>* order_;
  flowtable::PageMemory memory_;
  std::size_t position_ = 0;
};

}  // namespace doorslam::bench
