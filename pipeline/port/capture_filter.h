#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"

namespace doorslam::port {

/// libpcap's number for a LINKTYPE_*, and the other way round. They are the same but for a few that differ between
/// systems.
int dlt_of(std::uint32_t link_type) noexcept;
std::uint32_t link_type_of(int dlt) noexcept;
/// "101 (RAW)".
std::string link_type_in_words(std::uint32_t link_type);

/// An expression of pcap-filter(7), compiled for each of the link types that a capture has. One thread uses it.
class CaptureFilter {
 public:
  explicit CaptureFilter(std::string expression) : expression_(std::move(expression)) {}

  /// Whether frames of this link type can be filtered by it. Errors (usage): libpcap's words.
  static Result<void> check(const std::string& expression, std::uint32_t link_type) {
    return CaptureFilter(expression).compile_for(link_type);
  }

  const std::string& expression() const noexcept { return expression_; }
  /// Whether compile_for() was called for this link type.
  bool knows(std::uint32_t link_type) const noexcept { return find(link_type) != nullptr; }
  /// Errors (usage): libpcap's words; from now on no packet of this link type matches.
  Result<void> compile_for(std::uint32_t link_type);
  /// Whether the filter lets the packet, of a link type that it knows, through.
  bool matches(const packet::RawPacket& packet) const noexcept;

 private:
  struct Freer {
    void operator()(bpf_program* program) const noexcept {
      pcap_freecode(program);
      delete program;
    }
  };
  struct Compiled {
    std::uint32_t link_type = 0;
    std::unique_ptr<bpf_program, Freer> program;  ///< null: it cannot be compiled
  };

  const Compiled* find(std::uint32_t link_type) const noexcept;

  std::string expression_;
  std::vector<Compiled> compiled_;  ///< few: most captures have one link type
};

}  // namespace doorslam::port
