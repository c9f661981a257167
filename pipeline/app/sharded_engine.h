#pragma once

#include <barrier>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "pipeline/app/engine.h"
#include "pipeline/port/worker_of_ends.h"

namespace doorslam::app {

/// Several workers, each with a tracker and thread of its own.
///
/// Theory of operation. The calling thread reads and decodes a batch of packets and deals its segments out by the
/// connection's hash, while the workers track the batch before it. Between batches all meet at a barrier; the calling
/// thread then hands the workers' events to the analysis. Two batches exist, one on each side of the barrier.
class ShardedEngine final : public Engine {
 public:
  /// With its threads. Errors (data): not all of them can be had.
  static Result<std::unique_ptr<Engine>> start(const EngineOptions& options);
  ~ShardedEngine() override;

  bool step(port::CaptureSource& source, diagnose::Analysis& analysis,
            std::vector<diagnose::DiagnosedConnection>& out) override;
  bool finish(diagnose::Analysis& analysis, std::vector<diagnose::DiagnosedConnection>& out) override;

  packet::DecodeCounters decode_counters() const override { return decoder_.counters(); }
  tcp::TrackerCounters tracker_counters() const override;

 private:
  static constexpr std::size_t kBatchPackets = 4096;

  /// What one worker gets of a batch: segments in order, with the ICMP errors that come before segment `before`.
  struct Hand {
    /// A frame whose octets are in Batch::payloads; `view` points there once the batch is full.
    struct KeptFrame {
      tcp::FrameView view;
      std::size_t offset = 0;
    };
    struct Interjection {
      std::size_t before = 0;
      packet::IcmpError error;
      KeptFrame frame{};
    };
    std::vector<packet::Segment> segments;
    std::vector<std::size_t> payload_offsets;  ///< of the segments' payloads in Batch::payloads
    std::vector<KeptFrame> kept_frames;        ///< of the segments, where frames are kept
    std::vector<tcp::FrameView> frames;        ///< their views, once the batch is full
    std::vector<Interjection> errors;
  };
  struct Batch {
    std::vector<Hand> hands;             ///< by worker
    std::vector<std::uint8_t> payloads;  ///< what the segments' payload views point into, once the batch is full
    flowtable::TimeNs covers_ns = flowtable::kNoTime;  ///< of its last packet
    std::uint64_t covers_number = 0;
  };
  struct Shard {
    explicit Shard(const tcp::TrackerOptions& options) : tracker(options) {}
    tcp::Tracker tracker;
    tcp::EventBatch events;
    std::exception_ptr failure;       ///< what ended its work; it only keeps to the barriers then
    std::uint64_t ended_through = 0;  ///< in finish(): the connections up to this id have been ended
    bool finished = false;
  };

  explicit ShardedEngine(const EngineOptions& options);
  bool fill(port::CaptureSource& source, Batch& batch);
  void deal(const packet::RawPacket& packet, const packet::Segment& segment, Batch& batch);
  void deal(const packet::RawPacket& packet, const packet::IcmpError& error, Batch& batch);
  Hand::KeptFrame keep(tcp::FrameView frame, Batch& batch) const;
  static void fix_views(Batch& batch);
  void work(std::size_t shard) noexcept;
  void track(Shard& shard, const Hand& hand) const;
  void start_tracking();
  /// Waits for the workers and hands their events on. Throws what one of them threw.
  void end_tracking(diagnose::Analysis& analysis, std::vector<diagnose::DiagnosedConnection>& out);

  packet::Decoder decoder_;
  port::WorkerOfEnds shard_of_;
  std::size_t frame_octets_;  ///< of each frame; 0: frames are not kept
  std::vector<std::unique_ptr<Shard>> shards_;
  std::array<Batch, 2> batches_;
  Batch* filling_ = &batches_[0];   ///< the caller's
  Batch* tracking_ = &batches_[1];  ///< the workers', between two barriers
  bool tracking_now_ = false;       ///< the workers are between the two barriers
  bool stopping_ = false;
  std::uint64_t ended_through_ = 0;  ///< in finish(): the connections up to this id, of all workers
  std::barrier<> meet_;
  std::vector<std::jthread> threads_;
};

}  // namespace doorslam::app
