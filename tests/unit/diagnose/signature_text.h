#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/tcp/evidence.h"

/// Builders for the tests of signatures.
namespace doorslam::diagnose::test {

/// One complete signature in YAML; `more` adds lines such as "ports: [21]".
inline std::string yaml_of(std::string_view name, std::string_view expression, std::string_view causes,
                           std::string_view specificity, const std::vector<std::string>& more = {}) {
  std::string yaml = "  - name: " + std::string(name) + "\n    program: x\n    expression: '" +
                     std::string(expression) + "'\n    causes: {" + std::string(causes) +
                     "}\n    specificity: " + std::string(specificity) + "\n    source: x\n    sample: x\n";
  bool has_protocol = false;
  for (const std::string& line : more) {
    yaml += "    " + line + "\n";
    has_protocol |= line.starts_with("protocol");
  }
  return has_protocol ? yaml : yaml + "    protocol: p\n";
}

inline Result<std::vector<Signature>> parse(const std::string& text) {
  const SignatureText texts[] = {{"a.yaml", text}};
  return parse_signatures(texts);
}

/// What a side said, one segment an entry.
inline tcp::PayloadHead head_of(const std::vector<std::string_view>& segments) {
  tcp::PayloadHead head;
  for (const std::string_view segment : segments) {
    head.segment_start[head.segments++] = head.length;
    std::memcpy(head.bytes.data() + head.length, segment.data(), segment.size());
    head.length = static_cast<std::uint16_t>(head.length + segment.size());
  }
  return head;
}

inline packet::ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace doorslam::diagnose::test
