#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_stream.h"

namespace doorslam::port {

/// The packets of one capture file in its order; one class a format.
class CaptureFile {
 public:
  /// Why reading stopped before the end of the file.
  struct Stop {
    std::uint64_t at = 0;  ///< offset in the file of the record that could not be read
    bool cut = false;      ///< the file ends inside it
    std::string reason;    ///< if it is not that
  };

  virtual ~CaptureFile() = default;
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  /// As CaptureReader::read(), without a filter.
  virtual std::size_t read(std::span<packet::RawPacket> out) = 0;
  /// LINKTYPE_* of the frames, as far as the file has told them by now.
  virtual std::vector<std::uint32_t> link_types() const = 0;

  /// Nothing while all is well and after a clean end.
  const std::optional<Stop>& stop() const noexcept { return stop_; }
  /// As CaptureReader's.
  std::uint64_t packets_without_time() const noexcept { return packets_without_time_; }
  const CaptureStream& stream() const noexcept { return *stream_; }

 protected:
  explicit CaptureFile(std::unique_ptr<CaptureStream> stream) : stream_(std::move(stream)) {}

  void stop_for(std::string_view reason) {
    done_ = true;
    stop_ = {.at = next_record_, .cut = false, .reason = std::string(reason)};
  }
  void stop_at_cut() {
    done_ = true;
    stop_ = {.at = next_record_, .cut = true, .reason = {}};
  }

  std::unique_ptr<CaptureStream> stream_;
  bool done_ = false;
  std::uint64_t next_record_ = 0;  ///< offset in the file of the record that was asked for last
  flowtable::TimeNs last_time_ns_ = flowtable::kNoTime;
  std::uint64_t packets_without_time_ = 0;

 private:
  std::optional<Stop> stop_;
};

}  // namespace doorslam::port
