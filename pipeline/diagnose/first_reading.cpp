#include "pipeline/diagnose/first_reading.h"

#include <algorithm>

#include "pipeline/diagnose/guide/guide.h"
#include "pipeline/diagnose/protocol_marks.h"

namespace doorslam::diagnose {

namespace {

using flowtable::kNoTime;
using flowtable::TimeNs;
using tcp::ConnectionEvent;
using tcp::Evidence;
using tcp::PayloadHead;
using tcp::Side;
using tcp::SideEvidence;

/// Of a connection that was served and closed in good order.
constexpr double kPlainConfidence = 0.99;
/// The same, but its words were not kept.
constexpr double kCoarseConfidence = 0.9;
/// The server hung up on its first answer, in words that nobody knows: service, or a refusal in its own language.
constexpr double kStrangeWordsConfidence = 0.85;
/// The client left, and no more was said than a login takes.
constexpr double kPerhapsLoginConfidence = 0.6;
/// Whoever gets no acknowledgement sends again by then (Linux waits 200 ms beyond the round trip at least).
constexpr flowtable::DurationNs kAskedAgainNs = 300 * flowtable::kMillisecondNs;
/// As much of the first words as two sessions with different refusal texts differ in, and time stamps do not.
constexpr std::size_t kDigestedWords = 12;

/// SSH and TLS begin alike with everybody, and what decides comes later, where it cannot be read.
bool goes_on_encrypted(const PayloadHead& head) {
  return head.length == PayloadHead::kCapacity && (speaks_ssh(head) || (head.bytes[0] == 22 && head.bytes[1] == 3));
}

/// A capture that ends shows no silence: what was to come within this would have come after its end.
flowtable::DurationNs patience_with(Ending ending, const Evidence* evidence) {
  switch (ending) {
    case Ending::closed_without_a_word:  // of a server that was not captured: the client does not ask again
      return evidence != nullptr && server_close_time(*evidence) == kNoTime ? kAskedAgainNs : 0;
    case Ending::syn_unanswered:
      return 2 * flowtable::kSecondNs;
    case Ending::server_silent:
    case Ending::client_silent:
    case Ending::half_open_abandoned:
      return 5 * flowtable::kSecondNs;
    default:
      return 0;
  }
}

/// A login by SSH takes the server some three kilooctets, refused or not, and behind the encryption nobody can tell.
bool may_be_no_more_than_a_login(const tcp::ConnectionSummary& summary) {
  constexpr std::uint64_t kLoginOctets = 3200;
  return summary.side[index_of(Side::responder)].payload_bytes <= kLoginOctets &&
         usual_protocol(summary.responder.port) == "ssh";
}

/// Where the server's first reply ends: with its line, or with its segment. What comes after it answers later words of
/// the client, which one that stays silent never hears.
std::size_t end_of_first_reply(const PayloadHead& head) {
  constexpr std::size_t kLeast = 4;  // less tells nothing
  const packet::ByteView words = head.view();
  std::size_t end = words.size();
  if (head.segments > 1 && head.segment_start[1] >= kLeast) end = head.segment_start[1];
  for (std::size_t i = 0; i < end; ++i) {
    const bool is_text = words[i] >= ' ' || words[i] == '\r' || words[i] == '\t';
    if (words[i] == '\n' && i + 1 >= kLeast) return i + 1;
    if (!is_text && words[i] != '\n') break;
  }
  return end;
}

}  // namespace

/// FNV-1a; digits are taken as one, so that times and counters do not make words new.
std::uint32_t digest_of_words(const PayloadHead& head) {
  if (head.length == 0 || head.incomplete || goes_on_encrypted(head)) return 0;
  const packet::ByteView reply = head.view().first(end_of_first_reply(head));
  const packet::ByteView words = behind_senders_name(reply);
  const bool has_name = words.size() < reply.size();
  std::uint32_t digest = 2166136261U;
  for (std::size_t i = 0; i < std::min(words.size(), kDigestedWords); ++i) {
    const std::uint8_t octet = words[i];
    // After a command stands the name of the client.
    if (has_name && octet == ' ') break;
    // The first three may be a reply code, where each digit counts.
    digest = (digest ^ (i >= 3 && octet >= '0' && octet <= '9' ? std::uint8_t{'0'} : octet)) * 16777619U;
  }
  return digest | 1U;
}

bool lost_first_words(const tcp::ConnectionSummary& summary, const Evidence* evidence) {
  constexpr std::uint16_t kNotMuch = 2;
  if (evidence == nullptr || evidence->exchanges > kNotMuch) return false;
  // Of a server of which neither a packet nor an acknowledged octet is there, nothing says that it spoke.
  if (is_alone(*evidence, Side::originator) && unseen_by_acks(*evidence).octets == 0) return true;
  const tcp::SideTotals& server = summary.side[index_of(Side::responder)];
  const PayloadHead& head = evidence->of(Side::responder).head;
  if (server.gap_bytes > 0) return head.incomplete || head.length == 0;
  // Of the headers alone, as a short snap length leaves them, no word is known.
  const bool is_cut = head.incomplete && !evidence->begins_late && head.length < kDigestedWords;
  return is_cut && server.payload_bytes > head.length;
}

OwnEnd own_end_told_by(std::span<const SignatureHit> words) {
  if (words.empty()) return OwnEnd::untold;
  const Cause cause = words.front().signature->main_cause();
  if (cause == Cause::app_crash) return OwnEnd::crashed;
  return cause == Cause::maintenance ? OwnEnd::stopped : OwnEnd::untold;
}

Outcome outcome_by(const Diagnosis& diagnosis, Outcome outcome) {
  constexpr double kSure = 0.5;
  if (diagnosis.confidence < kSure) return outcome;
  const bool may_have_been_served = outcome == Outcome::served || outcome == Outcome::unseen;
  if (may_have_been_served && traits_of(diagnosis.cause).denial) return Outcome::refused_in_words;
  const bool by_itself = diagnosis.cause == Cause::client_abort || diagnosis.cause == Cause::served;
  if (outcome == Outcome::refused_silently && by_itself) return Outcome::left;
  return outcome;
}

Outcome outcome_of(Ending ending, std::span<const SignatureHit> words, bool lost_words) {
  const bool refusing = !words.empty() && is_refusal(words.front().signature->main_cause());
  switch (ending) {
    case Ending::closed_unseen:
      return Outcome::unseen;
    case Ending::closed_without_a_word:
    case Ending::handshake_reset:
      return Outcome::refused_silently;
    case Ending::left_without_a_word:
      return Outcome::left;
    case Ending::server_silent:
    case Ending::handshake_ignored:
      return Outcome::unanswered;
    default:
      if (refusing) return Outcome::refused_in_words;
      return lost_words ? Outcome::unseen : Outcome::served;
  }
}

flowtable::DurationNs idle_time(const Evidence* evidence) {
  if (evidence == nullptr) return 0;
  const TimeNs closed = server_close_time(*evidence);
  const TimeNs last = std::max(last_heard(*evidence).time_ns, last_words_time(*evidence, Side::responder));
  return closed == kNoTime || last == kNoTime ? 0 : std::max<flowtable::DurationNs>(0, closed - last);
}

Ending ending_of(const ConnectionEvent& event, const Evidence* evidence) {
  const Ending ending = diagnose::ending_of(event.summary, evidence);
  bool cut_off = event.summary.end_reason == tcp::EndReason::capture_end;
  // Whoever sends again has waited already.
  if (evidence != nullptr) {
    cut_off = cut_off && evidence->syns < 2 && evidence->of(Side::responder).retransmissions < 2;
  }
  return cut_off && event.time_ns - event.summary.end_ns < patience_with(ending, evidence) ? Ending::let_go : ending;
}

bool client_spoke_first(const tcp::ConnectionSummary& summary, const Evidence* evidence) {
  const bool server_alone = evidence != nullptr && is_alone(*evidence, Side::responder);
  const bool client_alone = evidence != nullptr && is_alone(*evidence, Side::originator);
  if (!server_alone && !client_alone) return diagnose::client_spoke_first(summary);
  std::uint32_t acked = 0;  // by the first words of the side that was captured
  evidence->for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    if (acked == 0 && rung.length > 0) acked = rung.ack;
  });
  return server_alone ? acked > 1 : acked == 1;
}

