#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/diagnose/cause.h"
#include "pipeline/diagnose/chance.h"
#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"
#include "pipeline/tcp/frames.h"

namespace doorslam::diagnose {

/// One explanation with what speaks for and against it, in words and figures.
struct Hypothesis {
  Cause cause = Cause::unknown;
  double probability = 0.0;  ///< 0 to 1; all hypotheses of a diagnosis sum to 1
  std::vector<std::string> evidence_for;
  std::vector<std::string> evidence_against;
};

/// A signature that matched what a side said.
struct SignatureMatch {
  std::string name;      ///< e.g. "vsftpd-max-clients"
  std::string program;   ///< e.g. "vsftpd"; empty where a standard fixes the words
  std::string protocol;  ///< e.g. "ftp"
  std::string words{};   ///< the line that it matched, escaped; empty where that is no text, or not to be told
};

/// What one thing added to the log-odds of one cause. Their sum, evened out, makes its probability.
struct Contribution {
  std::string_view evidence;  ///< name in the table of weights, name of the ending, or whose words; a literal
  Cause cause = Cause::unknown;
  double weight = 0.0;    ///< log-odds
  double strength = 1.0;  ///< how strongly the evidence holds; multiplies the weight
};

/// What a limit counts.
enum class LimitKind : std::uint8_t {
  sessions,         ///< open at a time, of all clients
  client_sessions,  ///< open at a time, of one client
  arrivals,         ///< in a second, of all clients
  client_arrivals,  ///< in a minute, of one client
};

/// The limit that an endpoint seems to have, as a step between those whom it served and those whom it refused.
struct LearnedLimit {
  LimitKind kind = LimitKind::sessions;
  std::uint32_t ceiling = 0;       ///< so many there already are too many: the limit itself
  std::uint32_t met = 0;           ///< by the connection in question
  std::uint32_t refused_from = 0;  ///< connections refused at the ceiling or above, that one included
  std::uint32_t refused_below = 0;
  std::uint32_t served_from = 0;
  std::uint32_t served_below = 0;
  double confidence = 0.0;  ///< how much rarer such a figure is among the served, as far as it fits; 0 to 1

  double fit() const { return Parting{refused_from, refused_below, served_from, served_below}.fit(); }
};

/// The refusals came from one of several servers behind the address.
struct OneOfServers {
  bool by_clocks = false;  ///< told apart by the clocks in their SYN-ACKs; the figures are of clients that met several
  tcp::AnsweringStack refusing{};       ///< its SYN-ACKs, as captured; meaningless with by_clocks, as the next
  tcp::AnsweringStack serving{};        ///< those of another one
  std::uint32_t others = 0;             ///< servers beside the refusing one, as far as they can be told apart
  std::uint32_t clients_of_both = 0;    ///< clients that met the refusing one and another
  std::uint32_t refused = 0;            ///< by the refusing server, that connection included
  std::uint32_t served = 0;             ///< by the refusing server all the same
  std::uint32_t refused_elsewhere = 0;  ///< by the others
  std::uint32_t served_elsewhere = 0;
};

/// The reading of one connection.
struct Diagnosis {
  Cause cause = Cause::unknown;
  double confidence = 0.0;  ///< probability that `cause` is right, 0 to 1: that of the hypothesis `cause`. For
                            ///< `unknown`: that it was none of the causes that doorslam knows
  std::vector<Hypothesis> hypotheses;  ///< most probable first; empty for plainly served connections
  std::optional<SignatureMatch> signature;
  std::optional<OneOfServers> one_server;  ///< where the ledger shows that only one of several servers refuses
  std::optional<LearnedLimit> limit;       ///< for connection_limit and rate_limit, where the ledger shows one
  /// Where the FTP session has its server whose data connection this one is.
  std::optional<flowtable::Endpoint> ftp_control;
  std::string banner;                       ///< the server's first octets, escaped, <= 200 characters
  std::vector<std::string> caveats;         ///< what the capture lacks: one-sided, gaps, late start
  std::vector<Contribution> contributions;  ///< only where AnalysisOptions asks for them
};

/// A connection with its reading; what flow records, alerts and the report are made of.
struct DiagnosedConnection {
  tcp::ConnectionSummary summary;
  std::shared_ptr<const tcp::Evidence> evidence;  ///< null for plainly served connections; copies share it
  std::shared_ptr<const tcp::FrameTrace> frames;  ///< null: none were kept of it; copies share them
  Diagnosis diagnosis;
  flowtable::TimeNs judged_ns = 0;  ///< packet time at which the settle time was over
};

}  // namespace doorslam::diagnose
