#pragma once

#include <cstdint>
#include <optional>

#include "flowtable/address_hash.h"
#include "flowtable/hash_key.h"
#include "flowtable/time.h"
#include "pipeline/base/recency_map.h"
#include "pipeline/tcp/connection.h"

/// Which connections belong to an FTP session as its data connections.
///
/// Theory of operation. Listings and files travel on connections of their own (RFC 959, section 3.2), to a port that is
/// agreed on in the session: of the server's, which the client opens (PASV, EPSV), or of the client's, which the server
/// opens from port 20 (PORT, EPRT). The agreement lies in the midst of the session, often behind TLS, and is not kept.
/// So it is told by the time and the two ends: while both have a session on port 21, a connection of the same client to
/// a port that no service is known for, or one the other way from port 20, is the session's. But a session agrees on
/// one port after another: so many ports that let nobody in within seconds were probed, whoever has logged in
/// meanwhile. Memory is bounded: of more pairs than fit, those without news longest are forgotten, and counted. Owned
/// by the analysis.
namespace doorslam::diagnose {

class FtpSessions {
 public:
  explicit FtpSessions(const flowtable::HashKey& hash_key);

  /// A server has accepted a connection then. All but those to FTP's port are passed over.
  void accepted(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns) {
    if (summary.responder.port == kControlPort) begin(summary, at_ns);
  }
  /// What nobody has closed lasted until it was let go of, `at_ns`.
  void ended(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns) {
    if (summary.responder.port == kControlPort) {
      end(summary, summary.end_reason == tcp::EndReason::closed ? summary.end_ns : at_ns);
    } else if (sessions_.size() > 0 && was_not_let_in(summary)) {
      note_not_let_in(summary);
    }
  }

  /// Where the server's end is of the session whose data connection this one is; nothing where it is none. To be asked
  /// some time after it has ended(), so that the ports that were tried next to it are known.
  std::optional<flowtable::Endpoint> control_of(const tcp::ConnectionSummary& summary) const;

  /// Pairs that made place for others.
  std::uint64_t forgotten() const noexcept { return sessions_.forgotten(); }

 private:
  static constexpr std::uint16_t kControlPort = 21;
  static constexpr std::uint16_t kDataPort = 20;

  struct Pair {
    flowtable::IpAddress server;
    flowtable::IpAddress client;
  };
  struct PairKeys {
    flowtable::HashKey hash_key;
    std::uint64_t hash(const Pair& pair) const noexcept;
    static bool same(const Pair& a, const Pair& b) noexcept { return a.server == b.server && a.client == b.client; }
  };
  struct Span {
    flowtable::TimeNs begin_ns = flowtable::kNoTime;
    flowtable::TimeNs end_ns = flowtable::kNoTime;  ///< of the latest that has ended
    std::uint32_t open = 0;
    std::uint64_t tried = 0;  ///< ports of the server that let nobody in: a bit each, by their low bits
    flowtable::TimeNs tried_since_ns = flowtable::kNoTime;
    flowtable::TimeNs probed_from_ns = flowtable::kNoTime;  ///< the latest time in which they were too many
    flowtable::TimeNs probed_until_ns = flowtable::kNoTime;
  };

  /// Its SYN met nothing, an ICMP error or a RST.
  static bool was_not_let_in(const tcp::ConnectionSummary& summary) noexcept {
    return summary.stage == tcp::Stage::syn || summary.conn_state == tcp::ConnState::REJ;
  }
  void begin(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns);
  void end(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns);
  void note_not_let_in(const tcp::ConnectionSummary& summary);
  static bool was_in_session(const Span& span, flowtable::TimeNs at_ns);

  RecencyMap<Pair, Span, PairKeys> sessions_;
};

}  // namespace doorslam::diagnose
