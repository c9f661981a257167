#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "pipeline/packet/decode.h"
#include "pipeline/packet/plain_frame.h"

/// Any octets, as frames of any link type, through one decoder with little memory for fragments.
///
/// The first octet selects the link type. The rest is one or more frames: if its top bit is set, each frame has its
/// length in front (two octets), otherwise all the rest is one frame. Each frame is decoded whole, then cut short as by
/// a snap length, then repeated later in packet time.
namespace {

using namespace doorslam;
using packet::ByteView;

constexpr std::array<std::uint32_t, 20> kLinkTypes = {1,   0,   9,   10,  12,  14,  50,  51,  101, 104,
                                                      105, 108, 113, 127, 147, 219, 228, 229, 276, 1};

/// Aborts, for the fuzzer to see, when a promise of decode() is broken.
void require(bool holds) {
  if (!holds) std::abort();
}

class Session {
 public:
  explicit Session(std::uint32_t link_type) : link_type_(link_type), decoder_(options()), general_(options()) {}

  void feed(ByteView frame) {
    decode(frame, frame.size());
    decode(frame.first(frame.size() / 2), frame.size());
    time_ns_ += flowtable::kSecondNs;
    decode(frame, frame.size() + 4);
    decoder_.recycle();
  }

 private:
  static packet::DecodeOptions options() {
    packet::DecodeOptions options;
    options.reassembly_bytes = packet::kMinReassemblyBytes;
    options.reassembly_timeout_ns = 2 * flowtable::kSecondNs;
    return options;
  }

  /// Copies to memory of the exact size first: the sanitizers then see a read of one octet too many.
  void decode(ByteView octets, std::size_t wire_octets) {
    const auto copy = std::make_unique<std::uint8_t[]>(octets.size());
    std::copy(octets.begin(), octets.end(), copy.get());
    const packet::RawPacket raw = {.captured = {copy.get(), octets.size()},
                                   .wire_length = static_cast<std::uint32_t>(wire_octets),
                                   .link_type = link_type_,
                                   .time_ns = ++time_ns_,
                                   .number = ++number_};
    packet::Segment segment;
    packet::IcmpError error;
    check_short_cut(raw);
    const packet::DecodeOutcome outcome = decoder_.decode(raw, segment, error);
    require(decoder_.counters().received() == number_);
    if (outcome != packet::DecodeOutcome::tcp) return;
    require(segment.payload.size() <= segment.payload_length);
    for (const std::uint8_t octet : segment.payload) touched_ = static_cast<std::uint8_t>(touched_ ^ octet);
  }

  /// What the straight line for plain frames reads, the general path reads from the datagram alone.
  void check_short_cut(const packet::RawPacket& raw) {
    packet::Segment plain;
    if (!packet::decode_plain_frame(raw, true, plain)) return;
    const std::size_t link_octets = raw.captured[12] == 0x81 ? 18 : 14;  // with an 802.1Q tag or without
    packet::RawPacket datagram = raw;
    datagram.link_type = packet::link_type::kRaw;
    datagram.captured = raw.captured.subspan(link_octets);
    datagram.wire_length -= static_cast<std::uint32_t>(link_octets);
    packet::Segment general;
    packet::IcmpError error;
    require(general_.decode(datagram, general, error) == packet::DecodeOutcome::tcp);
    require(plain.source == general.source && plain.destination == general.destination);
    require(plain.seq == general.seq && plain.ack == general.ack && plain.flags == general.flags);
    require(plain.window == general.window && plain.ip_id == general.ip_id && plain.ttl == general.ttl);
    require(plain.options == general.options && plain.dont_fragment == general.dont_fragment);
    require(plain.checksum_bad == general.checksum_bad && plain.payload_length == general.payload_length);
    require(plain.payload.data() == general.payload.data() && plain.payload.size() == general.payload.size());
  }

  std::uint32_t link_type_;
  packet::Decoder decoder_;
  packet::Decoder general_;
  flowtable::TimeNs time_ns_ = 1;
  std::uint64_t number_ = 0;
  volatile std::uint8_t touched_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView input(data, size);
  const std::uint8_t selector = input[0];
  input = input.subspan(1);
  Session session(kLinkTypes[(selector & 0x7fU) % kLinkTypes.size()]);
  if ((selector & 0x80U) == 0) {
    session.feed(input);
    return 0;
  }
  while (input.size() >= 2) {
    const std::size_t wanted = static_cast<std::size_t>(input[0]) << 8U | input[1];
    const ByteView frame = input.subspan(2, std::min(wanted, input.size() - 2));
    session.feed(frame);
    input = input.subspan(2 + frame.size());
  }
  return 0;
}
