#pragma once

#include <pcap/pcap.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_filter.h"
#include "pipeline/port/capture_stream.h"
#include "pipeline/port/classic_records.h"
#include "pipeline/port/pcapng_records.h"

namespace doorslam::port {

/// Packets of one capture file (pcap of either byte order and precision, pcapng) in the order of the file.
///
/// pcapng is taken from where it lies in memory (pcapng_records.h). Any other file libpcap opens and reads, except
/// plain records, which are nearly all: those are taken from where they lie, too (classic_records.h). libpcap keeps one
/// packet at a time; the others of a burst are copied into an arena of the reader. What a file holds is not believed:
/// lengths and times are brought into the bounds of RawPacket.
class CaptureReader {
 public:
  static constexpr std::size_t kDefaultWindowOctets = std::size_t{128} * 1024;

  /// `path` "-" is standard input. Errors (data): not there, no capture file, compressed, a bad header, a link type
  /// that nobody decodes. Of pcapng with several interfaces before its first packet, one that can be decoded is enough.
  /// `give_up_ns` as in CaptureStream::open().
  static Result<CaptureReader> open(const std::string& path, std::size_t window_octets = kDefaultWindowOctets,
                                    const GiveUpTime* give_up_ns = nullptr);

  CaptureReader(CaptureReader&&) = default;
  CaptureReader& operator=(CaptureReader&&) = delete;  // would free the stream before libpcap closes it

  /// From now on read() leaves out what does not match `expression` (pcap-filter(7)), but for frames of link types that
  /// nobody decodes. Errors (usage): libpcap does not understand it for the link types that are known by now; those
  /// that come up later for which it makes no sense are told by error(), and their packets left out.
  Result<void> filter_by(const std::string& expression);

  /// Reads on, into out[0..n). The bytes of the packets are valid until the next call. `number` is left 0. `time_ns` is
  /// what the file says, not ordered; a packet without a sensible time gets that of the packet before it in the file.
  /// 0: nothing more to read.
  std::size_t read(std::span<packet::RawPacket> out);

  /// Why reading stopped before the end of the file, and what of it could not be filtered; nothing while all is well
  /// and after a clean end.
  const std::optional<Error>& error() const noexcept { return error_; }
  /// Whether reading stopped because the file ends inside a record.
  bool cut_short() const noexcept { return cut_short_; }
  const std::string& path() const noexcept { return path_; }
  /// Packets that the filter left out.
  std::uint64_t filtered_out() const noexcept { return filtered_out_; }
  /// Packets whose time was zero, beyond the year 2200, or had a fraction of more than a second.
  std::uint64_t packets_without_time() const noexcept { return packets_without_time_; }
  std::uint64_t octets_read() const noexcept { return stream_->octets_read(); }
  std::optional<std::uint64_t> octets_total() const noexcept { return stream_->size(); }

 private:
  struct PcapCloser {
    void operator()(pcap_t* pcap) const noexcept { pcap_close(pcap); }
  };

  CaptureReader(std::string path, std::unique_ptr<CaptureStream> stream);
  CaptureReader(std::string path, std::unique_ptr<CaptureStream> stream, pcap_t* pcap);

  static Result<CaptureReader> open_pcapng(const std::string& path, std::unique_ptr<CaptureStream> stream);

  std::size_t read_any(std::span<packet::RawPacket> out);
  std::size_t keep_matching(std::span<packet::RawPacket> packets);
  std::size_t read_pcapng(std::span<packet::RawPacket> out);
  std::size_t read_block(packet::RawPacket& out);
  std::size_t hand_over(std::span<packet::RawPacket> out);
  std::size_t read_by_libpcap(std::span<packet::RawPacket> out);
  packet::RawPacket describe(const pcap_pkthdr& header, const std::uint8_t* bytes) noexcept;
  std::string_view name() const noexcept { return path_ == "-" ? "standard input" : std::string_view(path_); }
  void stop(std::string_view reason);
  void stop_at_cut();
  void tell(std::string message);

  std::string path_;
  std::unique_ptr<CaptureStream> stream_;     ///< outlives pcap_, which holds its FILE
  std::unique_ptr<pcap_t, PcapCloser> pcap_;  ///< null: the file is pcapng
  std::optional<CaptureFilter> filter_;       ///< nothing: all packets are taken
  std::uint64_t filtered_out_ = 0;
  std::unique_ptr<std::uint8_t[]> arena_;
  bool done_ = false;
  std::uint32_t link_type_ = 0;            ///< of all packets that libpcap reads
  std::optional<ClassicRecords> classic_;  ///< neither of the two: all records are libpcap's
  std::optional<PcapngRecords> pcapng_;
  std::uint64_t next_record_ = 0;  ///< offset in the file of the record that was asked for last
  flowtable::TimeNs last_time_ns_ = flowtable::kNoTime;
  std::uint64_t packets_without_time_ = 0;
  std::optional<Error> error_;
  bool cut_short_ = false;
};

}  // namespace doorslam::port
