#include "pipeline/app/read_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "config/options.h"
#include "pipeline/alert/report.h"
#include "pipeline/app/complain.h"
#include "pipeline/app/engine.h"
#include "pipeline/app/outputs.h"
#include "pipeline/app/progress.h"
#include "pipeline/app/set_up.h"
#include "pipeline/app/signals.h"
#include "pipeline/base/printable.h"
#include "pipeline/base/utf8.h"

namespace doorslam::app {

namespace {

using diagnose::DiagnosedConnection;

alert::CaptureSummary summarize(const CommandLine& line, const port::CaptureSource& source, const Engine& engine,
                                const diagnose::AnalysisCounters& analysis) {
  alert::CaptureSummary summary;
  summary.captures = line.captures;
  const packet::DecodeCounters decoded = engine.decode_counters();
  const std::uint64_t filtered_out = source.statistics().filtered_out;
  summary.packets = source.statistics().packets + filtered_out;
  summary.filtered_out = filtered_out;
  summary.cut = source.statistics().packets_cut;
  summary.not_used.emplace_back("filtered out (--filter " + for_terminal(line.filter) + ')', filtered_out);
  summary.used = decoded.of(packet::DecodeOutcome::tcp) + decoded.of(packet::DecodeOutcome::icmp_error);
  for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) {
    const auto outcome = static_cast<packet::DecodeOutcome>(i);
    if (outcome == packet::DecodeOutcome::tcp || outcome == packet::DecodeOutcome::icmp_error) continue;
    summary.not_used.emplace_back(std::string(name_of(outcome)), decoded.packets[i]);
  }
  summary.first_ns = engine.first_ns();
  summary.last_ns = engine.last_ns();
  const port::CaptureStatistics& times = source.statistics();
  if (times.time_reversals > 0) {
    summary.warnings.push_back(
        fmt::format("{} packets were earlier than the one before them (by up to {:.6f} s); they "
                    "were taken at the later time",
                    times.time_reversals, static_cast<double>(times.largest_reversal_ns) / 1e9));
  }
  if (times.time_leaps > 0) {
    summary.warnings.push_back(
        fmt::format("{} packets were stamped more than a day later than those around them (by up to {:.0f} days); they "
                    "were taken at the time of the packet before",
                    times.time_leaps, static_cast<double>(times.largest_leap_ns) / 86'400e9));
  }
  if (times.packets_without_time > 0) {
    summary.warnings.push_back(fmt::format("{} packets had no sensible time", times.packets_without_time));
  }
  if (const std::uint64_t bad = decoded.of(packet::DecodeOutcome::ip_checksum_bad); bad > 0) {
    summary.warnings.push_back(
        fmt::format("{} packets were not used because their IPv4 header checksum is wrong; if the capture was made on "
                    "one of the ends, where the card computes it, -C takes them",
                    bad));
  }
  if (decoded.tcp_checksum_bad > 0) {
    summary.warnings.push_back(
        fmt::format("{} TCP segments had a wrong checksum and were only noted; if the capture was "
                    "made on one of the ends, -C takes them",
                    decoded.tcp_checksum_bad));
  }
  if (analysis.frames_dropped > 0) {
    summary.warnings.push_back(
        fmt::format("the packets of {} connections were not kept for evidence, for want of memory; raise "
                    "evidence.memory_bytes if they matter",
                    analysis.frames_dropped));
  }
  for (const Error& error : source.errors()) summary.warnings.push_back(error.message);
  return summary;
}

std::string ended_by(int signal) {
  return fmt::format("reading was ended by {}; what was open then was judged as at the end of a capture",
                     signal == SIGINT ? "SIGINT" : "SIGTERM");
}

/// Until the captures end, or a signal does. Of a pipe, what was written until then is read as well.
void read_until_the_end(port::CaptureSource& source, const ReadingEnd& end, bool a_pipe_alone, Engine& engine,
                        diagnose::Analysis& analysis, Outputs& outputs, Progress& progress) {
  std::vector<DiagnosedConnection> readings;
  while ((a_pipe_alone || end.signal() == 0) && engine.step(source, analysis, readings)) {
    outputs.take(readings);
    readings.clear();
    const port::CaptureProgress at = source.progress();
    progress.show(at.octets_read, at.octets_total, source.statistics().packets);
  }
  bool more = true;
  while (more) {
    more = engine.finish(analysis, readings);
    outputs.take(readings);
    readings.clear();
  }
  if (end.signal() != 0) source.forgive_cut_input();
}

/// tcpdump takes its filter there.
bool is_no_file_but_words(const std::string& name) {
  std::error_code unknown;
  return name.find(' ') != std::string::npos && !std::filesystem::exists(name, unknown);
}

/// A table that grows with the connections, and no larger than the captures can fill, however small their packets: to
/// set a large one up and to look through it at the end takes longer than to read a small capture.
tcp::TrackerOptions tracker_options(const config::Settings& settings, const port::CaptureProgress& captures) {
  constexpr std::uint64_t kLeastOctetsPerPacket = 16 + 20 + 20;  // record, IP and TCP header
  constexpr std::size_t kLeastCapacity = 65'536;                 // a capture may still be growing
  constexpr std::size_t kLeastInitialFlows = 32'768;
  constexpr std::size_t kMostInitialFlows = 131'072;
  constexpr std::uint64_t kUsualOctets = 1024;  // a connection of a dozen packets; growing moves all that are open
  tcp::TrackerOptions options = config::tracker_options(settings);
  options.initial_flows = kLeastInitialFlows;
  if (!captures.octets_total) return options;
  options.initial_flows =
      std::clamp<std::size_t>(*captures.octets_total / kUsualOctets, kLeastInitialFlows, kMostInitialFlows);
  const std::size_t enough = std::max<std::size_t>(2 * *captures.octets_total / kLeastOctetsPerPacket, kLeastCapacity);
  options.capacity_flows = std::min(options.capacity_flows, enough);
  options.capacity_flows6 = std::min(options.capacity_flows6, enough);
  return options;
}

}  // namespace

Result<int> read_captures(const CommandLine& line) {
  auto settings = settings_of(line);
  if (!settings) return tl::unexpected(settings.error());
  auto scanner = make_scanner(*settings);
  if (!scanner) return tl::unexpected(scanner.error());
  // First of all, so that records of an earlier run are not taken for those of captures that cannot be opened.
  auto outputs = Outputs::open(
      line, *settings, [](NoticeLevel, const std::string& what) { complain(what); }, flowtable::HashKey::fixed());
  if (!outputs) return tl::unexpected(outputs.error());
  const ReadingEnd end;
  port::CaptureSource source = port::CaptureSource::open(line.captures, &end.give_up_ns());
  for (const Error& error : source.errors()) complain(error.message);
  const bool looks_like_a_filter = std::any_of(line.captures.begin(), line.captures.end(), is_no_file_but_words);
  if (looks_like_a_filter) complain("a packet filter goes with --filter: --filter 'host 192.0.2.1'");
  if (source.files_opened() == 0) return 1;
  if (!line.filter.empty()) {
    if (const auto compiled = source.filter_by(line.filter); !compiled) return tl::unexpected(compiled.error());
  }
  const std::size_t errors_told = source.errors().size();

  const auto made = Engine::make(EngineOptions{.workers = config::worker_count(*settings),
                                               .decode = config::decode_options(*settings),
                                               .tracker = tracker_options(*settings, source.progress())});
  if (!made) return tl::unexpected(made.error());
  Engine& engine = **made;
  diagnose::AnalysisOptions analysis_options = config::analysis_options(*settings);
  analysis_options.tells_served = outputs->wants_served();
  diagnose::Analysis analysis(analysis_options, &*scanner);
  Progress progress(!line.quiet && isatty(STDERR_FILENO) != 0);
  const bool a_pipe_alone = line.captures.size() == 1 && !source.progress().octets_total;
  read_until_the_end(source, end, a_pipe_alone, engine, analysis, *outputs, progress);
  progress.clear();
  alert::CaptureSummary summary = summarize(line, source, engine, analysis.counters());
  if (end.signal() != 0) {
    complain(ended_by(end.signal()));
    summary.warnings.push_back(ended_by(end.signal()));
  }
  if (line.quiet && summary.filtered_out > 0 && summary.filtered_out == summary.packets) {
    complain(fmt::format("--filter '{}': matches none of {} packets", printable(line.filter), summary.packets));
  }
  outputs->finish(summary);
  for (std::size_t i = errors_told; i < source.errors().size(); ++i) {
    complain(source.errors()[i].message);
  }
  const bool complete = outputs->close();
  return complete && source.errors().empty() ? 0 : 1;
}

}  // namespace doorslam::app
