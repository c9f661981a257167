#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "pipeline/diagnose/diagnosis.h"
#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/ledger.h"
#include "pipeline/diagnose/signature_database.h"
#include "pipeline/diagnose/word_memo.h"
#include "pipeline/tcp/event.h"

/// From events to readings.
///
/// Theory of operation. The workers' events are merged into one history by packet time, behind a watermark. The ledger
/// follows that history. A connection that may have been refused waits for the settle time, so that what follows it
/// counts, and is then judged; a plainly served one is passed on at once. The same packets give the same readings
/// however the connections were sharded. Owned by the analysis thread.
namespace doorslam::diagnose {

struct AnalysisOptions {
  flowtable::DurationNs settle_ns = 10 * flowtable::kSecondNs;  ///< packet time between an end and its judgement
  std::size_t capacity_pending = 16'384;  ///< connections that wait; beyond it the oldest is judged early
  std::size_t banner_length = 200;        ///< characters of the server's first words that are told, 0: none
  LedgerOptions ledger;
};

struct AnalysisCounters {
  std::uint64_t connections = 0;   ///< ended connections seen
  std::uint64_t judged = 0;        ///< of these, weighed against the evidence
  std::uint64_t judged_early = 0;  ///< of these, before their settle time, because too many waited
};

class Analysis {
 public:
  /// `scanner` is borrowed and outlives the analysis; null: no words are read.
  Analysis(const AnalysisOptions& options, SignatureScanner* scanner);

  /// Takes over the events of one batch a worker, and leaves it empty. All batches must cover the time up to the next
  /// watermark.
  void collect(tcp::EventBatch& batch);

  /// All events up to and including `watermark_ns` have been collected: follows them and appends the readings that are
  /// due by then, in the order of their judgement.
  /// Of the events at that very time, those up to packet `number` have been collected; all, where it is left out.
  void advance(flowtable::TimeNs watermark_ns, std::vector<DiagnosedConnection>& out,
               std::uint64_t number = std::numeric_limits<std::uint64_t>::max());

  /// The source has ended: judges everything that waits with what is known.
  void finish(std::vector<DiagnosedConnection>& out);

  const AnalysisCounters& counters() const noexcept { return counters_; }
  const Ledger& ledger() const noexcept { return ledger_; }

 private:
  /// Where an event stands that was collected, with what orders it.
  struct Arrival {
    flowtable::TimeNs time_ns = 0;
    std::uint64_t number = 0;
    std::uint64_t connection = 0;
    tcp::EventKind kind = tcp::EventKind::established;
    std::uint32_t batch = 0;  ///< index in held_
    std::uint32_t event = 0;

    auto order() const { return std::tie(time_ns, number, connection, kind); }
  };
  /// The most telling matches, in place: most connections have one or none.
  struct WordHits {
    std::array<SignatureHit, 4> hits;
    std::size_t count = 0;

    void assign(std::span<const SignatureHit> found) {
      count = std::min(found.size(), hits.size());
      std::copy_n(found.begin(), count, hits.begin());
    }
    std::span<const SignatureHit> view() const { return {hits.data(), count}; }
  };
  /// A connection that waits for its judgement.
  struct Pending {
    tcp::ConnectionSummary summary;
    std::unique_ptr<tcp::Evidence> evidence;
    Ending ending = Ending::still_open;
    Outcome outcome = Outcome::served;
    std::uint32_t words = 0;
    flowtable::TimeNs due_ns = 0;
    WordHits server_words;
    WordHits client_words;
  };

  void follow(const tcp::ConnectionEvent& event, const tcp::Evidence* evidence, std::vector<DiagnosedConnection>& out);
  void follow_end(const tcp::ConnectionEvent& event, const tcp::Evidence* evidence,
                  std::vector<DiagnosedConnection>& out);
  void keep_late(std::size_t first);
  void read_server_words(Pending& pending, const tcp::SideEvidence& server);
  void read_client_words(Pending& pending, const tcp::SideEvidence& client);
  void mark_server(const Pending& pending, const tcp::Evidence& evidence);
  void judge_due(flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);
  void judge_oldest(flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);

  AnalysisOptions options_;
  SignatureScanner* scanner_;
  Ledger ledger_;
  WordMemo ordinary_words_;
  AnalysisCounters counters_;
  std::vector<tcp::EventBatch> held_;  ///< the first held_count_ hold collected events; the others keep their memory
  std::size_t held_count_ = 0;
  std::vector<Arrival> arrivals_;
  std::deque<Pending> pending_;
};

}  // namespace doorslam::diagnose
