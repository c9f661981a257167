#include "pipeline/app/run_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "config/options.h"
#include "pipeline/app/end_guard.h"
#include "pipeline/app/host_needs.h"
#include "pipeline/app/log.h"
#include "pipeline/app/observability.h"
#include "pipeline/app/outputs.h"
#include "pipeline/app/privileges.h"
#include "pipeline/app/service_manager.h"
#include "pipeline/app/set_up.h"
#include "pipeline/app/signals.h"
#include "pipeline/host/judge.h"
#include "pipeline/port/ethdev/live_run.h"
#include "pipeline/port/reconciliation.h"

namespace doorslam::app {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kTick = 100ms;
/// So long may those who read the records take, once the sensor is told to end; and so long everything, with the sinks.
constexpr auto kOutputPatience = 4s;
constexpr auto kEndPatience = 4500ms;
/// Of a write that is worth a word.
constexpr auto kStandstill = 1s;
constexpr auto kTellAgain = 60s;
/// A reader that takes some records now and then is one standstill, not many.
constexpr auto kSurelyOver = 5s;
/// Then, a disk that has stood still for so long is not waited for any more.
constexpr auto kHangPatience = 3s;

/// The analysis thread's way to the outputs.
class OutputSink final : public port::ReadingSink {
 public:
  OutputSink(Outputs& outputs, Observability& observability) : outputs_(outputs), observability_(observability) {}

  void take(const std::vector<diagnose::DiagnosedConnection>& readings) override {
    observability_.note(readings);
    outputs_.take(readings);
  }
  void advance(flowtable::TimeNs watermark_ns) override { outputs_.advance(watermark_ns); }
  void note_port_losses(std::uint64_t packets) override { outputs_.note_port_drops(packets); }
  void flush() override { outputs_.flush(); }

 private:
  Outputs& outputs_;
  Observability& observability_;
};

ethdev::EalLog eal_log(spdlog::logger& log) {
  return [&log](unsigned level, std::string_view line) {
    constexpr unsigned kWorstThree = 3;  // emergency, alert, critical
    log.log(level <= kWorstThree ? spdlog::level::err : spdlog::level::debug, "{}", line);
  };
}

/// What store and sinks tell is logged: their threads neither wait for standard error nor fail with it.
Notice notices_of(spdlog::logger& log) {
  return [&log](NoticeLevel level, const std::string& what) {
    const auto as = level == NoticeLevel::info      ? spdlog::level::info
                    : level == NoticeLevel::warning ? spdlog::level::warn
                                                    : spdlog::level::err;
    log.log(as, "{}", what);
  };
}

/// The ports of the command line, if any, in place of the configuration's: one group.
Result<ethdev::LiveOptions> live_options(const CommandLine& line, const config::Settings& settings) {
  ethdev::LiveOptions options = config::live_options(settings);
  ethdev::PortGroup given = line.ports;
  given.insert(given.end(), line.vdevs.begin(), line.vdevs.end());
  if (!given.empty()) options.groups = {given};
  if (options.groups.empty()) {
    return usage_error(
        "run: no port to listen on; give --port 0000:3b:00.0 or --vdev net_af_packet0,iface=eth1, or name "
        "ports in the configuration (run.ports)");
  }
  return options;
}

/// A sensor takes most of its memory while its tables fill, which may be days after its start: what it may grow to and
/// the host has not got is told at once. Nothing: it is there.
std::optional<std::string> missing_memory(const ethdev::LiveOptions& options, const config::Settings& settings) {
  host::Facts facts;
  facts.memory = host::read_memory("/");
  host::Findings findings;
  host::judge_normal_memory(facts.memory, host_needs(options, config::analysis_options(settings).frame_memory, facts),
                            findings);
  if (findings.count(host::Level::must) == 0) return std::nullopt;
  const host::Finding& finding = findings.all().front();
  return fmt::format("{}: {}; {}", finding.topic, finding.text, finding.command);
}

/// One sensor from set-up to end.
class Sensor {
 public:
  Sensor(const CommandLine& line, const config::Settings& settings, Log& log)
      : line_(line), settings_(settings), log_(log) {}
  /// Nobody may be answered out of what is about to go.
  ~Sensor() {
    observability_.stop();
    // Whichever way it ended.
    if (outputs_ && !ended_) outputs_->give_up_at(Clock::now() + kOutputPatience);
  }
  Sensor(const Sensor&) = delete;
  Sensor& operator=(const Sensor&) = delete;

  Result<int> run(Signals& signals);

