#include "pipeline/packet/checksum.h"

#include <cstddef>
#include <cstring>

namespace doorslam::packet {
namespace {

template <class Word>
Word load(ByteView octets, std::size_t at) noexcept {
  Word word;
  std::memcpy(&word, octets.data() + at, sizeof(word));
  return word;
}

}  // namespace

std::uint64_t checksum_of(ByteView octets) noexcept {
  constexpr std::size_t kBlock = 64;
  const std::size_t size = octets.size();
  std::uint64_t sum = 0;
  std::size_t at = 0;
  // 32-bit words into 64-bit sums have no carries to mind; the compiler makes vector code of a block.
  for (; at + kBlock <= size; at += kBlock) {
    for (std::size_t i = 0; i < kBlock; i += 4) sum += load<std::uint32_t>(octets, at + i);
  }
  for (; at + 8 <= size; at += 8) {
    const auto word = load<std::uint64_t>(octets, at);
    sum += (word & 0xffffffffU) + (word >> 32);
  }
  if ((size & 4U) != 0) {
    sum += load<std::uint32_t>(octets, at);
    at += 4;
  }
  if ((size & 2U) != 0) {
    sum += load<std::uint16_t>(octets, at);
    at += 2;
  }
  if ((size & 1U) != 0) sum += in_network_order(static_cast<std::uint16_t>(octets[at] << 8));
  return sum;
}

}  // namespace doorslam::packet
