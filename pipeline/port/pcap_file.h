#pragma once

#include <pcap/pcap.h>

#include "pipeline/base/result.h"
#include "pipeline/port/capture_file.h"
#include "pipeline/port/classic_records.h"

namespace doorslam::port {

/// What libpcap opens and reads, except plain records, which are nearly all: those are taken from where they lie in
/// memory (classic_records.h). libpcap keeps one packet at a time; the others of a burst are copied into an arena.
class PcapFile final : public CaptureFile {
 public:
  /// Takes `stream` unless it fails. Errors (data): what libpcap says of the file's header.
  static Result<std::unique_ptr<CaptureFile>> open(std::unique_ptr<CaptureStream>& stream);

  std::size_t read(std::span<packet::RawPacket> out) override;
  std::vector<std::uint32_t> link_types() const override { return {link_type_}; }

 private:
  struct PcapCloser {
    void operator()(pcap_t* pcap) const noexcept { pcap_close(pcap); }
  };

  PcapFile(std::unique_ptr<CaptureStream> stream, pcap_t* pcap);

  std::size_t hand_over(std::span<packet::RawPacket> out);
  std::size_t read_by_libpcap(std::span<packet::RawPacket> out);
  packet::RawPacket describe(const pcap_pkthdr& header, const std::uint8_t* bytes) noexcept;

  std::unique_ptr<pcap_t, PcapCloser> pcap_;  ///< holds the stream's FILE
  std::unique_ptr<std::uint8_t[]> arena_;
  std::uint32_t link_type_;                ///< of all packets
  std::optional<ClassicRecords> classic_;  ///< nothing: all records are libpcap's
};

}  // namespace doorslam::port
