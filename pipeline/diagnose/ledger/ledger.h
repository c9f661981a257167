#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "flowtable/hash_key.h"
#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/base/page_array.h"
#include "pipeline/base/recency_map.h"
#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/ledger/answering_stacks.h"
#include "pipeline/diagnose/ledger/contrast.h"
#include "pipeline/diagnose/ledger/contrast_table.h"
#include "pipeline/diagnose/ledger/endpoint_keys.h"
#include "pipeline/diagnose/ledger/id_index.h"
#include "pipeline/diagnose/ledger/syn_resets.h"
#include "pipeline/diagnose/opening.h"
#include "pipeline/diagnose/outcome.h"
#include "pipeline/tcp/connection.h"

/// The ledger of servers: what else each server was doing, and with whom.
///
/// Theory of operation. Every accepted connection leaves a note in one ring that all servers share, so memory is
/// fixed and the oldest note anywhere is forgotten first. The notes of one server are chained from the newest back.
/// Nothing is counted ahead of time: when a refusal is to be judged, the server's recent notes are laid out in time
/// and read like a table, so that what happened in the settle time after the refusal is on the table as well.
/// Owned by the analysis thread.
namespace doorslam::diagnose {

struct LedgerOptions {
  std::size_t capacity_notes = 131'072;   ///< accepted connections remembered, over all servers
  std::size_t capacity_servers = 16'384;  ///< server endpoints remembered; the one unused longest is forgotten
  std::size_t capacity_hosts = 16'384;    ///< server addresses whose TTL is remembered
  flowtable::DurationNs window_ns = 600 * flowtable::kSecondNs;  ///< a judgement looks at what was open since then
  /// For captures, to be repeatable; live traffic takes a random one.
  flowtable::HashKey hash_key = flowtable::HashKey::fixed();

  friend bool operator==(const LedgerOptions&, const LedgerOptions&) = default;
};

/// What the analysis tells the ledger of a connection that ended.
struct EndedNote {
  Outcome outcome = Outcome::served;
  flowtable::TimeNs closed_ns = 0;  ///< first FIN or RST, else the last packet
  Cut cut = Cut::none;
  bool client_spoke_first = false;    ///< it asked before the server said anything
  bool beginning_unseen = false;      ///< the capture does not have what went before the close
  flowtable::DurationNs idle_ns = 0;  ///< from the last payload to the close
  std::uint32_t words = 0;            ///< digest of the server's first words, 0: none or unknown
  bool hung_up_soon = false;  ///< the server closed on its first words, which no signature knows: service or refusal
  bool unproven = false;      ///< the server's first words prove neither (are_first_words_unproven())
  OwnEnd own_end = OwnEnd::untold;
  Opening opening = Opening::none;  ///< the client's
};

/// A port that accepted connections answered a SYN with RST: from when on, and what went before.
struct PortClosure {
  flowtable::TimeNs first_reset_ns = 0;
  flowtable::TimeNs last_accept_ns = 0;       ///< before it
  std::uint32_t accepted_in_last_second = 0;  ///< acceptances in the second up to last_accept_ns
};

/// How many handshakes clients left half-open, by when they began. Remembers the last forty seconds of packet time.
class HalfOpenCount {
 public:
  void add(flowtable::TimeNs start_ns) noexcept {
    const std::uint32_t number = number_of(start_ns);
    Window& window = windows_[number % windows_.size()];
    if (window.number != number) window = {.number = number};
    ++window.handshakes;
  }
  /// In the ten seconds in which `start_ns` lies, and those before and after.
  std::uint32_t around(flowtable::TimeNs start_ns) const noexcept {
    const std::uint32_t number = number_of(start_ns);
    std::uint32_t sum = 0;
    for (const Window& window : windows_) sum += window.number + 1 - number <= 2 ? window.handshakes : 0;
    return sum;
  }

 private:
  struct Window {
    std::uint32_t number = 0;  ///< since 1970
    std::uint32_t handshakes = 0;
  };
  static std::uint32_t number_of(flowtable::TimeNs time_ns) noexcept {
    return static_cast<std::uint32_t>(time_ns / (10 * flowtable::kSecondNs));
  }
  std::array<Window, 4> windows_;  ///< by number
};

/// A completed handshake that the server ignored.
struct IgnoredHandshake {
  flowtable::TimeNs time_ns = 0;
  std::uint64_t connection_id = 0;
};

/// Marks on a server endpoint that are not connections. Times are kNoTime where there was none.
struct ServerMarks {
  flowtable::TimeNs last_accept_ns = 0;
  std::array<IgnoredHandshake, 2> overflows;  ///< the latest, the later one first
  HalfOpenCount half_open;
  AnsweringStacks stacks;
  std::array<PortClosure, 4> closures;  ///< ring, by closure_count
  std::uint32_t closure_count = 0;
  SynResetLog syn_resets;

