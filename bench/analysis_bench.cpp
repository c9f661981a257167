// How many events a second the analysis follows, by itself and in one thread. An event is the beginning or the end of a
// connection, as the tracker reports it; the batches are made ahead by the real tracker, 64 packets each.
//
// The packets come 4,000 connections a second, so that a judgement meets a ledger with everything that came within its
// settle time.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "pipeline/diagnose/analysis.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/tcp/tracker.h"
#include "tests/support/segment_scenario.h"

namespace doorslam::bench {
namespace {

using namespace test;

constexpr std::size_t kConnections = 40'000;
constexpr flowtable::DurationNs kApartNs = 250 * kMicrosecondNs;

/// What a mix is made of.
struct Mix {
  std::size_t servers = 200;
  std::size_t refused_of_ten = 0;
  bool refused_in_words = false;
};

flowtable::Endpoint client_of(std::size_t i) {
  const auto number = static_cast<std::uint32_t>(i * 2'654'435'761U) % 5'000;
  return {address4(static_cast<std::uint8_t>(number % 250), static_cast<std::uint8_t>(1 + number / 250)),
          static_cast<std::uint16_t>(20'000 + i % 40'000)};
}

Conversation conversation(std::size_t i, const Mix& mix) {
  const std::size_t server = i * 7 % mix.servers;
  Conversation talk(
      client_of(i),
      {address4(static_cast<std::uint8_t>(server % 250), static_cast<std::uint8_t>(100 + server / 250)), 21});
  talk.set_now(kStart + static_cast<TimeNs>(i) * kApartNs);
  talk.handshake();
  if (i % 10 < mix.refused_of_ten) {
    if (mix.refused_in_words) talk.server(kPsh | kAck, "421 There are too many connected users, please try later.\r\n");
    talk.server(kFin | kAck);
    talk.client(kAck);
    talk.client(kFin | kAck);
    talk.server(kAck);
    return talk;
  }
  talk.server(kPsh | kAck, "220 ready\r\n");
  talk.exchange("USER x\r\n", "331 password, please\r\n");
  talk.exchange("PASS y\r\n", "230 welcome\r\n");
  talk.after(500 * kMillisecondNs).exchange("QUIT\r\n", "221 bye\r\n");
  talk.close();
  return talk;
}

struct Step {
  tcp::EventBatch events;
  TimeNs covers_ns = 0;
};

std::vector<Step> steps_of(const Mix& mix) {
  std::vector<Segment> segments;
  for (std::size_t i = 0; i < kConnections; ++i) {
    const Conversation talk = conversation(i, mix);
    segments.insert(segments.end(), talk.segments().begin(), talk.segments().end());
    // The words must outlive the conversation.
    static std::vector<Conversation> kept;
    kept.push_back(talk);
  }
  std::stable_sort(segments.begin(), segments.end(),
                   [](const Segment& a, const Segment& b) { return a.time_ns < b.time_ns; });
  for (std::size_t i = 0; i < segments.size(); ++i) segments[i].number = i + 1;

  tcp::TrackerOptions options;
  options.capacity_flows = 2 * kConnections;
  options.capacity_flows6 = 1024;
  options.evidence_capacity = 2 * kConnections;
  tcp::Tracker tracker(options);
  std::vector<Step> steps;
  constexpr std::size_t kBurst = 64;
  for (std::size_t i = 0; i < segments.size(); i += kBurst) {
    const auto burst = std::span(segments).subspan(i, std::min(kBurst, segments.size() - i));
    Step step;
    step.covers_ns = burst.back().time_ns;
    tracker.process(burst, step.events);
    tracker.advance(step.covers_ns, step.events);
    if (!step.events.events.empty()) steps.push_back(std::move(step));
  }
  Step last;
  last.covers_ns = segments.back().time_ns;
  tracker.finish(last.covers_ns, last.events);
  steps.push_back(std::move(last));
  return steps;
}

diagnose::SignatureScanner own_scanner() {
  const std::filesystem::path paths[] = {diagnose::default_signature_directory()};
  const auto database = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
  auto scanner = database ? diagnose::SignatureScanner::create(*database) : tl::unexpected(database.error());
  if (!scanner) {
    std::cerr << scanner.error().message << '\n';
    std::exit(1);
  }
  return std::move(*scanner);
}

void follow(benchmark::State& state, const Mix& mix, bool tells_served) {
  const std::vector<Step> steps = steps_of(mix);
  std::size_t events = 0;
  for (const Step& step : steps) events += step.events.events.size();
  diagnose::SignatureScanner scanner = own_scanner();
  diagnose::AnalysisOptions options;
  options.tells_served = tells_served;
  std::uint64_t judged = 0;
  std::uint64_t readings = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Step> work = steps;
    auto analysis = std::make_unique<diagnose::Analysis>(options, &scanner);
    std::vector<diagnose::DiagnosedConnection> out;
    state.ResumeTiming();
    for (Step& step : work) {
      analysis->collect(step.events);
      analysis->advance(step.covers_ns, out);
      readings += out.size();
      out.clear();
    }
    analysis->finish(out);
    readings += out.size();
    out.clear();
    state.PauseTiming();
    judged = analysis->counters().judged;
    work.clear();
    analysis.reset();
    state.ResumeTiming();
  }
  benchmark::DoNotOptimize(readings);
  state.counters["judged"] = static_cast<double>(judged);
  state.SetItemsProcessed(static_cast<std::int64_t>(events * state.iterations()));
}

BENCHMARK_CAPTURE(follow, served_and_told, Mix{}, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(follow, served, Mix{}, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(follow, a_tenth_refused, Mix{.refused_of_ten = 1}, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(follow, flood_of_refused, (Mix{.servers = 1, .refused_of_ten = 10}), false)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(follow, flood_refused_in_words, (Mix{.servers = 1, .refused_of_ten = 10, .refused_in_words = true}),
                  false)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace doorslam::bench
