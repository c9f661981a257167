#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;
using flowtable::kSecondNs;

std::string long_text(std::size_t octets) {
  std::string text(octets, ' ');
  for (std::size_t i = 0; i < octets; ++i) text[i] = static_cast<char>('a' + i * i % 26);
  return text;
}

Bytes fragment(const Bytes& datagram, std::size_t offset, std::size_t octets, bool more, std::uint16_t id, int protocol,
               bool v6) {
  const Bytes part(datagram.begin() + static_cast<long>(offset), datagram.begin() + static_cast<long>(offset + octets));
  const auto at = static_cast<std::uint16_t>(offset);
  if (v6) {
    return Frame()
        .ethernet()
        .ipv6(kClient6, kServer6)
        .ipv6_fragment(at, more, id)
        .next(static_cast<std::uint16_t>(protocol))
        .raw(part)
        .bytes();
  }
  const Ipv4Fields fields = {.ttl = offset == 0 ? std::uint8_t{64} : std::uint8_t{63},
                             .id = id,
                             .dont_fragment = false,
                             .more_fragments = more,
                             .fragment_octets = at,
                             .protocol = protocol};
  return Frame().ethernet().ipv4(kClient, kServer, fields).raw(part).bytes();
}

Bytes tcp_datagram(const std::string& text, bool v6 = false) {
  Frame frame;
  if (v6) {
    frame.ipv6(kClient6, kServer6);
  } else {
    frame.ipv4(kClient, kServer);
  }
  const Bytes whole = frame.tcp(kSampleTcp).payload(text).bytes();
  return {whole.begin() + (v6 ? 40 : 20), whole.end()};
}

std::vector<Bytes> fragments_of(const Bytes& datagram, std::size_t size, std::uint16_t id = 7, int protocol = 6,
                                bool v6 = false) {
  std::vector<Bytes> frames;
  for (std::size_t offset = 0; offset < datagram.size(); offset += size) {
    const std::size_t octets = std::min(size, datagram.size() - offset);
    frames.push_back(fragment(datagram, offset, octets, offset + octets < datagram.size(), id, protocol, v6));
  }
  return frames;
}

TEST(Reassembly, AnyOrderGivesTheDatagram) {
  std::mt19937 random(11);
  for (const bool v6 : {false, true}) {
    for (const std::size_t size : {8U, 24U, 1480U, 2048U, 4096U, 65528U}) {
      const std::string text = long_text(9000);
      std::vector<Bytes> frames = fragments_of(tcp_datagram(text, v6), size, 7, 6, v6);
      std::shuffle(frames.begin(), frames.end(), random);
      Decoder decoder({});
      Decoded decoded;
      for (const Bytes& frame : frames) {
        EXPECT_NE(decoded.outcome, DecodeOutcome::tcp);
        decoded = decode_with(decoder, raw_packet(frame));
      }
      ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp) << size;
      EXPECT_EQ(decoded.payload(), text);
      EXPECT_EQ(decoded.segment.payload_length, text.size());
      EXPECT_EQ(decoded.segment.ttl, 64) << "of the first fragment";
      EXPECT_FALSE(decoded.segment.checksum_bad) << "verified over the whole";
      const bool one_frame = frames.size() == 1;
      EXPECT_EQ(decoder.counters().of(DecodeOutcome::fragment_held), frames.size() - 1);
      EXPECT_EQ(decoder.counters().datagrams_reassembled, one_frame ? 0U : 1U);
    }
  }
}

/// An evidence file shows the frame of an error only where there is one.
TEST(Reassembly, AnErrorTellsThatNoSingleFrameHoldsIt) {
  const Bytes frame =
      Frame().ethernet().ipv4(kServer, kClient).icmp(3, 13).ipv4(kClient, kServer).tcp(kSampleTcp).bytes();
  Decoder decoder({});
  Decoded decoded;
  decoded.outcome = decoder.decode(raw_packet(frame), decoded.segment, decoded.error);
  ASSERT_EQ(decoded.outcome, DecodeOutcome::icmp_error);
  EXPECT_FALSE(decoded.error.reassembled);
  const Bytes datagram(frame.begin() + 14 + 20, frame.end());
  for (const Bytes& part : fragments_of(datagram, 16, 7, 1)) {
    decoded.outcome = decoder.decode(raw_packet(part), decoded.segment, decoded.error);
  }
  ASSERT_EQ(decoded.outcome, DecodeOutcome::icmp_error);
  EXPECT_TRUE(decoded.error.reassembled);
  decoder.recycle();
  decoded.outcome = decoder.decode(raw_packet(frame), decoded.segment, decoded.error);
  EXPECT_FALSE(decoded.error.reassembled) << "what was known of the error before is not left";
}

