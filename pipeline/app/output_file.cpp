#include "pipeline/app/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <limits>
#include <utility>

#include "pipeline/base/file_mode.h"

namespace doorslam::app {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBuffer = std::size_t{64} * 1024;
/// Octets for a file that cannot be written.
constexpr std::size_t kMostWaiting = std::size_t{8} << 20U;
constexpr auto kTellAgain = 60s;
/// For a write.
constexpr auto kLong = 1s;
/// While the program is ending.
constexpr auto kPatience = 1s;
constexpr auto kLook = 50ms;
constexpr auto kNever = std::numeric_limits<OutputFile::Clock::rep>::max();

bool may_block(int file) noexcept {
  struct stat facts {};
  return fstat(file, &facts) == 0 && (S_ISFIFO(facts.st_mode) || S_ISSOCK(facts.st_mode) || S_ISCHR(facts.st_mode));
}

std::uint64_t lines(std::string_view text) noexcept {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

bool is_fifo(int file) noexcept {
  struct stat facts {};
  return fstat(file, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

/// A duplicate of standard output, which stays open.
int open_file(const std::string& path, OutputFile::Mode mode) {
  if (path == "-") return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int how = mode == OutputFile::Mode::append ? O_APPEND | O_NONBLOCK : O_TRUNC;
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, kFileMode);
}

}  // namespace

/// Around whatever a disk that hangs may hold up: busy as long as it lives.
class OutputFile::BusyMark {
 public:
  explicit BusyMark(std::atomic<Clock::rep>& since) noexcept : since_(since) { begin_anew(); }
  ~BusyMark() { since_.store(0, std::memory_order_relaxed); }
  BusyMark(const BusyMark&) = delete;
  BusyMark& operator=(const BusyMark&) = delete;

  /// What was under way has come on.
  void begin_anew() noexcept { since_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed); }

 private:
  std::atomic<Clock::rep>& since_;
};

Result<void> flush_standard_output() {
  const bool failed_before = std::ferror(stdout) != 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && !failed_before) return {};
  // Of a write that failed earlier the reason is gone.
  return data_error("standard output: not all could be written" +
                    (flushed ? std::string() : std::string(": ") + std::strerror(errno)));
}

OutputFile::OutputFile(std::string path, Mode mode, Descriptor file, Notice notice)
    : path_(std::move(path)),
      mode_(mode),
      file_(std::move(file)),
      may_block_(mode == Mode::append && may_block(file_.get())),
      is_fifo_(path_ != "-" && is_fifo(file_.get())),
      give_up_at_(std::make_unique<std::atomic<Clock::rep>>(kNever)),
      waits_(std::make_unique<std::atomic<bool>>(false)),
      busy_since_(std::make_unique<std::atomic<Clock::rep>>(0)),
      published_(std::make_unique<port::Published<OutputCounters>>()),
      notice_(std::move(notice)) {
  buffer_.reserve(kBuffer);
}

Result<OutputFile> OutputFile::open(const std::string& path, Mode mode, Notice notice) {
  if (path == "-") std::fflush(stdout);
  Descriptor file(open_file(path, mode));
  if (file) return OutputFile(path, mode, std::move(file), std::move(notice));
  if (errno == ENXIO) return data_error(path + ": nobody reads this FIFO; start its reader first");
  return data_error(path + ": cannot be written: " + std::strerror(errno) +
                    "; name a file in a folder that you may write to");
}

void OutputFile::write(std::string_view record) noexcept {
  ++counters_.records;
  // A file that cannot be written is tried again with each flush only.
  if (error_ == 0 && buffer_.size() + record.size() > kBuffer) push_out();
  if (gave_up_ || (error_ != 0 && buffer_.size() + record.size() > kMostWaiting)) {
    ++counters_.missing;
    return;
  }
  buffer_.append(record);
}

void OutputFile::flush() noexcept {
  if (!buffer_.empty()) push_out();
  counters_.waiting = error_ == 0 ? 0 : buffer_.size();
  counters_.error = static_cast<std::uint64_t>(error_);
  published_->publish(counters_);
  tell();
}

/// False: nobody takes anything, and the program is ending.
bool OutputFile::wait_for_room() const noexcept {
  Clock::time_point ending_since = Clock::time_point::max();
  while (true) {
    pollfd file{.fd = file_.get(), .events = POLLOUT, .revents = 0};
    if (poll(&file, 1, static_cast<int>(kLook / 1ms)) > 0) return true;
    const Clock::rep deadline = give_up_at_->load(std::memory_order_relaxed);
    if (deadline == kNever) continue;
    const Clock::time_point now = Clock::now();
    ending_since = std::min(ending_since, now);
    if (now.time_since_epoch().count() >= deadline || now - ending_since > kPatience) return false;
  }
}

void OutputFile::push_out() noexcept {
  error_ = 0;
  counters_.in_hand = buffer_.size();
  published_->publish(counters_);  // should it hang, others are to know with how much
  BusyMark busy(*busy_since_);
  const std::size_t written = write_out(busy);
  if (error_ == 0) {
    buffer_.clear();
    torn_ = false;
    return;
  }
  if (first_error_ == 0) first_error_ = error_;
  gave_up_ = mode_ == Mode::overwrite || (error_ == EPIPE && !is_fifo_) || error_ == ETIMEDOUT;
  gave_up_ ? lose_the_rest(written) : keep_the_rest(written);
}

