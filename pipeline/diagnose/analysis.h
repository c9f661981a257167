#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/base/growing_queue.h"
#include "pipeline/base/recycler.h"
#include "pipeline/diagnose/diagnosis.h"
#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/hole_count.h"
#include "pipeline/diagnose/ledger/ftp_sessions.h"
#include "pipeline/diagnose/ledger/ledger.h"
#include "pipeline/diagnose/loss_log.h"
#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/tcp/event.h"

/// From events to readings.
///
/// Theory of operation. The workers' events are merged into one history by packet time, behind a watermark. The ledger
/// follows that history. A connection that may have been refused waits for the settle time, so that what follows it
/// counts, and is then judged; a plainly served one is passed on at once. The settle time counts from the close, so the
/// time in which the tracker waits for late packets lies within it. The same packets give the same readings
/// however the connections were sharded. Owned by the analysis thread.
namespace doorslam::diagnose {

struct AnalysisOptions {
  flowtable::DurationNs settle_ns = 12 * flowtable::kSecondNs;  ///< packet time between an end and its judgement
  /// How long the tracker waits for late packets before it tells of a connection that has closed; within settle_ns.
  flowtable::DurationNs lingered_ns = 5 * flowtable::kSecondNs;
  /// Connections that wait; beyond it the oldest is judged early, of those that no server accepted where there are any.
  std::size_t capacity_pending = 16'384;
  std::size_t banner_length = 200;  ///< characters of the server's first words that are told, 0: none
  bool tells_served = true;         ///< plainly served connections get readings; else they are only counted
  bool contributions = false;       ///< keep with each reading what was added up for it
  /// Octets of frames that connections may hold at a time, from their end until nobody has their reading any more;
  /// beyond it, connections go without.
  std::size_t frame_memory = std::size_t{64} << 20U;
  LedgerOptions ledger;

  friend bool operator==(const AnalysisOptions&, const AnalysisOptions&) = default;
};

struct AnalysisCounters {
  std::uint64_t connections = 0;     ///< ended connections seen
  std::uint64_t judged = 0;          ///< of these, weighed against the evidence
  std::uint64_t judged_early = 0;    ///< of these, before their settle time, because too many waited
  std::uint64_t frames_dropped = 0;  ///< connections that went without their frames, for want of memory
  std::uint64_t frame_octets = 0;    ///< of frames that are held now
  // What the ledger has forgotten for want of room, of what a judgement might have asked for.
  std::uint64_t notes_forgotten = 0;          ///< connections
  std::uint64_t servers_forgotten = 0;        ///< server endpoints
  std::uint64_t reset_clients_forgotten = 0;  ///< clients whose SYNs a server had reset
  std::uint64_t ftp_sessions_forgotten = 0;   ///< pairs of a client and a server that spoke FTP
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

  /// As advance(), but goes `most` steps at most, each of one event or one judgement, for a caller that has others to
  /// answer in between. True: there is more to do; to be called again with the same times before anything is collected.
  bool advance_some(std::size_t most, flowtable::TimeNs watermark_ns, std::vector<DiagnosedConnection>& out,
                    std::uint64_t number = std::numeric_limits<std::uint64_t>::max());

  /// The source has ended, and advance() has come to its last packet: judges everything that waits with what is known,
  /// in the order in which it ended.
  void finish(std::vector<DiagnosedConnection>& out);

  /// From now on other thresholds and signatures; the ledger keeps its size, and the tracker, which goes on as it
  /// began, its time for late packets. The scanner is kept for as long as connections wait whose words it has read, and
  /// the readings of one call of advance() more.
  void reconfigure(const AnalysisOptions& options, std::shared_ptr<SignatureScanner> scanner);

  /// The sensor lost packets: connections that were under way then are judged with that in mind. To be told before the
  /// settle time of those connections is over.
  void note_loss(const CaptureLoss& loss) { losses_.note(loss); }

  AnalysisCounters counters() const noexcept {
    AnalysisCounters counters = counters_;
    counters.notes_forgotten = ledger_.notes_forgotten();
    counters.servers_forgotten = ledger_.servers_forgotten();
    counters.reset_clients_forgotten = ledger_.reset_clients_forgotten();
    counters.ftp_sessions_forgotten = ftp_sessions_.forgotten();
    counters.frame_octets = held_frame_octets_ + *shared_frame_octets_;
    return counters;
  }
  const Ledger& ledger() const noexcept { return ledger_; }
  /// Those in force.
  const AnalysisOptions& options() const noexcept { return options_; }

 private:
  /// An event that was collected.
  struct Arrival {
    flowtable::TimeNs time_ns = 0;  ///< the event's; so the next: most comparisons need no more
    std::uint64_t number = 0;
    const tcp::ConnectionEvent* event = nullptr;  ///< in held_
    const tcp::Evidence* evidence = nullptr;      ///< the event's, or null

