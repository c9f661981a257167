#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/terminal.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::alert {

/// What the source and the decoder counted; filled by the command.
struct CaptureSummary {
  std::vector<std::string> captures;  ///< names of the files, or of the ports
  std::uint64_t packets = 0;          ///< delivered by the source, or filtered out
  std::uint64_t used = 0;             ///< TCP segments and ICMP errors that reached the tracker
  std::vector<std::pair<std::string, std::uint64_t>> not_used;  ///< name of the reason, packets; zeros are left out
  flowtable::TimeNs first_ns = 0;                               ///< of the first packet
  flowtable::TimeNs last_ns = 0;                                ///< of the last packet
  std::vector<std::string> warnings;                            ///< shown below the summary
  std::uint64_t filtered_out = 0;                               ///< of `packets`; in `not_used` as well
  std::uint64_t cut = 0;                                        ///< of `packets`, by the snap length
};

struct ReportOptions {
  std::size_t width = kPageColumns;    ///< columns of the prose; 80 at least
  std::size_t screen = 0;              ///< columns that a packet's line may take; 0: as many as it needs (a file)
  bool colour = false;                 ///< ANSI colours
  bool unicode = true;                 ///< arrows and bars; ASCII otherwise
  std::size_t top_servers = 10;        ///< rows of "servers most refused"
  std::size_t max_incidents = 10'000;  ///< kept; beyond, the lightest are only counted
};

/// What `doorslam read` prints for a person: the summary, then every refusal incident with its ladder, the
/// hypotheses argued, and what to do next. Not thread-safe.
class Report {
 public:
  explicit Report(ReportOptions options = {});
  ~Report();
  Report(Report&&) noexcept;
  Report& operator=(Report&&) noexcept;

  /// Counts a connection for the summary.
  void observe(const diagnose::DiagnosedConnection& connection);
  /// Keeps the incident of a `closed` event; ignores others.
  void observe(const AlertEvent& event);

  /// The whole report as UTF-8 text.
  std::string render(const CaptureSummary& capture) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace doorslam::alert
