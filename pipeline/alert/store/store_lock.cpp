#include "pipeline/alert/store/store_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "pipeline/base/file_mode.h"
#include "pipeline/base/printable.h"

namespace doorslam::store {

namespace {

/// Who wrote itself into the lock file.
std::string holder(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(descriptor, text.data(), text.size(), 0);
  if (length <= 1) return "another process";
  return "process " + printable({text.data(), static_cast<std::size_t>(length - 1)});
}

/// Two paths to one store, as by a symbolic link, must come to one lock. SQLite follows links as well.
std::string lock_path(const std::filesystem::path& store) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(store, error);
  return (error ? store : whole).string() + ".lock";
}

}  // namespace

Result<StoreLock> StoreLock::take(const std::filesystem::path& store) {
  const std::string path = lock_path(store);
  StoreLock lock(Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode)));
  if (!lock.file_) {
    return data_error(fmt::format("{}: {}; name a store (store.path) in a folder that exists and that you may write to",
                                  path, std::strerror(errno)));
  }
  if (::flock(lock.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return data_error(fmt::format("{}: {}", path, std::strerror(errno)));
    return data_error(fmt::format("{}: {} uses this store; stop it, or give this one another with store.path",
                                  store.string(), holder(lock.file_.get())));
  }
  // Only for the message above; the lock itself is the kernel's.
  const std::string self = std::to_string(::getpid()) + '\n';
  if (::ftruncate(lock.file_.get(), 0) != 0 || ::pwrite(lock.file_.get(), self.data(), self.size(), 0) < 0) errno = 0;
  return lock;
}

}  // namespace doorslam::store
