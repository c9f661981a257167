// Records a second that the alert store takes, durably, with a sink reading beside.
//   store_bench FILE [RECORDS [OCTETS]]

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "pipeline/alert/store/alert_store.h"

using namespace doorslam::store;
using Clock = AlertStore::Clock;

namespace {

/// A sink that only reads and confirms.
void drain(AlertStore& store, const std::stop_token& stop, Sequence& arrived) {
  auto reader = store.reader();
  if (!reader) return;
  arrived = store.enlist("bench", {});
  while (!stop.stop_requested()) {
    store.wait_beyond(arrived, Clock::now() + std::chrono::milliseconds(100), stop);
    const auto batch = reader->read_after(arrived, {}, {});
    if (!batch) return;
    arrived = batch->through;
    store.confirm("bench", arrived);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "store_bench FILE [RECORDS [OCTETS]]\n");
    return 2;
  }
  const int records = argc > 2 ? std::atoi(argv[2]) : 500'000;
  const std::size_t octets = argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 5'000;
  StoreOptions options;
  options.path = argv[1];
  auto store = AlertStore::open(
      options, [](doorslam::NoticeLevel, const std::string& line) { fmt::print(stderr, "{}\n", line); });
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 1;
  }
  Sequence arrived = 0;
  std::jthread sink([&](const std::stop_token& stop) { drain(**store, stop, arrived); });
  const std::string body = fmt::format(R"({{"pad":"{}"}})", std::string(octets, 'x'));
  const auto begin = Clock::now();
  for (int i = 0; i < records; ++i) {
    Record record;
    record.id = fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15U, i);
    record.time_ns = i;
    record.server.port = 443;
    record.body = body;
    (*store)->append(std::move(record), std::chrono::seconds(60));
  }
  (*store)->flush(Clock::now() + std::chrono::minutes(5));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const StoreCounters counters = (*store)->counters();
  fmt::print("{} records of {} octets durable in {:.2f} s: {:.0f} records/s, {:.0f} MB/s; read by the sink: {}\n",
             counters.stored, octets, seconds, static_cast<double>(counters.stored) / seconds,
             static_cast<double>(counters.stored) * static_cast<double>(octets) / 1e6 / seconds, arrived);
  fmt::print("database {:.0f} MB, overflowed {}, trimmed {}, failures {}\n", static_cast<double>(counters.octets) / 1e6,
             counters.overflowed, counters.trimmed, counters.write_failures);
  return counters.overflowed == 0 ? 0 : 1;
}
