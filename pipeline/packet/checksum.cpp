#include "pipeline/packet/checksum.h"

#include <cstddef>
#include <cstring>

namespace doorslam::packet {

std::uint64_t checksum_of(ByteView octets) noexcept {
  using detail::kVector;
  const std::size_t size = octets.size();
  std::size_t at = 0;
  if (size >= kVector) {
    detail::VectorSum sum;
    for (; at + 2 * kVector <= size; at += 2 * kVector) {
      sum.add(detail::vector_at(octets, at));
      sum.add(detail::vector_at(octets, at + kVector));
    }
    if (at + kVector <= size) {
      sum.add(detail::vector_at(octets, at));
      at += kVector;
    }
    return sum.total() + detail::sum_of_last(octets, size - at);
  }
  std::uint64_t sum = 0;
  for (; at + sizeof(std::uint16_t) <= size; at += sizeof(std::uint16_t)) {
    std::uint16_t word;
    std::memcpy(&word, octets.data() + at, sizeof(word));
    sum += word;
  }
  if (at < size) sum += in_network_order(static_cast<std::uint16_t>(octets[at] << 8U));
  return sum;
}

}  // namespace doorslam::packet
