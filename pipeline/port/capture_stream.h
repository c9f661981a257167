#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace doorslam::port {

/// A capture file or standard input under a stdio stream, as libpcap wants it, that also knows where it stands.
///
/// stdio alone cannot say how far it has read a pipe, and its default buffer of one page costs a system call every
/// forty packets. The stream locks nothing: it belongs to the thread that reads it. An object must outlive its FILE.
class CaptureStream {
 public:
  /// Opens `path` for reading, "-" meaning standard input. Errors: the file cannot be opened or is a directory.
  static Result<std::unique_ptr<CaptureStream>> open(const std::string& path, std::size_t buffer_octets);

  ~CaptureStream();
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  std::FILE* file() const noexcept { return file_; }
  /// The caller closes the FILE from now on; file() stays valid until then.
  void release_file() noexcept { owns_file_ = false; }

  /// Offset in the file (in the pipe: octets since its start) of the octet that the FILE delivers next.
  std::uint64_t position() const noexcept;
  /// Octets taken from the file so far, read-ahead included.
  std::uint64_t octets_read() const noexcept { return offset_; }
  /// Size of the file; nothing for a pipe.
  std::optional<std::uint64_t> size() const noexcept { return size_; }
  /// Copies up to `length` octets at `offset` of the file, aside of the FILE. Returns how many; 0 for a pipe.
  std::size_t peek(std::uint64_t offset, std::uint8_t* out, std::size_t length) const noexcept;
  /// The first four octets as a number in the byte order of this machine; 0 while fewer were read.
  std::uint32_t first_word() const noexcept;
  /// "gzip", "zstd", ... when the first octets are those of a compressed file, else empty.
  std::string_view compression() const noexcept;

 private:
  CaptureStream(int descriptor, bool owns_descriptor, std::optional<std::uint64_t> size, std::uint64_t offset);

  static ssize_t read_cookie(void* cookie, char* buffer, std::size_t length);
  static int seek_cookie(void* cookie, off64_t* offset, int whence);
  static int close_cookie(void* cookie);

  int descriptor_;
  bool owns_descriptor_;
  bool owns_file_ = true;
  std::FILE* file_ = nullptr;
  std::unique_ptr<char[]> buffer_;
  std::optional<std::uint64_t> size_;
  std::uint64_t offset_;  ///< of the descriptor
  std::array<std::uint8_t, 8> head_{};
  std::size_t head_length_ = 0;
};

}  // namespace doorslam::port