TEST(Reassembly, LargestDatagram) {
  const std::string text = long_text(65535 - 20 - 20);
  Decoder decoder({});
  Decoded decoded;
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(text), 1480);
  for (const Bytes& frame : frames) decoded = decode_with(decoder, raw_packet(frame));
  ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decoded.payload(), text);
}

TEST(Reassembly, BadChecksumOfTheWholeIsSeen) {
  Bytes datagram = tcp_datagram(long_text(100));
  datagram.back() ^= 1U;
  Decoder decoder({});
  Decoded decoded;
  const std::vector<Bytes> frames = fragments_of(datagram, 40);
  for (const Bytes& frame : frames) decoded = decode_with(decoder, raw_packet(frame));
  ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
  EXPECT_TRUE(decoded.segment.checksum_bad);
}

// Mirror ports deliver every frame twice, in whatever order: one datagram comes out.
TEST(Reassembly, DuplicatesAreToldFromOverlaps) {
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(long_text(3000)), 1480);
  Decoder decoder({});
  for (const Bytes& frame : frames) {
    decode_with(decoder, raw_packet(frame));
    EXPECT_EQ(decode_with(decoder, raw_packet(frame)).outcome, DecodeOutcome::fragment_duplicate);
  }
  EXPECT_EQ(decoder.counters().of(DecodeOutcome::tcp), 1U);
  EXPECT_EQ(decoder.counters().of(DecodeOutcome::fragment_duplicate), frames.size());
}

// RFC 5722: a datagram with overlapping fragments is dropped, and all that still comes of it.
TEST(Reassembly, OverlapGivesTheDatagramUp) {
  const Bytes datagram = tcp_datagram(long_text(200));
  const Bytes first = fragment(datagram, 0, 80, true, 7, 6, false);
  const Bytes last = fragment(datagram, 80, datagram.size() - 80, false, 7, 6, false);
  Bytes other = datagram;
  other[64] ^= 1U;
  const std::vector<Bytes> overlaps = {
      fragment(datagram, 72, 80, true, 7, 6, false),  // partly the same range
      fragment(other, 0, 80, true, 7, 6, false),      // same range, other octets
      fragment(datagram, 0, 88, true, 7, 6, false),   // more than was there
      fragment(datagram, 8, 40, false, 7, 6, false),  // another end, within what was there
  };
  for (const Bytes& overlap : overlaps) {
    Decoder decoder({});
    EXPECT_EQ(decode_with(decoder, raw_packet(first)).outcome, DecodeOutcome::fragment_held);
    EXPECT_EQ(decode_with(decoder, raw_packet(overlap)).outcome, DecodeOutcome::fragment_overlap);
    EXPECT_EQ(decode_with(decoder, raw_packet(last)).outcome, DecodeOutcome::fragment_overlap);
  }
}

TEST(Reassembly, ContradictingEndsGiveTheDatagramUp) {
  const Bytes datagram = tcp_datagram(long_text(200));
  const Bytes last = fragment(datagram, 80, 40, false, 7, 6, false);
  const Bytes after = fragment(datagram, 120, 40, true, 7, 6, false);
  Decoder decoder({});
  EXPECT_EQ(decode_with(decoder, raw_packet(last)).outcome, DecodeOutcome::fragment_held);
  EXPECT_EQ(decode_with(decoder, raw_packet(after)).outcome, DecodeOutcome::fragment_overlap);
}

TEST(Reassembly, FragmentsThatNoSenderMayUse) {
  const Bytes datagram = tcp_datagram(long_text(200));
  EXPECT_EQ(decode(fragment(datagram, 0, 81, true, 7, 6, false)).outcome, DecodeOutcome::fragment_bad) << "not times 8";
  EXPECT_EQ(decode(fragment(datagram, 8, 0, true, 7, 6, false)).outcome, DecodeOutcome::fragment_bad) << "empty";
  const Ipv4Fields far = {.more_fragments = true, .fragment_octets = 65528, .protocol = 6};
  EXPECT_EQ(decode(Frame().ethernet().ipv4(kClient, kServer, far).raw(Bytes(80, 0)).bytes()).outcome,
            DecodeOutcome::fragment_bad)
      << "ping of death";
}

