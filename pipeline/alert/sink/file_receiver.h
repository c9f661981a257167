#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

struct FileOptions {
  std::filesystem::path path;
  std::uint64_t rotate_octets = 0;       ///< a file of that size is put aside; 0: never
  std::chrono::seconds rotate_after{0};  ///< a file so old is put aside; 0: never
  unsigned keep = 8;                     ///< files put aside that are kept: PATH.1 is the youngest
};

/// A file with one message a line. A line counts as delivered when it is on the disk (fdatasync). What was written
/// half, because doorslam was killed or the disk was full, is taken back: the file never holds a part of a line for
/// long. Where somebody else moved or removed the file (logrotate), it is made anew.
std::unique_ptr<Receiver> make_file_receiver(const FileOptions& options);

}  // namespace doorslam::sink