bool may_contrast(Ending ending, const Evidence* evidence) {
  return evidence != nullptr || (ending != Ending::still_open && ending != Ending::let_go);
}

bool tells_nothing(const tcp::ConnectionSummary& summary, const Evidence* evidence, Ending ending) {
  return evidence == nullptr && ending == Ending::let_go && summary.end_reason == tcp::EndReason::evicted;
}

bool are_ordinary(std::span<const SignatureHit> words) {
  return !words.empty() && words.front().signature->main_cause() == Cause::served;
}

bool end_ordinary_session(std::span<const SignatureHit> words) {
  return are_ordinary(words) && words.front().signature->specificity > specificity::kGeneric;
}

bool hung_up_soon(const Evidence* evidence, Ending ending, std::span<const SignatureHit> words) {
  constexpr std::uint16_t kFewExchanges = 2;
  if (end_ordinary_session(words)) return false;
  if (ending == Ending::closed_after_greeting) return true;
  if (ending != Ending::closed_after_reply || evidence == nullptr) return false;
  return evidence->exchanges <= kFewExchanges && !are_ordinary(words);
}

bool are_first_words_unproven(Ending ending, std::span<const SignatureHit> words) {
  if (ending == Ending::left_after_greeting) return !are_ordinary(words);
  // Most sessions end in such words; only where they are the first as well does nothing come before the end.
  return end_ordinary_session(words) && words.front().segment == 0 && !words.front().in_last_words;
}

bool is_plain(const tcp::ConnectionSummary& summary, const Evidence* evidence, Ending ending, Outcome outcome) {
  const bool orderly = ending == Ending::left_after_reply || ending == Ending::closed_after_reply;
  if (evidence == nullptr) return orderly || (summary.plainly_served && ending == Ending::still_open);
  if (!orderly || outcome != Outcome::served || cut_of(ending, evidence) != Cut::none) return false;
  if (sent_in_vain(*evidence, Side::originator) + sent_in_vain(*evidence, Side::responder) > 0) return false;
  if (summary.mid_stream || summary.one_sided || summary.side[0].gap_bytes + summary.side[1].gap_bytes > 0)
    return false;
  const SideEvidence& server = evidence->of(Side::responder);
  if (server.rst_ns != kNoTime || evidence->of(Side::originator).rst_ns != kNoTime) return false;
  // Behind encryption a refusal has no words; who closes, and after what, must be looked at.
  return !speaks_ssh(server.head) && !is_client_hello(evidence->of(Side::originator).head);
}

double confidence_of_plain(const tcp::ConnectionSummary& summary, const Evidence* evidence, bool hung_up_soon) {
  if (evidence == nullptr && summary.plainly_served) {
    return may_be_no_more_than_a_login(summary) ? kPerhapsLoginConfidence : kPlainConfidence;
  }
  if (evidence == nullptr) return kCoarseConfidence;
  return hung_up_soon ? kStrangeWordsConfidence : kPlainConfidence;
}

}  // namespace doorslam::diagnose