TEST(Reassembly, FragmentsExpireByPacketTime) {
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(long_text(100)), 80);
  ASSERT_EQ(frames.size(), 2U);
  Decoder decoder({});
  EXPECT_EQ(decode_with(decoder, raw_packet(frames[0], 1, 1)).outcome, DecodeOutcome::fragment_held);
  EXPECT_EQ(decode_with(decoder, raw_packet(frames[1], 1, 31 * kSecondNs)).outcome, DecodeOutcome::fragment_held);
  EXPECT_EQ(decoder.counters().datagrams_expired, 1U);
  EXPECT_EQ(decode_with(decoder, raw_packet(frames[0], 1, 32 * kSecondNs)).outcome, DecodeOutcome::tcp);
}

// The same identification may come again soon after a datagram is finished.
TEST(Reassembly, IdentificationIsUsedAgain) {
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(long_text(100)), 80);
  Decoder decoder({});
  for (flowtable::TimeNs time = kSecondNs; time < 5 * kSecondNs; time += kSecondNs) {
    EXPECT_EQ(decode_with(decoder, raw_packet(frames[0], 1, time)).outcome, DecodeOutcome::fragment_held);
    EXPECT_EQ(decode_with(decoder, raw_packet(frames[1], 1, time)).outcome, DecodeOutcome::tcp);
    decoder.recycle();
  }
}

TEST(Reassembly, DatagramsDoNotMix) {
  const std::string one = long_text(100);
  const std::string two(100, 'z');
  const std::vector<Bytes> a = fragments_of(tcp_datagram(one), 80, 1);
  const std::vector<Bytes> b = fragments_of(tcp_datagram(two), 80, 2);
  Decoder decoder({});
  decode_with(decoder, raw_packet(a[0]));
  decode_with(decoder, raw_packet(b[0]));
  const Decoded first = decode_with(decoder, raw_packet(b[1]));
  const Decoded second = decode_with(decoder, raw_packet(a[1]));
  EXPECT_EQ(second.payload(), one);
  EXPECT_EQ(first.payload(), two) << "still there after the next one: borrowed until recycle()";
}

// Without memory, the first fragment still shows the TCP header; the others are counted.
TEST(Reassembly, WithoutMemoryFirstFragmentsAreTracked) {
  DecodeOptions options;
  options.reassembly_bytes = 0;
  Decoder decoder(options);
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(long_text(100)), 80);
  const Decoded first = decode_with(decoder, raw_packet(frames[0]));
  ASSERT_EQ(first.outcome, DecodeOutcome::tcp);
  EXPECT_EQ(first.segment.payload_length, 60U);
  EXPECT_FALSE(first.segment.checksum_bad) << "cannot be verified";
  EXPECT_EQ(decode_with(decoder, raw_packet(frames[1])).outcome, DecodeOutcome::fragment_lost);
  const Bytes tiny = fragment(tcp_datagram("x"), 0, 16, true, 9, 6, false);
  EXPECT_EQ(decode_with(decoder, raw_packet(tiny)).outcome, DecodeOutcome::tcp_truncated);
  const std::vector<Bytes> v6 = fragments_of(tcp_datagram(long_text(100), true), 80, 7, 6, true);
  EXPECT_EQ(decode_with(decoder, raw_packet(v6[0])).outcome, DecodeOutcome::tcp);
}

TEST(Reassembly, CutFragmentsAreTrackedByTheirFirst) {
  const std::vector<Bytes> frames = fragments_of(tcp_datagram(long_text(3000)), 1480);
  Decoder decoder({});
  const Decoded first = decode_with(decoder, raw_packet(frames[0], 1, 1, 96));
  ASSERT_EQ(first.outcome, DecodeOutcome::tcp);
  EXPECT_EQ(first.segment.payload_length, 1460U);
  EXPECT_EQ(decode_with(decoder, raw_packet(frames[1], 1, 1, 96)).outcome, DecodeOutcome::fragment_lost);
}

TEST(Reassembly, FullMemoryNeverGrowsAndComesBack) {
  DecodeCounters counters;
  Reassembler reassembler(kMinReassemblyBytes, kSecondNs, flowtable::HashKey::fixed(), counters);
  const Bytes octets(1480, 1);
  const auto addresses = address(kClient).octets;
  IpHeader ip;
  ip.source = ByteView(addresses).first(4);
  ip.destination = ByteView(addresses).first(4);
  ip.protocol = 6;
  ip.more_fragments = true;
  ip.fragment = true;
  std::size_t lost = 0;
  for (ip.id = 0; ip.id < 5000; ++ip.id) {
    lost += reassembler.add(ip, Reader(octets), 1).outcome == DecodeOutcome::fragment_lost ? 1U : 0U;
  }
  EXPECT_GT(lost + counters.datagrams_evicted, 4000U);
  EXPECT_LE(reassembler.blocks_in_use() * 2048, kMinReassemblyBytes);
  for (ip.id = 10000; ip.id < 10200; ++ip.id) reassembler.add(ip, Reader(octets), 3 * kSecondNs);
  EXPECT_GT(counters.datagrams_expired, 0U);
  EXPECT_GT(reassembler.blocks_in_use(), 0U);
  ip.offset = 1480;
  ip.more_fragments = false;
  ip.id = 10199;
  EXPECT_TRUE(reassembler.add(ip, Reader(octets), 3 * kSecondNs).complete);
}