  /// The first closure in [from_ns, to_ns], or null.
  const PortClosure* closure_between(flowtable::TimeNs from_ns, flowtable::TimeNs to_ns) const;
  /// How many there were in [from_ns, to_ns], as far as they are remembered: between any two of them, the port
  /// accepted.
  std::uint32_t closures_between(flowtable::TimeNs from_ns, flowtable::TimeNs to_ns) const;
  /// When a completed handshake of another connection than that one was ignored last; kNoTime: never.
  flowtable::TimeNs overflow_beside(std::uint64_t connection_id) const;
};

class Ledger {
 public:
  explicit Ledger(const LedgerOptions& options);

  void accepted(const tcp::ConnectionSummary& connection, flowtable::TimeNs now_ns);
  void ended(const tcp::ConnectionSummary& connection, const EndedNote& note);
  /// One of the two will be called soon: these fetch what it will read, in three steps, because each has to read where
  /// that of the next lies. `has_ended`: it will be ended().
  void expect(const tcp::ConnectionSummary& connection) const noexcept {
    open_notes_.prefetch(connection.id);
    servers_.prefetch(connection.responder);
  }
  void expect_note(const tcp::ConnectionSummary& connection, bool has_ended) const noexcept;
  void expect_milestone(const tcp::ConnectionSummary& connection, bool has_ended) const noexcept;
  void syn_was_reset(const flowtable::Endpoint& server, const flowtable::IpAddress& client, flowtable::TimeNs now_ns);
  void handshake_was_ignored(const tcp::ConnectionSummary& connection);
  /// The client never answered the server's SYN-ACK.
  void handshake_was_left(const flowtable::Endpoint& server, flowtable::TimeNs start_ns);
  /// The TTL with which a server host's own SYN-ACKs arrive.
  void saw_syn_ack(const flowtable::IpAddress& host, std::uint8_t ttl);

  /// From now on a judgement looks so far back.
  void set_window(flowtable::DurationNs window_ns) noexcept { options_.window_ns = window_ns; }

  Contrast contrast(const Subject& subject);
  /// The subject of the latest contrast() turned out to be this, by more than its own packets: so it counts from now
  /// on.
  void turned_out(std::uint64_t connection_id, Outcome outcome) noexcept;
  /// Whether this server began its latest session that went on with other first words. False where none is known.
  bool begins_otherwise(const flowtable::Endpoint& server, std::uint32_t words) const;
  /// Null where the endpoint is not (or no longer) known.
  const ServerMarks* marks_of(const flowtable::Endpoint& server) const;
  /// 0 where no SYN-ACK of this host was seen.
  std::uint8_t syn_ack_ttl(const flowtable::IpAddress& host) const;

  /// Connections that gave way to newer ones while a judgement would still have looked at them.
  std::uint64_t notes_forgotten() const noexcept { return notes_forgotten_; }
  /// Servers that gave way to newer ones.
  std::uint64_t servers_forgotten() const noexcept { return servers_.forgotten(); }
  /// Clients whose SYNs a server had reset, and of whom it no longer knows.
  std::uint64_t reset_clients_forgotten() const noexcept { return reset_clients_forgotten_; }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  /// A judgement reads so many notes at most, and lays out so many rows: those next after the subject's end, those
  /// before it, and whatever session was open beside it.
  static constexpr std::size_t kNotesRead = 1024;
  static constexpr std::size_t kRowsAfter = 64;
  static constexpr std::size_t kRowsBefore = 192;

  /// Of the notes of one server, every so many is a milestone. All know the milestone before them, and milestones the
  /// one after: a judgement goes on by milestones from where the last one of this server stood, because judgements
  /// follow the time, and leaves out what came in the settle time without reading it. Of the notes from one milestone
  /// to the next it knows when the last was closed, so that a judgement steps over those that were long over.
  static constexpr std::uint32_t kMilestone = 64;
  /// A note of the same server so many before each is fetched while the chain is followed, which one by one would wait
  /// for memory at every note.
  static constexpr std::size_t kFetchedAhead = 8;

