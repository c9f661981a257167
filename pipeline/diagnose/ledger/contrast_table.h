#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "flowtable/hash_key.h"
#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/ledger/answering_stacks.h"
#include "pipeline/diagnose/ledger/contrast.h"
#include "pipeline/diagnose/ledger/endpoint_keys.h"
#include "pipeline/diagnose/ledger/host_clocks.h"
#include "pipeline/diagnose/ledger/syn_resets.h"
#include "pipeline/diagnose/opening.h"
#include "pipeline/diagnose/outcome.h"

/// What an analyst asks the ledger: the other connections of a server, laid out as a table by time, and what they say
/// beside the one that is judged.
namespace doorslam::diagnose {

/// A kernel closes a dead process's sockets within this.
inline constexpr flowtable::DurationNs kTogetherNs = 30 * flowtable::kMillisecondNs;

/// In place of the time of a close: there was none so far.
inline constexpr flowtable::TimeNs kStillOpen = std::numeric_limits<flowtable::TimeNs>::max();

/// The four load figures that a connection met.
struct LoadAtAcceptance {
  std::uint32_t open_total = 0;
  std::uint32_t open_client = 0;
  std::uint32_t arrivals_total = 0;
  std::uint32_t arrivals_client = 0;
};

/// One accepted connection on the table that a judgement reads.
struct TableRow {
  flowtable::TimeNs accepted_ns = 0;
  flowtable::TimeNs closed_ns = 0;  ///< latest representable time while open
  flowtable::IpAddress client;
  Outcome outcome = Outcome::open;
  Cut cut = Cut::none;
  bool client_spoke_first = false;
  bool hung_up_soon = false;
  bool by_unusual_words = false;  ///< refused_in_words by comparison only: it may have been a session
  bool unproven = false;
  OwnEnd own_end = OwnEnd::untold;
  bool beginning_unseen = false;
  bool is_subject = false;
  std::uint8_t stack = 0;   ///< of the server that answered, as in the notes
  std::uint32_t clock = 0;  ///< likewise
  flowtable::DurationNs idle_ns = 0;
  std::uint32_t words = 0;
  Opening opening = Opening::none;
  std::uint32_t client_number = 0;  ///< on this table
  std::uint32_t client_before = 0;  ///< the same client's row before this one, counted from 1; 0: there is none
  LoadAtAcceptance load;

  bool served() const { return outcome == Outcome::served; }
  bool refused() const { return outcome == Outcome::refused_silently || outcome == Outcome::refused_in_words; }
  /// Holds a place in the server: what was refused or left at once does not.
  bool is_session() const {
    return outcome == Outcome::served || outcome == Outcome::open || outcome == Outcome::unanswered;
  }
};

/// The table itself. Laid out anew for each judgement, in memory that it keeps: clear(), add() by time of acceptance,
/// contrast(). Which connections stand on it, and how many at most, is for the ledger to say. Owned by the analysis
/// thread.
class ContrastTable {
 public:
  /// Takes the memory for so many rows at once; there may be more.
  ContrastTable(std::size_t rows, const flowtable::HashKey& hash_key);

  void clear() noexcept { rows_ = {}; }
  /// A row to be filled in in its place, with whatever an earlier table had there: to clear it first takes as long as
  /// to fill it in, and one that is copied there is written field by field and read in larger pieces, for which the
  /// processor waits. Client number and chain are the table's to fill in. Valid until the next add().
  TableRow& add() {
    if (rows_.size() == row_places_.size()) row_places_.emplace_back();
    rows_ = {row_places_.data(), rows_.size() + 1};
    return rows_.back();
  }
  /// To be called once. `stacks`: those that answered at the server, by the numbers in the rows.
  Contrast contrast(const Subject& subject, const AnsweringStacks& stacks);
  // contrast_acceptances.cpp
  void count_acceptances(const Subject& subject, Acceptances& out) const;
  void count_syn_resets(const Subject& subject, const SynResetLog& resets, Acceptances& out) const;

 private:
  struct Client {
    std::uint32_t served = 0;
    std::uint32_t refused = 0;
    std::uint32_t latest_row = 0;  ///< counted from 1
    bool is_subject = false;
    bool met_here = false;       ///< the server that the subject met
    bool met_elsewhere = false;  ///< another one behind the same address
  };

  /// How a client stands to a spell.
  struct SpellMarks {
    bool refused_in = false;
    bool served_before = false;
    bool served_in = false;  ///< and refused at no time
  };

  void find_unusual_words(Contrast& out);
  std::size_t slot_of(const flowtable::IpAddress& client) const noexcept;
  void number_clients(const flowtable::IpAddress& subject);
  void count_endings(const Subject& subject, Contrast& out) const;
  void count_speech(const Subject& subject, Contrast& out) const;
  void count_clients(Contrast& out) const;
  // contrast_servers.cpp
  void count_servers_by_habits(const AnsweringStacks& stacks, Contrast& out);
  void count_servers_by_clocks(Contrast& out);
  void read_clocks(std::uint32_t client_number);
  // contrast_spell.cpp
  void find_spells(Contrast& out);
  Spell spell_around(std::size_t subject, bool of_some);
  // contrast_load.cpp
  void measure_client_load();
  void measure_total_load();
  void count_load(Contrast& out) const;

  AddressKeys addresses_;
  std::vector<TableRow> row_places_;
  std::span<TableRow> rows_;                 ///< in row_places_, by time of acceptance
  std::vector<Client> clients_;              ///< by number
  std::vector<SpellMarks> spell_marks_;      ///< by client; laid out anew by each spell_around()
  std::vector<std::uint32_t> client_slots_;  ///< hash table of client numbers, counted from 1
  std::uint32_t subject_client_ = 0;         ///< number of the subject's, counted from 1; 0: it is not on the table
  LoadAtAcceptance highest_;                 ///< of each figure, over all rows
  std::vector<std::uint32_t> closed_by_;     ///< by row: sessions whose end the row is the first to see
  std::vector<std::uint32_t> usual_words_;
  std::vector<ClockReading> clock_readings_;  ///< of one client
};

}  // namespace doorslam::diagnose
