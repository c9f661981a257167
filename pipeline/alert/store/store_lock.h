#pragma once

#include <filesystem>
#include <utility>

#include "pipeline/base/descriptor.h"
#include "pipeline/base/result.h"

namespace doorslam::store {

/// Holds a store for this process: two that deliver from one store would send everything twice. Gone with the object,
/// and with the process however it ends.
class StoreLock {
 public:
  /// Of a file that exists: where a link to nothing will lead is not looked at. Errors (data): another process holds
  /// the store (which one), or the lock file cannot be made.
  static Result<StoreLock> take(const std::filesystem::path& store);

 private:
  explicit StoreLock(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;
};

}  // namespace doorslam::store
