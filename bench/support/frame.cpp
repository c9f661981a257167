#include "bench/support/frame.h"

#include <algorithm>

namespace doorslam::bench {

namespace {

void prepare_tcp(std::uint8_t* tcp, std::uint16_t window) noexcept {
  tcp[12] = 0x50;
  detail::store16(tcp + 14, window);
  std::fill_n(tcp + 20, FrameBuffer::kLongestPayload, std::uint8_t{0x78});
}

}  // namespace

void FrameBuffer::prepare(std::uint8_t* octets) noexcept {
  std::fill_n(octets, kOctets, std::uint8_t{0});
  for (std::uint8_t* const frame : {octets + kFrame4, octets + kFrame6}) {
    std::fill_n(frame, 6, std::uint8_t{0x02});
    std::fill_n(frame + 6, 6, std::uint8_t{0x06});
  }
  std::uint8_t* const four = octets + kFrame4;
  detail::store16(four + 12, 0x0800);
  detail::store16(four + 14, 0x4500);
  detail::store16(four + 20, 0x4000);  // don't fragment
  detail::store16(four + 22, 0x4006);  // TTL 64, TCP
  prepare_tcp(four + 34, kWindow);
  std::uint8_t* const six = octets + kFrame6;
  detail::store16(six + 12, 0x86dd);
  six[14] = 0x60;
  detail::store16(six + 20, 0x0640);  // TCP, hop limit 64
  for (std::uint8_t* const address : {six + 22, six + 38}) detail::store32(address, 0x20010db8);
  prepare_tcp(six + 54, kWindow);
}

}  // namespace doorslam::bench
