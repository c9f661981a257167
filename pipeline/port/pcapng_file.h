#pragma once

#include "pipeline/port/capture_file.h"
#include "pipeline/port/pcapng_records.h"

namespace doorslam::port {

/// pcapng, taken from where it lies in memory (pcapng_records.h).
class PcapngFile final : public CaptureFile {
 public:
  /// Reads up to an interface whose frames can be decoded, or to the first packet.
  explicit PcapngFile(std::unique_ptr<CaptureStream> stream);

  std::size_t read(std::span<packet::RawPacket> out) override;
  std::vector<std::uint32_t> link_types() const override { return records_.link_types(); }

 private:
  void read_interfaces();
  std::size_t read_block(packet::RawPacket& out);

  PcapngRecords records_;
};

}  // namespace doorslam::port
