#pragma once

#include <filesystem>
#include <utility>

#include "pipeline/base/result.h"

namespace doorslam::store {

/// Holds a store for this process: two that deliver from one store would send everything twice. Gone with the object,
/// and with the process however it ends.
class StoreLock {
 public:
  /// Of a file that exists: where a link to nothing will lead is not looked at. Errors (data): another process holds
  /// the store (which one), or the lock file cannot be made.
  static Result<StoreLock> take(const std::filesystem::path& store);

  StoreLock(StoreLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace doorslam::store