  /// One cache line. `_by`: serial numbers back to another note of the same server; 0: there is none.
  struct alignas(64) Note {
    flowtable::TimeNs accepted_ns = 0;
    flowtable::TimeNs closed_ns = 0;  ///< meaningless while open
    std::uint64_t connection_id = 0;
    std::uint32_t idle_ms = 0;  ///< EndedNote::idle_ns; the greatest figure where it is longer
    std::uint32_t clock = 0;    ///< ConnectionSummary::answered_at_clock
    std::uint32_t words = 0;
    std::uint32_t older_by = 0;
    std::uint32_t milestone_by = 0;
    flowtable::IpAddress client;
    Outcome outcome : 4 = Outcome::open;
    bool client_spoke_first : 1 = false;
    Cut cut : 2 = Cut::none;
    bool hung_up_soon : 1 = false;
    bool unproven : 1 = false;
    OwnEnd own_end : 2 = OwnEnd::untold;
    bool beginning_unseen : 1 = false;
    bool is_milestone : 1 = false;
    std::uint8_t stack : 4 = 0;    ///< number in ServerMarks::stacks; 0: unknown
    std::uint8_t opening : 4 = 0;  ///< the client's (Opening)
  };
  static_assert(sizeof(Note) == 64 && AnsweringStacks::kMost < 16);
  /// What is known of the notes from a milestone up to the next.
  struct Milestone {
    flowtable::TimeNs latest_accept_ns = 0;
    flowtable::TimeNs latest_close_ns = 0;  ///< of those that have ended
    std::uint32_t open = 0;
    std::uint32_t before_by = 0;  ///< serial numbers back to the milestone before; 0: there is none
    std::uint32_t behind_by = 0;  ///< serial numbers on to the next; 0: there is none yet
  };
  struct Server {
    std::uint64_t newest = kNone;
    std::uint64_t milestone = kNone;
    /// Milestones at which the last judgements stood: what closed of late and what was silent for minutes before are
    /// judged by turns.
    std::array<std::uint64_t, 2> read_from{kNone, kNone};
    std::uint32_t until_milestone = 0;  ///< notes
    std::uint32_t note_count = 0;
    std::array<std::uint32_t, kFetchedAhead> latest{};  ///< lower halves of serial numbers; a ring, by note_count
    std::uint32_t session_words = 0;  ///< digest of the first words of the latest session that went on
    ServerMarks marks;
  };

  /// Null where there is none, or it is forgotten.
  Note* note_numbered(std::uint64_t serial) {
    return serial == kNone || next_serial_ - serial > options_.capacity_notes ? nullptr : &notes_[serial & place_mask_];
  }
  /// None where `by` is 0.
  static std::uint64_t older_than(std::uint64_t serial, std::uint32_t by) { return by == 0 ? kNone : serial - by; }
  /// 0 where there is no older one, or it is too far back.
  static std::uint32_t distance(std::uint64_t older, std::uint64_t serial) {
    const bool none = older == kNone || serial - older > std::numeric_limits<std::uint32_t>::max();
    return none ? 0 : static_cast<std::uint32_t>(serial - older);
  }
  std::uint64_t provide_note(flowtable::TimeNs now_ns);
  /// The milestone after that one, or none.
  std::uint64_t milestone_behind(std::uint64_t milestone) const {
    const std::uint32_t by = milestones_[milestone & place_mask_].behind_by;
    return by == 0 ? kNone : milestone + by;
  }
  /// The record of the notes among which this one is; null where its milestone is forgotten.
  Milestone* milestone_of(std::uint64_t serial, const Note& note) {
    const std::uint64_t milestone = number_of_milestone(serial, note);
    return note_numbered(milestone) == nullptr ? nullptr : &milestones_[milestone & place_mask_];
  }
  static std::uint64_t number_of_milestone(std::uint64_t serial, const Note& note) {
    return note.is_milestone ? serial : older_than(serial, note.milestone_by);
  }
  std::uint32_t note_far_older(Server& server, std::uint64_t serial) const noexcept;
  void begin_milestone(Server& server, std::uint64_t serial, flowtable::TimeNs now_ns);
  void fetch_far_older(std::uint64_t serial) const noexcept;
  std::uint64_t step_over(std::uint64_t milestone, flowtable::TimeNs closed_before_ns, flowtable::TimeNs accepted_by_ns,
                          std::size_t& read) const noexcept;
  std::uint64_t& nearest_reading(Server& server, flowtable::TimeNs time_ns);
  std::uint64_t first_to_read(Server& server, flowtable::TimeNs closed_ns);
  std::uint64_t last_accepted_by(Server& server, flowtable::TimeNs time_ns);
  static void fill_row(TableRow& row, const Note& note, const Subject& subject) noexcept;
  void lay_out(const Subject& subject);

  LedgerOptions options_;
  std::uint64_t place_mask_;               ///< of a serial number
  PageArray<Note> notes_;                  ///< a ring of a power of two; a note's place is its serial number
  PageArray<Milestone> milestones_;        ///< by place; meaningless where the note is no milestone
  PageArray<std::uint32_t> far_older_by_;  ///< by place: serial numbers back to the note kFetchedAhead before; 0: none
  std::uint64_t next_serial_ = 0;
  std::uint64_t notes_forgotten_ = 0;
  std::uint64_t reset_clients_forgotten_ = 0;
  RecencyMap<flowtable::Endpoint, Server, EndpointKeys> servers_;
  IdIndex open_notes_;  ///< connection id → serial number
  RecencyMap<flowtable::IpAddress, std::uint8_t, AddressKeys> host_ttl_;
  struct LaidOut {
    flowtable::TimeNs accepted_ns = 0;
    Note* note = nullptr;
  };
  std::vector<LaidOut> places_;  ///< for laid_out_: of notes up to a subject's end, and of those after it
  std::span<LaidOut> laid_out_;  ///< in places_; what becomes the table: sorted before rows are made of it
  ContrastTable table_;
};

}  // namespace doorslam::diagnose
