#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/alert/incident.h"

namespace doorslam::trace_files {

/// What goes into an evidence file.
struct EvidenceFileOptions {
  std::string version = {};       ///< of doorslam
  bool payload = true;            ///< false: no octet after the TCP headers, and no word of the server
  std::size_t packets = 24;       ///< of a connection: the first of them, and the last
  std::size_t snap_octets = 256;  ///< what the frames were cut to
};

/// The packets of the incident's sample connections as a pcapng file, in order of time: raw frames, each with a comment
/// that says what it shows, and a comment on the whole with what the alert says. The same incident gives the same file.
std::vector<std::uint8_t> evidence_file(const alert::Incident& incident, const EvidenceFileOptions& options);

}  // namespace doorslam::trace_files
