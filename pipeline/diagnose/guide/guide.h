#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/diagnose/cause.h"
#include "pipeline/tcp/connection.h"

/// What an expert knows of each cause: for `doorslam explain`, the report and the alerts. All text is static.
namespace doorslam::diagnose {

struct Lookalike {
  Cause cause = Cause::unknown;
  std::string_view told_apart;  ///< how to tell it from the cause at hand
};

struct GuideEntry {
  Cause cause = Cause::unknown;
  std::string_view title;       ///< "Connection limit reached"
  std::string_view sentence;    ///< one line: what happened to this connection
  std::string_view definition;  ///< a paragraph
  std::string_view ladder;      ///< an example on the wire, lines of a trace view
  std::string_view ask;         ///< whom to ask: "the administrator of the server's application"
  std::span<const Lookalike> lookalikes;
  std::span<const std::string_view> checks;            ///< what to check whatever the program
  std::span<const std::string_view> references;        ///< RFCs, manual pages
  std::span<const std::string_view> late_checks = {};  ///< what to check besides, once the handshake was complete
};

const GuideEntry& guide_entry(Cause cause) noexcept;

/// One thing to do.
struct NextStep {
  std::string program;  ///< whose setting; empty: holds for any
  std::string text;     ///< a sentence or two: what to look at and what to change
};

/// Which settings of which program to look at, most telling first. `program` (by a signature, e.g. "vsftpd") or, where
/// that is empty or not known here, `protocol` (e.g. "ftp") narrows the answer. Checks that hold for any program
/// follow, and, where no program was named, what may stand before one (xinetd, systemd, packet filters). `stage`: how
/// far the connection got.
std::vector<NextStep> next_steps(Cause cause, std::string_view program, std::string_view protocol,
                                 tcp::Stage stage = tcp::Stage::established);

/// The protocol that IANA registered for a port ("ftp" for 21), or empty. Advice goes by it, and pieces of evidence:
/// who usually speaks first there, and with which words. A port may be used for something else.
std::string_view usual_protocol(std::uint16_t port) noexcept;

/// The page that `doorslam explain CAUSE` prints: plain text of at most 100 columns.
std::string explain(Cause cause);

/// docs/causes.md: all of them, in Markdown.
std::string explain_in_markdown();

}  // namespace doorslam::diagnose
