#pragma once

#include <cstdint>

namespace doorslam::bench {

/// Ticks of the processor's time-stamp counter a second; it runs at one speed whatever the clock of the cores does.
double tsc_hz();

/// What the calling thread has used of its processor, in ticks of the time-stamp counter: what others on the machine
/// take does not count. Reading it is a system call.
class Stopwatch {
 public:
  Stopwatch() : begin_ns_(used_ns()) {}
  double cycles() const { return static_cast<double>(used_ns() - begin_ns_) * tsc_hz() * 1e-9; }

 private:
  static std::int64_t used_ns();
  std::int64_t begin_ns_;
};

/// Cycles that `work` takes for each of `packets`.
template <class Work>
double cycles_each(std::uint64_t packets, Work work) {
  const Stopwatch watch;
  work();
  return watch.cycles() / static_cast<double>(packets);
}

/// Keeps the compiler from leaving a result out.
template <class Value>
inline void keep(const Value& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace doorslam::bench
