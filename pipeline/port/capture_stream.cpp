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

Result<std::unique_ptr<CaptureStream>> CaptureStream::open(const std::string& path, std::size_t buffer_octets) {
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
  std::unique_ptr<CaptureStream> stream(new CaptureStream(descriptor, !is_stdin, size, offset));
  const cookie_io_functions_t functions = {read_cookie, nullptr, seek_cookie, close_cookie};
  stream->file_ = ::fopencookie(stream.get(), "r", functions);
  if (stream->file_ == nullptr) {
    if (!is_stdin) ::close(descriptor);
    return data_error(fmt::format("{}: cannot make a stream: {}", path, std::strerror(errno)));
  }
  stream->buffer_ = std::make_unique<char[]>(buffer_octets);
  std::setvbuf(stream->file_, stream->buffer_.get(), _IOFBF, buffer_octets);
  ::__fsetlocking(stream->file_, FSETLOCKING_BYCALLER);
  return stream;
}

CaptureStream::CaptureStream(int descriptor, bool owns_descriptor, std::optional<std::uint64_t> size,
                             std::uint64_t offset)
    : descriptor_(descriptor), owns_descriptor_(owns_descriptor), size_(size), offset_(offset) {}

CaptureStream::~CaptureStream() {
  if (owns_file_ && file_ != nullptr) std::fclose(file_);
}

std::uint64_t CaptureStream::position() const noexcept {
  const off64_t position = ::ftello64(file_);
  return position < 0 ? 0 : static_cast<std::uint64_t>(position);
}

std::size_t CaptureStream::peek(std::uint64_t offset, std::uint8_t* out, std::size_t length) const noexcept {
  if (!size_) return 0;
  const ssize_t got = ::pread(descriptor_, out, length, static_cast<off_t>(offset));
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

std::uint32_t CaptureStream::first_word() const noexcept {
  std::uint32_t word = 0;
  if (head_length_ >= sizeof word) std::memcpy(&word, head_.data(), sizeof word);
  return word;
}

std::string_view CaptureStream::compression() const noexcept {
  for (const Magic& magic : kCompressions) {
    if (head_length_ >= magic.octets.size() && std::memcmp(head_.data(), magic.octets.data(), magic.octets.size()) == 0)
      return magic.name;
  }
  return {};
}

ssize_t CaptureStream::read_cookie(void* cookie, char* buffer, std::size_t length) {
  auto& self = *static_cast<CaptureStream*>(cookie);
  ssize_t got = 0;
  do {
    got = ::read(self.descriptor_, buffer, length);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  const auto octets = static_cast<std::size_t>(got);
  const std::size_t wanted = std::min(octets, self.head_.size() - self.head_length_);
  std::memcpy(self.head_.data() + self.head_length_, buffer, wanted);
  self.head_length_ += wanted;
  self.offset_ += octets;
  return got;
}

/// Tells the position, of a pipe too. Nobody moves the stream, so every other request is refused.
int CaptureStream::seek_cookie(void* cookie, off64_t* offset, int whence) {
  if (whence != SEEK_CUR || *offset != 0) {
    errno = ESPIPE;
    return -1;
  }
  *offset = static_cast<off64_t>(static_cast<CaptureStream*>(cookie)->offset_);
  return 0;
}

int CaptureStream::close_cookie(void* cookie) {
  auto& self = *static_cast<CaptureStream*>(cookie);
  if (self.owns_descriptor_) ::close(self.descriptor_);
  return 0;
}

}  // namespace doorslam::port
