#pragma once

#include <cstddef>

namespace doorslam::flowtable {

enum class Pages {
  normal,  ///< 4 KiB: resident memory follows use closely
  huge,    ///< transparent huge pages where the kernel grants them: few TLB misses, resident in steps of 2 MiB
};

/// Zeroed memory straight from the kernel, not resident before it is touched. Owns it; moves, does not copy.
class PageMemory {
 public:
  /// Throws std::bad_alloc when the kernel refuses. `octets` of 0 gives no memory.
  PageMemory(std::size_t octets, Pages pages);
  ~PageMemory();
  PageMemory(PageMemory&& other) noexcept;
  PageMemory& operator=(PageMemory&& other) noexcept;
  PageMemory(const PageMemory&) = delete;
  PageMemory& operator=(const PageMemory&) = delete;

  /// Aligned to the page; with Pages::huge, to 2 MiB.
  void* data() const noexcept { return data_; }

 private:
  void* data_ = nullptr;
  void* mapping_ = nullptr;
  std::size_t mapped_octets_ = 0;
};

}  // namespace doorslam::flowtable
