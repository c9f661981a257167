#include "pipeline/port/capture_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace doorslam::port {
namespace {

struct Magic {
  std::string_view octets;
  std::string_view name;
};

constexpr std::array<Magic, 5> kCompressions = {{
    {"\x1f\x8b", "gzip"},
    {"\x28\xb5\x2f\xfd", "zstd"},
    {"\xfd"
     "7zXZ",
     "xz"},
    {"BZh", "bzip2"},
    {"\x04\x22\x4d\x18", "lz4"},
}};

std::string mend_open(int error) {
  switch (error) {
    case ENOENT:
      return "check the path";
    case EACCES:
    case EPERM:
      return "run as a user who may read it";
    case EMFILE:
    case ENFILE:
      return "raise `ulimit -n`, or join the files first with mergecap";
    default:
      return "check that the file can be read";
  }
}

}  // namespace

Result<std::unique_ptr<CaptureStream>> CaptureStream::open(const std::string& path, std::size_t window_octets) {
  const bool is_stdin = path == "-";
  const int descriptor = is_stdin ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    return data_error(fmt::format("{}: {}; {}", path, std::strerror(error), mend_open(error)));
  }
  struct stat status {};
  std::optional<std::uint64_t> size;
  std::uint64_t offset = 0;
  if (::fstat(descriptor, &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      if (!is_stdin) ::close(descriptor);
      return data_error(fmt::format("{}: is a directory; name the capture files in it", path));
    }
    if (S_ISREG(status.st_mode)) {
      size = static_cast<std::uint64_t>(status.st_size);
      const off_t now = ::lseek(descriptor, 0, SEEK_CUR);
      if (now > 0) offset = static_cast<std::uint64_t>(now);
      ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
  }
  std::unique_ptr<CaptureStream> stream(new CaptureStream(descriptor, !is_stdin, size, offset, window_octets));
  const cookie_io_functions_t functions = {read_cookie, nullptr, nullptr, close_cookie};
  stream->file_ = ::fopencookie(stream.get(), "r", functions);
  if (stream->file_ == nullptr) {
    if (!is_stdin) ::close(descriptor);
    return data_error(fmt::format("{}: cannot make a stream: {}", path, std::strerror(errno)));
  }
  std::setvbuf(stream->file_, nullptr, _IONBF, 0);
  ::__fsetlocking(stream->file_, FSETLOCKING_BYCALLER);
  return stream;
}

CaptureStream::CaptureStream(int descriptor, bool owns_descriptor, std::optional<std::uint64_t> size,
                             std::uint64_t offset, std::size_t window_octets)
    : descriptor_(descriptor),
      owns_descriptor_(owns_descriptor),
      size_(size),
      offset_(offset),
      capacity_(window_octets),
      window_(std::make_unique_for_overwrite<std::uint8_t[]>(window_octets)) {}

CaptureStream::~CaptureStream() {
  if (owns_file_ && file_ != nullptr) std::fclose(file_);
}

bool CaptureStream::fill() noexcept {
  if (taken_ > 0) {
    std::memmove(window_.get(), window_.get() + taken_, filled_ - taken_);
    filled_ -= taken_;
    taken_ = 0;
  }
  return filled_ < capacity_ && read_on() > 0;
}

ssize_t CaptureStream::read_on() noexcept {
  std::uint8_t* const free = window_.get() + filled_;
  ssize_t got = 0;
  do {
    got = ::read(descriptor_, free, capacity_ - filled_);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  const auto octets = static_cast<std::size_t>(got);
  const std::size_t wanted = std::min(octets, head_.size() - head_length_);
  std::memcpy(head_.data() + head_length_, free, wanted);
  head_length_ += wanted;
  filled_ += octets;
  offset_ += octets;
  return got;
}

std::size_t CaptureStream::peek(std::uint64_t offset, std::uint8_t* out, std::size_t length) const noexcept {
  if (!size_) return 0;
  const ssize_t got = ::pread(descriptor_, out, length, static_cast<off_t>(offset));
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

std::string_view CaptureStream::compression() const noexcept {
  for (const Magic& magic : kCompressions) {
    if (head_length_ >= magic.octets.size() && std::memcmp(head_.data(), magic.octets.data(), magic.octets.size()) == 0)
      return magic.name;
  }
  return {};
}

ssize_t CaptureStream::read_cookie(void* cookie, char* out, std::size_t length) {
  auto& self = *static_cast<CaptureStream*>(cookie);
  if (self.taken_ == self.filled_) {
    self.taken_ = self.filled_ = 0;
    if (const ssize_t got = self.read_on(); got <= 0) return got;
  }
  const std::size_t octets = std::min(length, self.filled_ - self.taken_);
  std::memcpy(out, self.window_.get() + self.taken_, octets);
  self.taken_ += octets;
  return static_cast<ssize_t>(octets);
}

int CaptureStream::close_cookie(void* cookie) {
  auto& self = *static_cast<CaptureStream*>(cookie);
  if (self.owns_descriptor_) ::close(self.descriptor_);
  return 0;
}

}  // namespace doorslam::port
