#include "pipeline/packet/checksum.h"

#include <cstddef>
#include <cstring>

namespace doorslam::packet {
namespace {

/// A vector register's worth of 64-bit lanes; gcc and clang know it on every processor.
using Lanes = std::uint64_t __attribute__((vector_size(16)));
constexpr std::size_t kVector = sizeof(Lanes);

template <class Word>
Word load(ByteView octets, std::size_t at) noexcept {
  Word word;
  std::memcpy(&word, octets.data() + at, sizeof(word));
  return word;
}

}  // namespace

std::uint64_t checksum_of(ByteView octets) noexcept {
  const std::size_t size = octets.size();
  std::uint64_t sum = 0;
  std::size_t at = 0;
  if (size >= 2 * kVector) {
    // 32-bit words into 64-bit lanes: no carries to mind. Even and odd words have lanes of their own.
    Lanes even{};
    Lanes odd{};
    for (; at + 2 * kVector <= size; at += 2 * kVector) {
      const auto first = load<Lanes>(octets, at);
      const auto second = load<Lanes>(octets, at + kVector);
      even += (first & 0xffffffffU) + (second & 0xffffffffU);
      odd += (first >> 32) + (second >> 32);
    }
    const Lanes both = even + odd;
    sum = both[0] + both[1];
  }
  for (; at + 8 <= size; at += 8) {
    const auto word = load<std::uint64_t>(octets, at);
    sum += (word & 0xffffffffU) + (word >> 32);
  }
  const std::size_t left = size - at;
  if (left == 0) return sum;
  std::uint64_t word = 0;
  if (std::endian::native == std::endian::little && size >= 8) {
    // The last eight octets again, without those that are counted already.
    word = load<std::uint64_t>(octets, size - 8) >> (8 * (8 - left));
  } else {
    std::memcpy(&word, octets.data() + at, left);
  }
  sum += (word & 0xffffffffU) + (word >> 32);
  return sum;
}

}  // namespace doorslam::packet
