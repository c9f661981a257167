#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/signature/signature.h"
#include "pipeline/diagnose/signature/word_memo.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/tcp/evidence.h"

struct hs_database;
struct hs_scratch;

namespace doorslam::diagnose {

/// The enabled signatures as one Hyperscan database (block mode). Immutable after it is made: thread-safe.
/// Copies share it; pointers to its signatures are good as long as a copy lives.
class SignatureDatabase {
 public:
  /// Compiles the enabled signatures. Errors (usage) name the signature, its file and line, and say what Hyperscan
  /// finds wrong and where in the expression.
  static Result<SignatureDatabase> compile(std::vector<Signature> signatures);

  /// The signatures of the files or directories, from a cache where one holds them compiled (the one in
  /// `cache_directory`, else the one that the build made of the project's own), else parsed, compiled and stored in
  /// `cache_directory`. A missing, stale, damaged or unwritable cache costs time, nothing else. `cache_directory`
  /// empty: nothing is stored. Errors as read_signature_texts, parse_signatures and compile.
  static Result<SignatureDatabase> load(std::span<const std::filesystem::path> files_or_directories,
                                        const std::filesystem::path& cache_directory);

  /// All of them, the ones that are off included.
  std::span<const Signature> signatures() const noexcept;
  /// Whether load() took it from a cache.
  bool from_cache() const noexcept;

 private:
  friend class SignatureScanner;
  struct State;
  explicit SignatureDatabase(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

/// Everything for which SignatureDatabase::load() would refuse the files, not only the first; for `check`. Compiles
/// each expression by itself, which takes a second or two for all that come with doorslam. Empty: load() succeeds.
std::vector<Error> signature_mistakes(std::span<const std::filesystem::path> files_or_directories);

/// One match.
struct SignatureHit {
  const Signature* signature = nullptr;  ///< owned by the database
  bool port_fits = false;                ///< the server's port is among the signature's
  bool in_last_words = false;            ///< else in the head
  std::uint8_t segment = 0;              ///< of the head, counted from 0; 0 in the last words
  std::uint16_t offset = 0;              ///< octets from the start of the head (or last words) to that segment's start
  std::uint16_t end = 0;                 ///< octets from the same start to the end of the match
};

/// Scans what one side said. Worker-bound: has scratch of its own.
class SignatureScanner {
 public:
  /// Errors (data): no memory for the scratch.
  static Result<SignatureScanner> create(const SignatureDatabase& database);

  /// Matches `head` from each segment's start and `last_words` from its own, and returns at most one hit a signature
  /// (the latest that was said), most specific first; a fitting port, then the later words, then the name break ties.
  /// Signatures that need their context are left out where neither the port nor other words show their protocol, and
  /// refusals where the server did later what was asked of it, or where they are content that it passed on.
  /// `other`: what the other side said; null where it is not known: then a request for credentials counts as a refusal
  /// of those that were sent, and an answer to the client's farewell as a success.
  /// The hits are borrowed until the next scan. Words that no signature of the side can begin with cost nothing.
  std::span<const SignatureHit> scan(const tcp::PayloadHead& head, packet::ByteView last_words, tcp::Side side,
                                     std::uint16_t server_port, const tcp::SideEvidence* other = nullptr);
  /// The same, but words that begin like words which held no refusal are not scanned again (see WordMemo).
  std::span<const SignatureHit> recall(const tcp::PayloadHead& head, packet::ByteView last_words, tcp::Side side,
                                       std::uint16_t server_port, const tcp::SideEvidence* other = nullptr);

 private:
  struct FreeScratch {
    void operator()(hs_scratch* scratch) const noexcept;
  };
  struct Speaker {
    tcp::Side side;
    std::uint16_t server_port;
    const tcp::SideEvidence* other;  ///< null: not known
    packet::ByteView beginning;      ///< of what it said
    bool answers_farewell = false;   ///< with the passage at hand
  };
  /// The words that were looked at before the present ones, and are said after them.
  struct Passage {
    packet::ByteView words;
    std::uint64_t digest = 0;  ///< of `words`, 0: not known yet
    std::uint64_t key = 0;     ///< in the memo, 0: not there
  };
  SignatureScanner(SignatureDatabase database, hs_scratch* scratch);
  std::span<const SignatureHit> look_at(const tcp::PayloadHead& head, packet::ByteView last_words, Speaker speaker,
                                        bool from_memory);
  /// `passage` null: scans in any case.
  void look_at_words(packet::ByteView words, SignatureHit where, const Speaker& speaker, Passage* passage);
  void scan_words(packet::ByteView words, SignatureHit where, const Speaker& speaker);
  void note_hits(std::span<const WordMemo::Match> matches, packet::ByteView words, SignatureHit where,
                 const Speaker& speaker);
  void drop_requests_for_credentials(const Speaker& speaker);
  void drop_refusals_of_messages(const Speaker& speaker);
  void drop_refusals_overcome();
  void drop_hits_out_of_context();
  void sort_hits();

  SignatureDatabase database_;
  std::unique_ptr<hs_scratch, FreeScratch> scratch_;
  WordMemo memo_;
  std::vector<WordMemo::Match> matches_;  ///< of the words scanned last
  std::vector<SignatureHit> hits_;
};

/// ${XDG_CACHE_HOME:-~/.cache}/doorslam, or empty where neither is set.
std::filesystem::path default_cache_directory();

}  // namespace doorslam::diagnose
