#include "pipeline/port/capture_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

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

constexpr std::size_t kFileBufferOctets = std::size_t{64} * 1024;

std::int64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

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

Result<std::unique_ptr<CaptureStream>> CaptureStream::open(const std::string& path, std::size_t window_octets,
                                                           const GiveUpTime* give_up_ns) {
  const bool is_stdin = path == "-";
  // A FIFO would be waited for here until somebody writes to it, whatever comes meanwhile.
  Descriptor own(is_stdin ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const int descriptor = is_stdin ? STDIN_FILENO : own.get();
  if (descriptor < 0) {
    const int error = errno;
    return data_error(fmt::format("{}: {}; {}", path, std::strerror(error), mend_open(error)));
  }
  struct stat status {};
  std::optional<std::uint64_t> size;
  std::uint64_t offset = 0;
  if (::fstat(descriptor, &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      return data_error(fmt::format("{}: is a directory; name the capture files in it", path));
    }
    if (S_ISREG(status.st_mode)) {
      size = static_cast<std::uint64_t>(status.st_size);
      const off_t now = ::lseek(descriptor, 0, SEEK_CUR);
      if (now > 0) offset = static_cast<std::uint64_t>(now);
      ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
  }
  std::unique_ptr<CaptureStream> stream(new CaptureStream(std::move(own), size, offset, window_octets));
  stream->may_wait_ = !size;
  stream->give_up_ns_ = give_up_ns;
  const cookie_io_functions_t functions = {read_cookie, nullptr, seek_cookie, nullptr};
  stream->file_ = ::fopencookie(stream.get(), "r", functions);
  if (stream->file_ == nullptr) {
    return data_error(fmt::format("{}: cannot make a stream: {}", path, std::strerror(errno)));
  }
  // Not more than the window, which must be able to take it back; the default of one page costs a call every few
  // packets.
  const std::size_t file_buffer_octets = std::min(window_octets, kFileBufferOctets);
  stream->file_buffer_ = std::make_unique_for_overwrite<char[]>(file_buffer_octets);
  std::setvbuf(stream->file_, stream->file_buffer_.get(), _IOFBF, file_buffer_octets);
  ::__fsetlocking(stream->file_, FSETLOCKING_BYCALLER);
  return stream;
}

CaptureStream::CaptureStream(Descriptor own, std::optional<std::uint64_t> size, std::uint64_t offset,
                             std::size_t window_octets)
    : own_(std::move(own)),
      descriptor_(own_ ? own_.get() : STDIN_FILENO),
      size_(size),
      offset_(offset),
      capacity_(window_octets),
      window_(std::make_unique_for_overwrite<std::uint8_t[]>(window_octets)) {}

CaptureStream::~CaptureStream() {
  if (owns_file_ && file_ != nullptr) std::fclose(file_);
}

std::uint64_t CaptureStream::position() const noexcept {
  const off64_t position = ::ftello64(file_);
  return position < 0 ? 0 : static_cast<std::uint64_t>(position);
}

void CaptureStream::take_back() noexcept {
  const std::size_t left = filled_ - taken_;
  const std::size_t ahead = offset_ - left - position();
  // There is room: the last that stdio took came out of this window, or is no longer than it.
  std::memmove(window_.get() + ahead, window_.get() + taken_, left);
  const std::size_t got = std::fread(window_.get(), 1, ahead, file_);
  taken_ = ahead - got;
  filled_ = ahead + left;
}

bool CaptureStream::fill() noexcept {
  if (taken_ > 0) {
    std::memmove(window_.get(), window_.get() + taken_, filled_ - taken_);
    filled_ -= taken_;
    taken_ = 0;
  }
  if (filled_ == capacity_) return false;
  const ssize_t got = read_on(window_.get() + filled_, capacity_ - filled_);
  if (got <= 0) return false;
  filled_ += static_cast<std::size_t>(got);
  return true;
}

void CaptureStream::widen() {
  auto wider = std::make_unique_for_overwrite<std::uint8_t[]>(2 * capacity_);
  filled_ -= taken_;
  std::memcpy(wider.get(), window_.get() + taken_, filled_);
  taken_ = 0;
  window_ = std::move(wider);
  capacity_ *= 2;
}

bool CaptureStream::wait_for_input() noexcept {
  constexpr int kLookMs = 100;
  while (true) {
    if (give_up_ns_ != nullptr) {
      const std::int64_t give_up_ns = give_up_ns_->load(std::memory_order_relaxed);
      gave_up_ = give_up_ns != kNeverGiveUp && monotonic_ns() >= give_up_ns;
      if (gave_up_) return false;
    }
    pollfd input{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&input, 1, kLookMs);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
  }
}

ssize_t CaptureStream::read_on(std::uint8_t* out, std::size_t length) noexcept {
  ssize_t got = 0;
  do {
    if (may_wait_ && !wait_for_input()) return 0;
    got = ::read(descriptor_, out, length);
  } while (got < 0 && (errno == EINTR || (errno == EAGAIN && may_wait_)));
  if (got < 0) read_error_ = errno;
  if (got <= 0) return got;
  const auto octets = static_cast<std::size_t>(got);
  const std::size_t wanted = std::min(octets, head_.size() - head_length_);
  std::memcpy(head_.data() + head_length_, out, wanted);
  head_length_ += wanted;
  offset_ += octets;
  return got;
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
  if (self.taken_ == self.filled_) return self.read_on(reinterpret_cast<std::uint8_t*>(out), length);
  const std::size_t octets = std::min(length, self.filled_ - self.taken_);
  std::memcpy(out, self.window_.get() + self.taken_, octets);
  self.taken_ += octets;
  return static_cast<ssize_t>(octets);
}

/// Tells how far stdio has read, of a pipe too. Nobody moves the stream, so every other request is refused.
int CaptureStream::seek_cookie(void* cookie, off64_t* offset, int whence) {
  if (whence != SEEK_CUR || *offset != 0) {
    errno = ESPIPE;
    return -1;
  }
  const auto& self = *static_cast<CaptureStream*>(cookie);
  *offset = static_cast<off64_t>(self.offset_ - (self.filled_ - self.taken_));
  return 0;
}

}  // namespace doorslam::port
