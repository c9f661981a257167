#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/analysis.h"
#include "pipeline/packet/decode.h"
#include "pipeline/port/capture_source.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::app {

struct EngineOptions {
  std::size_t workers = 1;
  packet::DecodeOptions decode;
  tcp::TrackerOptions tracker;
};

/// Runs captured packets through the workers into the analysis. With one worker all happens in the calling thread;
/// with several, the caller reads and decodes, and each worker tracks its share of the connections. The readings are
/// the same either way.
class Engine {
 public:
  /// Errors (data): a worker has no thread.
  static Result<std::unique_ptr<Engine>> make(const EngineOptions& options);

  virtual ~Engine() = default;

  /// Takes the next packets of the source and appends the readings that are due. False: the source has ended. Throws
  /// what a worker threw; so finish().
  virtual bool step(port::CaptureSource& source, diagnose::Analysis& analysis,
                    std::vector<diagnose::DiagnosedConnection>& out) = 0;
  /// The source has ended: ends some of the connections, and with the last of them judges what waits. True: there are
  /// more, to be ended by another call.
  virtual bool finish(diagnose::Analysis& analysis, std::vector<diagnose::DiagnosedConnection>& out) = 0;

  virtual packet::DecodeCounters decode_counters() const = 0;
  virtual tcp::TrackerCounters tracker_counters() const = 0;
  /// Packet times of the first and the last packet; kNoTime before there is one.
  flowtable::TimeNs first_ns() const noexcept { return first_ns_; }
  flowtable::TimeNs last_ns() const noexcept { return last_ns_; }

 protected:
  /// Connections that are ended at a time when the source has ended, in order of id: a million at once would need their
  /// memory twice.
  static constexpr std::size_t kFinishPortion = 1024;

  void note_times(std::span<const packet::RawPacket> burst) noexcept;

 private:
  flowtable::TimeNs first_ns_ = flowtable::kNoTime;
  flowtable::TimeNs last_ns_ = flowtable::kNoTime;
};

}  // namespace doorslam::app
