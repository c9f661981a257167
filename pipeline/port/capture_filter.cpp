#include "pipeline/port/capture_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace doorslam::port {
namespace {

struct Numbers {
  std::uint32_t link_type;
  int dlt;
};

constexpr std::array<Numbers, 4> kDifferent = {
    {{100, DLT_ATM_RFC1483}, {101, DLT_RAW}, {102, DLT_SLIP_BSDOS}, {103, DLT_PPP_BSDOS}}};
/// No filter of ours asks for more than whether.
constexpr int kSnapshotLength = 262'144;

struct PcapCloser {
  void operator()(pcap_t* pcap) const noexcept { pcap_close(pcap); }
};

}  // namespace

int dlt_of(std::uint32_t link_type) noexcept {
  const auto* const found = std::find_if(kDifferent.begin(), kDifferent.end(),
                                         [&](const Numbers& numbers) { return numbers.link_type == link_type; });
  return found == kDifferent.end() ? static_cast<int>(link_type) : found->dlt;
}

std::uint32_t link_type_of(int dlt) noexcept {
  const auto* const found =
      std::find_if(kDifferent.begin(), kDifferent.end(), [&](const Numbers& numbers) { return numbers.dlt == dlt; });
  return found == kDifferent.end() ? static_cast<std::uint32_t>(dlt) : found->link_type;
}

std::string link_type_in_words(std::uint32_t link_type) {
  const char* const name = pcap_datalink_val_to_name(dlt_of(link_type));
  return fmt::format("{} ({})", link_type, name == nullptr ? "unnamed" : name);
}

Result<void> CaptureFilter::compile_for(std::uint32_t link_type) {
  Compiled& compiled = compiled_.emplace_back(Compiled{link_type, nullptr});
  const std::unique_ptr<pcap_t, PcapCloser> pcap(pcap_open_dead(dlt_of(link_type), kSnapshotLength));
  if (pcap == nullptr) return usage_error("not enough memory to compile it");
  constexpr int kOptimised = 1;
  std::unique_ptr<bpf_program, Freer> program(new bpf_program{});
  if (pcap_compile(pcap.get(), program.get(), expression_.c_str(), kOptimised, PCAP_NETMASK_UNKNOWN) != 0)
    return usage_error(pcap_geterr(pcap.get()));
  compiled.program = std::move(program);
  return {};
}

bool CaptureFilter::matches(const packet::RawPacket& packet) const noexcept {
  const Compiled* const compiled = find(packet.link_type);
  if (compiled == nullptr || compiled->program == nullptr) return false;
  pcap_pkthdr header{};
  header.caplen = static_cast<bpf_u_int32>(packet.captured.size());
  header.len = packet.wire_length;
  return pcap_offline_filter(compiled->program.get(), &header, packet.captured.data()) != 0;
}

const CaptureFilter::Compiled* CaptureFilter::find(std::uint32_t link_type) const noexcept {
  for (const Compiled& compiled : compiled_) {
    if (compiled.link_type == link_type) return &compiled;
  }
  return nullptr;
}

}  // namespace doorslam::port
