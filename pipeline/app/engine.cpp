#include "pipeline/app/engine.h"

#include "pipeline/app/sharded_engine.h"
#include "pipeline/port/worker.h"

namespace doorslam::app {

namespace {

using diagnose::DiagnosedConnection;

/// The analysis fetches ahead of what it follows: the events of one burst alone are too few for that.
constexpr std::size_t kBurstsPerStep = 8;

/// Everything in the calling thread, burst by burst.
class InlineEngine final : public Engine {
 public:
  explicit InlineEngine(const EngineOptions& options) : worker_(options.decode, options.tracker) {}

  bool step(port::CaptureSource& source, diagnose::Analysis& analysis, std::vector<DiagnosedConnection>& out) override {
    std::array<packet::RawPacket, port::Worker::kBurst> packets;
    std::uint64_t last_number = 0;
    batch_.clear();
    worker_.make_room(kBurstsPerStep * port::Worker::kBurst);
    for (std::size_t i = 0; i < kBurstsPerStep; ++i) {
      const std::span burst(packets.data(), source.next_burst(packets));
      if (burst.empty()) break;
      note_times(burst);
      worker_.process(burst, batch_);
      last_number = burst.back().number;
    }
    if (last_number == 0) return false;
    analysis.collect(batch_);
    analysis.advance(last_ns(), out, last_number);
    return true;
  }

  bool finish(diagnose::Analysis& analysis, std::vector<DiagnosedConnection>& out) override {
    batch_.clear();
    const bool more = worker_.finish(last_ns(), kFinishPortion, batch_);
    const std::uint64_t ended_through = batch_.events.empty() ? 0 : batch_.events.back().number;
    analysis.collect(batch_);
    if (more) {
      analysis.advance(last_ns(), out, ended_through);
    } else {
      analysis.finish(out);
    }
    return more;
  }

  packet::DecodeCounters decode_counters() const override { return worker_.decode_counters(); }
  tcp::TrackerCounters tracker_counters() const override { return worker_.tracker_counters(); }

 private:
  port::Worker worker_;
  tcp::EventBatch batch_;
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::make(const EngineOptions& options) {
  if (options.workers > 1) return ShardedEngine::start(options);
  return std::make_unique<InlineEngine>(options);
}

void Engine::note_times(std::span<const packet::RawPacket> burst) noexcept {
  // The first packets of a file may lack a time.
  for (std::size_t i = 0; first_ns_ == flowtable::kNoTime && i < burst.size(); ++i) first_ns_ = burst[i].time_ns;
  last_ns_ = burst.back().time_ns;
}

}  // namespace doorslam::app