TEST(Reassembly, BurstBeyondTheArenaLosesDatagramsNotMemory) {
  DecodeOptions options;
  options.reassembly_bytes = kMinReassemblyBytes;
  Decoder decoder(options);
  const Bytes datagram = tcp_datagram(long_text(30000));
  int whole = 0;
  for (std::uint16_t id = 0; id < 4; ++id) {
    const std::vector<Bytes> frames = fragments_of(datagram, 1480, id);
    for (const Bytes& frame : frames) {
      const Decoded decoded = decode_with(decoder, raw_packet(frame));
      whole += decoded.outcome == DecodeOutcome::tcp && decoded.segment.payload_length == 30000 ? 1 : 0;
    }
  }
  EXPECT_EQ(whole, 2);
  decoder.recycle();
  const std::vector<Bytes> frames = fragments_of(datagram, 1480, 9);
  Decoded decoded;
  for (const Bytes& frame : frames) decoded = decode_with(decoder, raw_packet(frame));
  EXPECT_EQ(decoded.outcome, DecodeOutcome::tcp);
}

// UDP that is no tunnel takes no memory once its first fragment is seen.
TEST(Reassembly, OtherUdpIsNotHeld) {
  const Bytes datagram = Bytes{0xc3, 0x50, 0, 53, 0, 200, 0, 0} + Bytes(192, 0);
  const std::vector<Bytes> frames = fragments_of(datagram, 80, 7, 17);
  Decoder in_order({});
  for (const Bytes& frame : frames) EXPECT_EQ(decode_with(in_order, raw_packet(frame)).outcome, DecodeOutcome::udp);
  Decoder last_first({});
  EXPECT_EQ(decode_with(last_first, raw_packet(frames[2])).outcome, DecodeOutcome::fragment_held);
  EXPECT_EQ(decode_with(last_first, raw_packet(frames[0])).outcome, DecodeOutcome::udp);
  EXPECT_EQ(decode_with(last_first, raw_packet(frames[1])).outcome, DecodeOutcome::udp);
}

TEST(Reassembly, OtherTransportsAreNotHeld) {
  EXPECT_EQ(decode(fragment(Bytes(80, 0), 0, 80, true, 7, 132, false)).outcome, DecodeOutcome::not_tcp);
  EXPECT_EQ(decode(fragment(Bytes(80, 0), 0, 80, true, 7, 50, false)).outcome, DecodeOutcome::encrypted);
}

// A tunnel whose outer packet was fragmented, with a fragmented packet inside.
TEST(Reassembly, FragmentsInFragments) {
  const std::string text = long_text(500);
  const std::vector<Bytes> inner = fragments_of(tcp_datagram(text), 400, 21);
  Decoder decoder({});
  Decoded decoded;
  std::uint16_t id = 1;
  for (const Bytes& frame : inner) {
    const Bytes udp_header = Bytes{0xc3, 0x50} + Frame::big_endian(4789, 2) + Bytes{0, 0, 0, 0};
    const Bytes datagram = udp_header + Bytes{8, 0, 0, 0, 0, 0, 42, 0} + frame;
    for (const Bytes& outer : fragments_of(datagram, 104, id, 17)) {
      const Bytes& kept = outer;
      decoded = decode_with(decoder, raw_packet(kept));
    }
    ++id;
  }
  ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decoded.payload(), text);
  EXPECT_TRUE(decoded.segment.tunneled);
}

TEST(Reassembly, FragmentHeaderInsideAFragmentIsRefused) {
  const Bytes inner = Bytes{6, 0, 0, 1, 0, 0, 0, 5} + tcp_datagram("x", true);
  const std::vector<Bytes> frames = fragments_of(inner, 16, 7, 44, true);
  Decoder decoder({});
  Decoded decoded;
  for (const Bytes& frame : frames) decoded = decode_with(decoder, raw_packet(frame));
  EXPECT_EQ(decoded.outcome, DecodeOutcome::ip_header_bad);
}

}  // namespace
}  // namespace doorslam::packet
