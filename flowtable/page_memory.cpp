#include "flowtable/page_memory.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace doorslam::flowtable {

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}

PageMemory::PageMemory(std::size_t octets, Pages pages) {
  if (octets == 0) return;
  const bool huge = pages == Pages::huge && octets >= kHugePage;
  // The kernel aligns to 4 KiB only; a huge page more leaves room to align.
  mapped_octets_ = octets + (huge ? kHugePage : 0);
  mapping_ =
      ::mmap(nullptr, mapped_octets_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) throw std::bad_alloc();
  data_ = mapping_;
  // Advice only: a kernel without transparent huge pages gives the same memory, slower. Where they are forced on
  // for all, normal pages must be asked for, else a handful of connections makes the whole table resident.
  if (huge) {
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(mapping_) % kHugePage;
    data_ = static_cast<std::byte*>(mapping_) + (beyond == 0 ? 0 : kHugePage - beyond);
    ::madvise(data_, octets, MADV_HUGEPAGE);
  } else {
    ::madvise(data_, octets, MADV_NOHUGEPAGE);
  }
}

PageMemory::~PageMemory() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_octets_);
}

PageMemory::PageMemory(PageMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_octets_(std::exchange(other.mapped_octets_, 0)) {}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_octets_, other.mapped_octets_);
  return *this;
}

}  // namespace doorslam::flowtable
