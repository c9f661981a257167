#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/capture_file.h"
#include "pipeline/port/capture_filter.h"
#include "pipeline/port/capture_stream.h"

namespace doorslam::port {

/// Packets of one capture file (pcap of either byte order and precision, pcapng) in the order of the file.
///
/// What reads them is a CaptureFile, by the format; what they must match is looked at here. What a file holds is not
/// believed: lengths and times are brought into the bounds of RawPacket.
class CaptureReader {
 public:
  static constexpr std::size_t kDefaultWindowOctets = std::size_t{128} * 1024;

  /// `path` "-" is standard input. Errors (data): not there, no capture file, compressed, a bad header, a link type
  /// that nobody decodes. Of pcapng with several interfaces before its first packet, one that can be decoded is enough.
  /// `give_up_ns` as in CaptureStream::open().
  static Result<CaptureReader> open(const std::string& path, std::size_t window_octets = kDefaultWindowOctets,
                                    const GiveUpTime* give_up_ns = nullptr);

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
  bool cut_short() const noexcept { return file_->stop() && file_->stop()->cut; }
  const std::string& path() const noexcept { return path_; }
  /// Packets that the filter left out.
  std::uint64_t filtered_out() const noexcept { return filtered_out_; }
  /// Packets whose time was zero, beyond the year 2200, or had a fraction of more than a second.
  std::uint64_t packets_without_time() const noexcept { return file_->packets_without_time(); }
  std::uint64_t octets_read() const noexcept { return file_->stream().octets_read(); }
  std::optional<std::uint64_t> octets_total() const noexcept { return file_->stream().size(); }

 private:
  CaptureReader(std::string path, std::unique_ptr<CaptureFile> file);

  /// Errors (data) as of open(), once the beginning of the file has been read.
  Result<CaptureReader> if_decodable() &&;
  std::size_t read_on(std::span<packet::RawPacket> out);
  std::size_t keep_matching(std::span<packet::RawPacket> packets);
  std::string_view name() const noexcept { return path_ == "-" ? "standard input" : std::string_view(path_); }
  void tell_of_stop();
  void tell(std::string message);

  std::string path_;
  std::unique_ptr<CaptureFile> file_;
  std::optional<CaptureFilter> filter_;  ///< nothing: all packets are taken
  std::uint64_t filtered_out_ = 0;
  std::optional<Error> error_;
};

}  // namespace doorslam::port
