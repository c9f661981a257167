#include "bench/support/stopwatch.h"

#include <time.h>
#include <x86intrin.h>

namespace doorslam::bench {

namespace {

std::int64_t now_ns(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double measure_tsc_hz() {
  const std::int64_t begin_ns = now_ns(CLOCK_MONOTONIC_RAW);
  const std::uint64_t begin = __rdtsc();
  std::int64_t end_ns = begin_ns;
  while (end_ns - begin_ns < 50'000'000) end_ns = now_ns(CLOCK_MONOTONIC_RAW);
  return static_cast<double>(__rdtsc() - begin) * 1e9 / static_cast<double>(end_ns - begin_ns);
}

}  // namespace

double tsc_hz() {
  static const double hz = measure_tsc_hz();
  return hz;
}

std::int64_t Stopwatch::used_ns() { return now_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace doorslam::bench
