// Decoding: from a frame in the cache to a segment, checksums verified. The baseline copies the headers and does no
// more.

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <vector>

#include "bench/support/frame.h"
#include "pipeline/packet/decode.h"
#include "pipeline/packet/link_layer.h"

namespace doorslam::bench {
namespace {

constexpr std::size_t kBurst = 64;

/// A burst of frames of different connections, made once.
struct Frames {
  Frames(std::uint16_t payload, bool v6) : buffers(kBurst) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      std::uint8_t* const octets = buffers[i].data();
      FrameBuffer::prepare(octets);
      Line line = talk(static_cast<std::uint32_t>(i), kHandshake, payload);
      line.v6 = v6;
      const std::size_t length = FrameBuffer::write(line, octets);
      packets[i] = {{FrameBuffer::frame(line, octets), length},
                    static_cast<std::uint32_t>(length),
                    packet::link_type::kEthernet,
                    flowtable::kSecondNs,
                    i + 1};
    }
  }

  std::vector<std::array<std::uint8_t, FrameBuffer::kOctets>> buffers;
  std::array<packet::RawPacket, kBurst> packets;
};

void decode(benchmark::State& state) {
  const Frames frames(static_cast<std::uint16_t>(state.range(0)), state.range(1) != 0);
  packet::DecodeOptions options;
  options.verify_checksums = state.range(2) != 0;
  packet::Decoder decoder(options);
  std::array<packet::Segment, kBurst> segments;
  packet::IcmpError error;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      if (decoder.decode(frames.packets[i], segments[i], error) != packet::DecodeOutcome::tcp ||
          segments[i].checksum_bad) {
        state.SkipWithError("a frame is not what it should be");
        return;
      }
    }
    benchmark::DoNotOptimize(segments);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}

void copy_headers(benchmark::State& state) {
  const Frames frames(kLeastPayload, false);
  std::array<std::array<std::uint8_t, FrameBuffer::kHeaders4>, kBurst> headers;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      std::memcpy(headers[i].data(), frames.packets[i].captured.data(), headers[i].size());
    }
    benchmark::DoNotOptimize(headers);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}

BENCHMARK(copy_headers);
BENCHMARK(decode)->ArgNames({"payload", "v6", "verify"})->ArgsProduct({{6, 536, 1460}, {0, 1}, {0, 1}});

}  // namespace
}  // namespace doorslam::bench
