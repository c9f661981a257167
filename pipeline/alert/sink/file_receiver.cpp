#include "pipeline/alert/sink/file_receiver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "pipeline/alert/sink/nap.h"
#include "pipeline/base/descriptor.h"
#include "pipeline/base/file_mode.h"

namespace doorslam::sink {

namespace {

class FileReceiver final : public Receiver {
 public:
  explicit FileReceiver(FileOptions options) : options_(std::move(options)) {}

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    if (const std::string trouble = make_ready(); !trouble.empty()) {
      return Delivery::all(messages.size(), Fate::again, trouble);
    }
    buffer_.clear();
    for (const Message& message : messages) buffer_.append(message.body).push_back('\n');
    if (const std::string trouble = write_buffer(stop); !trouble.empty()) {
      return Delivery::all(messages.size(), Fate::again, trouble);
    }
    Delivery delivery = Delivery::all(messages.size(), Fate::delivered);
    delivery.remark = not_rotated_;
    return delivery;
  }

  void reopen() override { file_.reset(); }

 private:
  /// What stands in the way, or nothing.
  std::string make_ready() {
    if (file_ && moved_away()) file_.reset();
    if (file_ && due_for_rotation()) {
      file_.reset();
      not_rotated_ = put_aside();
    }
    return file_ ? std::string() : open();
  }

  std::string open() {
    // A FIFO without a reader must not hold the thread.
    file_.reset(::open(options_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, kFileMode));
    if (!file_) return system_words("cannot be opened");
    struct stat facts {};
    if (::fstat(file_.get(), &facts) != 0) return system_words("cannot be looked at");
    regular_ = S_ISREG(facts.st_mode);
    device_ = facts.st_dev;
    inode_ = facts.st_ino;
    octets_ = static_cast<std::uint64_t>(facts.st_size);
    begun_ = octets_ > 0 ? birth_of(facts) : ::time(nullptr);
    if (!regular_) return {};
    return octets_ == 0 ? keep_name() : take_back_torn_line();
  }

  /// When the file was made, where its file system knows; else when it was last written.
  std::time_t birth_of(const struct stat& facts) const {
    struct statx more {};
    const bool known =
        ::statx(file_.get(), "", AT_EMPTY_PATH, STATX_BTIME, &more) == 0 && (more.stx_mask & STATX_BTIME) != 0;
    return known ? std::min<std::time_t>(facts.st_mtime, more.stx_btime.tv_sec) : facts.st_mtime;
  }

  /// A new file's lines are safe only when its name is on the disk as well.
  std::string keep_name() {
    const std::filesystem::path folder = options_.path.has_parent_path() ? options_.path.parent_path() : ".";
    const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // A folder that may be written to but not read cannot be synchronised, and is no reason to hold alerts back.
    if (!opened || ::fsync(opened.get()) == 0 || errno == EINVAL) return {};
    std::string trouble = system_words("its folder does not reach the disk");
    file_.reset();
    return trouble;
  }

  /// A record of which only the beginning was written is sent again as a whole.
  std::string take_back_torn_line() {
    std::uint64_t end = octets_;
    std::array<char, 4096> piece;
    const Descriptor readable(::open(options_.path.c_str(), O_RDONLY | O_CLOEXEC));
    while (end > 0) {
      const std::uint64_t begin = end > piece.size() ? end - piece.size() : 0;
      const ssize_t length = ::pread(readable.get(), piece.data(), end - begin, static_cast<off_t>(begin));
      if (length != static_cast<ssize_t>(end - begin)) return {};  // not readable: then it is left as it is
      const std::string_view text(piece.data(), static_cast<std::size_t>(length));
      const std::size_t newline = text.rfind('\n');
      if (newline != std::string_view::npos) {
        end = begin + newline + 1;
        break;
      }
      end = begin;
    }
    return end == octets_ ? std::string() : shorten_to(end);
  }

  std::string shorten_to(std::uint64_t octets) {
    if (::ftruncate(file_.get(), static_cast<off_t>(octets)) != 0) return system_words("cannot be shortened");
    octets_ = octets;
    return {};
  }

  std::string write_buffer(const std::stop_token& stop) {
    std::size_t written = 0;
    while (written < buffer_.size()) {
      const ssize_t count = ::write(file_.get(), buffer_.data() + written, buffer_.size() - written);
      if (count > 0) {
        written += static_cast<std::size_t>(count);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN && !stop.stop_requested() && wait_until_writable(file_.get())) continue;
      std::string trouble = system_words("cannot be written");
      if (regular_) shorten_to(octets_);
      file_.reset();
      return trouble;
    }
    if (!regular_) return {};
    if (::fdatasync(file_.get()) != 0) {
      std::string trouble = system_words("does not reach the disk");
      shorten_to(octets_);
      file_.reset();
      return trouble;
    }
    octets_ += buffer_.size();
    return {};
  }

  bool moved_away() const {
    struct stat facts {};
    return ::stat(options_.path.c_str(), &facts) != 0 || facts.st_dev != device_ || facts.st_ino != inode_;
  }

  bool due_for_rotation() const {
    if (!regular_ || octets_ == 0) return false;
    if (options_.rotate_octets > 0 && octets_ >= options_.rotate_octets) return true;
    const auto limit = options_.rotate_after.count();
    return limit > 0 && ::time(nullptr) - begun_ >= limit;
  }

  /// What stands in the way, or nothing. Then the file is left as it is, and those aside as well: what could not move
  /// on must not be written over.
  std::string put_aside() const {
    const auto aside = [&](unsigned number) { return fmt::format("{}.{}", options_.path.string(), number); };
    std::error_code trouble;
    if (options_.keep == 0) {
      std::filesystem::remove(options_.path, trouble);
      return trouble ? rotation_words("cannot be removed", trouble) : std::string();
    }
    for (unsigned number = options_.keep; number > 0; --number) {
      const std::string from = number == 1 ? options_.path.string() : aside(number - 1);
      std::filesystem::rename(from, aside(number), trouble);
      // A gap in the numbers is no error.
      if (!trouble || (number > 1 && trouble == std::errc::no_such_file_or_directory)) continue;
      return rotation_words(fmt::format("{} cannot become {}", from, aside(number)), trouble);
    }
    return {};
  }

  std::string rotation_words(std::string_view what, const std::error_code& trouble) const {
    return fmt::format("{}: is not rotated and grows on: {}: {}", options_.path.string(), what, trouble.message());
  }

  std::string system_words(std::string_view what) const {
    return fmt::format("{}: {}: {}", options_.path.string(), what, std::strerror(errno));
  }

  const FileOptions options_;
  Descriptor file_;
  bool regular_ = true;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t octets_ = 0;  ///< of the file, all of it whole lines
  std::time_t begun_ = 0;     ///< when the file was
  std::string buffer_;
  std::string not_rotated_;  ///< why the file was not put aside when it was due; empty: it was
};

}  // namespace

std::unique_ptr<Receiver> make_file_receiver(const FileOptions& options) {
  return std::make_unique<FileReceiver>(options);
}

}  // namespace doorslam::sink