    friend bool operator<(const Arrival& a, const Arrival& b) {
      if (a.time_ns != b.time_ns) return a.time_ns < b.time_ns;
      return a.number != b.number ? a.number < b.number : happened_before(*a.event, *b.event);
    }
  };
  /// Of arrivals_, so many have been fetched for, step by step.
  struct Expected {
    std::size_t events = 0;
    std::size_t ends = 0;
    std::size_t notes = 0;
    std::size_t milestones = 0;
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
  /// What the two sides said, as far as the ledger and the signatures know it.
  struct Words {
    std::uint32_t digest = 0;         ///< of the server's first words, 0: none or unknown
    Opening opening = Opening::none;  ///< the client's
    WordHits server;
    WordHits client;
  };
  /// Whether the tracker has held the end back, and whether a server had accepted: of each kind, the connections come
  /// in the order in which they are due. What no server accepted comes by the thousand with a scan or a flood.
  enum class WaitKind : std::uint8_t { lingered, at_once, lingered_unaccepted, at_once_unaccepted };
  static constexpr std::size_t kWaitKinds = 4;
  /// A connection that waits for its judgement.
  struct Pending {
    tcp::ConnectionSummary summary;
    std::shared_ptr<const tcp::Evidence> evidence;
    std::shared_ptr<const tcp::FrameTrace> frames;
    Ending ending = Ending::still_open;
    Outcome outcome = Outcome::served;
    bool hung_up_soon = false;
    flowtable::TimeNs due_ns = 0;
    std::uint64_t number = 0;  ///< in the order in which they began to wait, over all kinds
    Words words;
  };
  using Queue = GrowingQueue<Pending>;

  void order_arrivals();
  void follow_next(std::vector<DiagnosedConnection>& out);
  void drop_followed();
  void look_ahead() noexcept;
  void expect(const Arrival& arrival) const noexcept;
  static WaitKind wait_kind_of(const tcp::ConnectionSummary& summary, Ending ending) noexcept;
  void wait(Pending&& pending, WaitKind kind, flowtable::TimeNs now_ns);
  std::size_t waiting() const noexcept;
  template <class Key>
  static Queue* first_by(Key Pending::*key, std::span<Queue> queues) noexcept;
  Queue* due_first() noexcept { return first_by(&Pending::due_ns, std::span(pending_)); }
  void judge_early(flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);
  void expect_judgements(const Queue& pending) const noexcept;
  void follow(const Arrival& arrival, std::vector<DiagnosedConnection>& out);
  void follow_end(const Arrival& arrival, std::vector<DiagnosedConnection>& out);
  void bound_frames(tcp::EventBatch& batch);
  packet::ByteView frames_of(const tcp::Evidence* evidence) const noexcept;
  std::shared_ptr<const tcp::FrameTrace> hold_frames(const tcp::Evidence* evidence);
  Words words_of(const tcp::Evidence& evidence, std::uint16_t server_port, Ending ending);
  void mark_server(const tcp::ConnectionSummary& summary, const tcp::Evidence& evidence, Ending ending);
  void tell_served(const Arrival& arrival, double confidence, std::vector<DiagnosedConnection>& out) const;
  void judge_due(flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);
  void judge_next(Queue& pending, flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);
  void judge_one(Pending& pending, flowtable::TimeNs now_ns, std::vector<DiagnosedConnection>& out);

  /// A scanner that has been replaced, and the number of connections that had begun to wait by then.
  struct Replaced {
    std::shared_ptr<SignatureScanner> scanner;
    std::uint64_t waited = 0;
  };
  void drop_unused_scanners();

  AnalysisOptions options_;
  SignatureScanner* scanner_;
  std::shared_ptr<SignatureScanner> own_scanner_;  ///< scanner_, once it has been replaced
  std::deque<Replaced> replaced_;
  Ledger ledger_;
  FtpSessions ftp_sessions_;
  LossLog losses_;
  HoleCount holes_;
  AnalysisCounters counters_;
  std::vector<tcp::EventBatch> held_;  ///< the first held_count_ hold collected events; the others keep their memory
  std::size_t held_count_ = 0;
  std::vector<Arrival> arrivals_;
  std::size_t followed_ = 0;  ///< of arrivals_, the first so many
  Expected expected_;
  std::array<Queue, kWaitKinds> pending_;  ///< by WaitKind
  Recycler<tcp::Evidence> evidence_memory_;
  std::size_t held_frame_octets_ = 0;                                                    ///< in held_
  std::shared_ptr<std::size_t> shared_frame_octets_ = std::make_shared<std::size_t>(0);  ///< in readings and pending_
  std::uint64_t waited_ = 0;  ///< connections that were ever put into pending_
};

}  // namespace doorslam::diagnose