/// Returns the octets of the buffer that were written: all, or error_ tells why not.
std::size_t OutputFile::write_out(BusyMark& busy) noexcept {
  std::string_view rest = buffer_;
  while (!rest.empty() && error_ == 0) {
    busy.begin_anew();
    waits_->store(may_block_, std::memory_order_relaxed);
    const bool has_room = !may_block_ || wait_for_room();
    waits_->store(false, std::memory_order_relaxed);
    if (!has_room) {
      error_ = ETIMEDOUT;
      break;
    }
    // A pipe that has room has it for so much.
    const std::size_t most = may_block_ ? std::min<std::size_t>(rest.size(), PIPE_BUF) : rest.size();
    const ssize_t written = ::write(file_.get(), rest.data(), most);
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      error_ = errno;
    }
  }
  return buffer_.size() - rest.size();
}

/// To be tried again. The file is to end with a whole line, for whoever reads it or appends to it; where it cannot be
/// shortened, writing goes on in the middle of the line.
void OutputFile::keep_the_rest(std::size_t written) noexcept {
  const std::string_view out = std::string_view(buffer_).substr(0, written);
  const std::size_t end = out.rfind('\n');
  const std::size_t whole = end == std::string_view::npos ? 0 : end + 1;
  struct stat facts {};
  const bool begins_here = whole > 0 || !torn_;
  if (written > whole) {
    const auto piece = static_cast<off_t>(written - whole);
    const bool shortened = begins_here && path_ != "-" && fstat(file_.get(), &facts) == 0 && S_ISREG(facts.st_mode) &&
                           facts.st_size >= piece && ftruncate(file_.get(), facts.st_size - piece) == 0;
    torn_ = !shortened;
    buffer_.erase(0, shortened ? whole : written);
  } else {
    torn_ = torn_ && !begins_here;
    buffer_.erase(0, whole);
  }
}

/// Less than a line of something longer is missing whole.
void OutputFile::lose_the_rest(std::size_t written) noexcept {
  const std::uint64_t lost = std::max<std::uint64_t>(lines(std::string_view(buffer_).substr(written)), 1);
  counters_.missing = std::min(counters_.missing + lost, counters_.records);
  buffer_.clear();
  torn_ = false;
}

void OutputFile::tell() {
  if (mode_ == Mode::overwrite || !notice_ || error_ == ETIMEDOUT) return;  // close() tells of the end
  const auto now = Clock::now();
  if (error_ == 0) {
    if (told_ != 0) {
      notice_(NoticeLevel::warning,
              fmt::format("{}: written again; {} records are missing in all", name(), counters_.missing));
    }
    told_ = 0;
    return;
  }
  if (error_ == told_ && now < tell_again_) return;
  told_ = error_;
  tell_again_ = now + kTellAgain;
  notice_(NoticeLevel::error,
          fmt::format("{}: cannot be written: {}; {}; {} records are missing", name(), std::strerror(error_),
                      gave_up_ ? "nothing is tried any more"
                               : "it is tried again, and records wait in memory as far as there is room",
                      counters_.missing));
}

Result<void> OutputFile::reopen() {
  if (path_ == "-") return {};
  Descriptor file;
  {
    const BusyMark busy(*busy_since_);
    file = Descriptor(open_file(path_, mode_));
  }
  if (!file) return data_error(path_ + ": cannot be opened anew: " + std::strerror(errno));
  flush();
  if (torn_) {  // the rest of a line is of no use in another file
    buffer_.erase(0, std::min(buffer_.find('\n'), buffer_.size() - 1) + 1);
    ++counters_.missing;
    torn_ = false;
  }
  close_file();
  file_ = std::move(file);
  may_block_ = may_block(file_.get());
  is_fifo_ = is_fifo(file_.get());
  gave_up_ = false;
  error_ = 0;
  flush();
  return {};
}

void OutputFile::give_up_at(Clock::time_point deadline) noexcept {
  give_up_at_->store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
}

std::string OutputFile::trouble() const {
  const OutputCounters now = counters();
  const auto busy = std::chrono::duration_cast<std::chrono::seconds>(busy_for());
  const std::string lost = now.missing == 0 ? std::string() : fmt::format(", {} records lost", now.missing);
  if (busy >= kLong) {
    return fmt::format("{} for {} s{}", waits() ? "nobody has taken any record" : "a write has hung", busy.count(),
                       lost);
  }
  if (now.error == 0) return {};
  return fmt::format("cannot be written: {}{}", std::strerror(static_cast<int>(now.error)), lost);
}

OutputFile::Clock::duration OutputFile::busy_for() const noexcept {
  const Clock::rep since = busy_since_->load(std::memory_order_relaxed);
  return since == 0 ? Clock::duration::zero() : Clock::now().time_since_epoch() - Clock::duration(since);
}

bool OutputFile::close_file() noexcept {
  const BusyMark busy(*busy_since_);
  const bool closed = file_.close();
  if (!closed && first_error_ == 0) first_error_ = errno;
  return closed;
}

Result<void> OutputFile::close() {
  flush();
  if (!buffer_.empty()) lose_the_rest(0);
  published_->publish(counters_);
  const bool closed = close_file();
  if (closed && counters_.missing == 0) return {};
  const std::string why =
      first_error_ == ETIMEDOUT ? "nobody took them, and the program had to end" : std::strerror(first_error_);
  return data_error(fmt::format("{}: not all records could be written: {} ({} of {} are missing)", name(), why,
                                counters_.missing, counters_.records));
}

}  // namespace doorslam::app