 private:
  Result<void> set_up();
  diagnose::AnalysisOptions analysis_options(const config::Settings& settings) const;
  void listen(Signals& signals);
  void obey(int signal);
  void reload();
  bool has_idled();
  void tell_now_and_then();
  void tell_of_trouble();
  Result<int> end();

  const CommandLine& line_;
  config::Settings settings_;
  Log& log_;
  ServiceManager manager_;
  std::optional<std::string> memory_warning_;                  ///< as it stood before the set-up took anything
  flowtable::HashKey hash_key_ = flowtable::HashKey::fixed();  ///< of what the analysis thread remembers
  std::unique_ptr<diagnose::SignatureScanner> first_scanner_;
  std::optional<Outputs> outputs_;
  Observability observability_;
  std::optional<OutputSink> sink_;
  std::optional<diagnose::Analysis> analysis_;
  std::unique_ptr<ethdev::LiveRun> live_;
  bool stopping_ = false;
  bool ended_ = false;
  std::uint64_t packets_seen_ = 0;
  Clock::time_point looked_;  ///< for packets
  Clock::duration idle_{};    ///< since one was seen
  Clock::time_point last_status_;
  bool in_trouble_ = false;   ///< of the outputs, as the service manager was told
  bool stood_still_ = false;  ///< an output did, as was told
  Clock::time_point last_standstill_;
  Clock::time_point standstill_told_ = Clock::now() - kTellAgain;
};

Result<void> Sensor::set_up() {
  auto options = live_options(line_, settings_);
  if (!options) return tl::unexpected(options.error());
  memory_warning_ = missing_memory(*options, settings_);
  auto scanner = make_scanner(settings_);
  if (!scanner) return tl::unexpected(scanner.error());
  first_scanner_ = std::make_unique<diagnose::SignatureScanner>(std::move(*scanner));
  auto live = ethdev::LiveRun::set_up(*options, eal_log(*log_));
  if (!live) return tl::unexpected(live.error());
  live_ = std::move(*live);
  // Once the EAL has its threads: what is started now stays off their CPUs.
  if (auto listening = observability_.listen(settings_); !listening) return listening;
  if (!live_->replay()) hash_key_ = flowtable::HashKey::random();
  auto outputs = Outputs::open(line_, settings_, notices_of(*log_), hash_key_);
  if (!outputs) return tl::unexpected(outputs.error());
  outputs_.emplace(std::move(*outputs));
  sink_.emplace(*outputs_, observability_);
  analysis_.emplace(analysis_options(settings_), first_scanner_.get());
  return {};
}

diagnose::AnalysisOptions Sensor::analysis_options(const config::Settings& settings) const {
  diagnose::AnalysisOptions options = config::analysis_options(settings);
  options.tells_served = outputs_->wants_served();
  options.ledger.hash_key = hash_key_;
  return options;
}

Result<int> Sensor::run(Signals& signals) {
  if (auto set_up_done = set_up(); !set_up_done) return tl::unexpected(set_up_done.error());
  if (auto started = live_->start(*analysis_, *sink_); !started) return tl::unexpected(started.error());
  if (const std::size_t kept = drop_privileges(); kept != 0) {
    log_->warn("{} threads keep the privileges of the set-up: they did not answer", kept);
  }
  if (auto usable = outputs_->probe(); !usable) return tl::unexpected(usable.error());
  if (memory_warning_) log_->warn("{}", *memory_warning_);
  for (const std::string& note : live_->notes()) log_->info("{}", note);
  const port::LiveCounters at_start = live_->snapshot();
  for (const port::PortSnapshot& port : at_start.ports) {
    log_->info("listening on {} ({}), {}", port.name, port.driver, port.link_up ? "link up" : "link down");
  }
  if (auto observed = observability_.start(*live_, *outputs_, settings_); !observed) {
    return tl::unexpected(observed.error());
  }
  if (const std::string& address = observability_.metrics_address(); !address.empty()) {
    log_->info("metrics are at http://{}/metrics", address);
  }
  manager_.ready("listening");
  listen(signals);
  return end();
}

void Sensor::listen(Signals& signals) {
  looked_ = last_status_ = Clock::now();
  while (!stopping_) {
    if (const auto signal = signals.wait(kTick)) obey(*signal);
    for (const std::string& piece : live_->tick()) log_->warn("{}", piece);
    // Who waits for a reader of its records is well.
    if (outputs_->wait() || live_->alive()) manager_.alive();
    if (live_->failed()) stopping_ = true;
    if (has_idled()) {
      log_->info("no packet for {:g} s", *line_.stop_when_idle);
      stopping_ = true;
    }
    tell_now_and_then();
    tell_of_trouble();
  }
}

void Sensor::obey(int signal) {
  switch (signal) {
    case SIGHUP:
      reload();
      break;
    case SIGUSR1:
      live_->analysis_thread().post([this](diagnose::Analysis&) {
        if (const auto reopened = outputs_->reopen(); !reopened) log_->error("{}", reopened.error().message);
      });
      break;
    default:
      stopping_ = true;
  }
}

void Sensor::reload() {
  manager_.reloading();
  auto settings = settings_of(line_);
  auto scanner = settings ? make_scanner(*settings) : tl::unexpected(settings.error());
  if (!scanner) {
    observability_.note_refused_reload();
    log_->error("not reloaded, the old settings stay: {}", scanner.error().message);
  } else {
    auto newest = std::make_shared<diagnose::SignatureScanner>(std::move(*scanner));
    const diagnose::AnalysisOptions options = analysis_options(*settings);
    live_->analysis_thread().post(
        [this, options, newest = std::move(newest), now = *settings](diagnose::Analysis& analysis) {
          analysis.reconfigure(options, newest);
          outputs_->reconfigure(now);
        });
    observability_.note_reload(*settings);
    log_->info("signatures and thresholds were read again");
    if (const auto keys = keys_that_need_a_restart(settings_, *settings); !keys.empty()) {
      log_->warn("these have changed and take effect with the next start: {}", fmt::join(keys, ", "));
    }
  }
  manager_.ready(in_trouble_ ? outputs_->trouble() : "listening");
}

bool Sensor::has_idled() {
  // A machine that stood still has not waited for packets: however late this thread comes, it is not for much longer
  // than between two looks.
  const Clock::time_point now = Clock::now();
  idle_ += std::min<Clock::duration>(now - std::exchange(looked_, now), 2 * kTick);
  if (const std::uint64_t packets = live_->packets(); packets != packets_seen_) {
    packets_seen_ = packets;
    idle_ = {};
  }
  return line_.stop_when_idle && idle_ > std::chrono::duration<double>(*line_.stop_when_idle);
}

void Sensor::tell_now_and_then() {
  const std::chrono::nanoseconds interval(settings_.number("run.log_seconds"));
  if (interval == 0ns || Clock::now() - last_status_ < interval) return;
  last_status_ = Clock::now();
  const std::string trouble = outputs_->trouble();
  log_->info("{}{}{}", port::status_line(live_->snapshot()), trouble.empty() ? "" : "; ", trouble);
}

/// An output that fails says so itself; one that stands still cannot.
void Sensor::tell_of_trouble() {
  const std::string trouble = outputs_->trouble();
  if (trouble.empty() == in_trouble_) {
    in_trouble_ = !trouble.empty();
    manager_.status(in_trouble_ ? trouble : "listening");
  }
  const auto now = Clock::now();
  if (in_trouble_ && (outputs_->wait() || outputs_->hangs_for() > kStandstill)) {
    last_standstill_ = now;
    if (now - standstill_told_ < kTellAgain) return;
    standstill_told_ = now;
    stood_still_ = true;
    log_->error("{}", trouble);
  } else if (stood_still_ && !in_trouble_ && now - last_standstill_ >= kSurelyOver) {
    stood_still_ = false;
    log_->info("records are taken again");
  }
}

Result<int> Sensor::end() {
  manager_.stopping("draining");
  const auto began = Clock::now();
  outputs_->give_up_at(began + kOutputPatience);
  const EndGuard guard(began + kEndPatience, kHangPatience,
                       {.hangs_for = [this] { return outputs_->hangs_for(); },
                        .what_is_unsaved = [this] { return outputs_->unsaved(); }});
  observability_.stop();
  live_->stop();
  outputs_->finish({}, began + kOutputPatience);
  const bool complete = outputs_->close(began + kEndPatience);
  ended_ = true;
  const port::LiveCounters counters = live_->snapshot();
  const auto balances = port::reconcile(counters);
  log_->info("stopped within {} ms\n{}",
             std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count(),
             port::reconciliation_text(balances));
  log_->info("{}", port::status_line(counters));
  if (const std::exception_ptr failure = live_->failure()) std::rethrow_exception(failure);
  return complete ? 0 : 1;
}

}  // namespace

Result<int> run_sensor(const CommandLine& line) {
  const auto settings = settings_of(line);
  if (!settings) return tl::unexpected(settings.error());
  Signals signals;
  keep_set_up_privileges();
  Log log(line.quiet);
  return Sensor(line, *settings, log).run(signals);
}

}  // namespace doorslam::app
