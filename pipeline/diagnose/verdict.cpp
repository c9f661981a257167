#include "pipeline/diagnose/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/ledger.h"
#include "pipeline/diagnose/evidence/servers.h"
#include "pipeline/diagnose/weights.h"

namespace doorslam::diagnose {

namespace {

/// One cause on the scales.
struct Scale {
  double log_odds = kUnlisted;
  bool suggested = false;  ///< by the ending or by evidence for it
  std::vector<std::string> evidence_for;
  std::vector<std::string> evidence_against;
};

using Scales = std::array<Scale, kCauseCount>;

/// A hypothesis less probable than this is told only if something speaks about it.
constexpr double kWorthTelling = 0.02;

Scale& scale_of(Scales& scales, Cause cause) { return scales[static_cast<std::size_t>(cause)]; }

void weigh(Scales& scales, Cause cause, double log_odds, const std::string& sentence) {
  Scale& scale = scale_of(scales, cause);
  scale.log_odds += log_odds;
  if (log_odds > 0) scale.suggested = true;
  (log_odds > 0 ? scale.evidence_for : scale.evidence_against).push_back(sentence);
}

/// A standard fixes the words.
bool is_of_any_program(const Signature& signature) { return signature.program.empty() || signature.program == "any"; }

/// The line in which the match ends, as far as it is text and may be told.
std::string passage_of(const Case& c, const SignatureHit& hit) {
  constexpr std::size_t kLongest = 120;
  // What the client says may be a secret.
  if (c.packets == nullptr || hit.end == 0 || hit.signature->side != tcp::Side::responder) return {};
  const tcp::SideEvidence& side = c.packets->of(hit.signature->side);
  const packet::ByteView words = hit.in_last_words ? side.latest_words() : side.head.view();
  const std::string_view all(reinterpret_cast<const char*>(words.data()), words.size());
  const std::size_t last = std::min<std::size_t>(hit.end, all.size());
  // The match may take its line's end along.
  const std::size_t inside = all.substr(0, last).find_last_not_of("\r\n");
  if (inside == std::string_view::npos || inside < hit.offset) return {};
  const std::size_t before = all.substr(0, inside).rfind('\n');
  const std::size_t begin =
      before == std::string_view::npos ? hit.offset : std::max<std::size_t>(hit.offset, before + 1);
  const std::string_view line = all.substr(begin, all.find_first_of("\r\n", inside) - begin);
  const auto is_text = [](char ch) { return static_cast<unsigned char>(ch) >= 0x20 && ch != 0x7f; };
  if (!std::ranges::all_of(line, is_text)) return {};
  return escaped(line, std::min(kLongest, c.quote_length));
}

std::string quoted(const Case& c, const SignatureHit& hit) {
  const Signature& signature = *hit.signature;
  const std::string passage = passage_of(c, hit);
  return fmt::format("{} words are those of {} ({}){}",
                     signature.side == tcp::Side::responder ? "the server's" : "the client's",
                     is_of_any_program(signature) ? signature.protocol : signature.program, signature.name,
                     passage.empty() ? "" : fmt::format(": \"{}\"", passage));
}

/// Words are the strongest witness: their weights become log-odds against a small rest of doubt.
/// Calls take(cause, log-odds, sentence).
template <class Take>
void weigh_words(const Case& c, std::span<const SignatureHit> words, const Take& take) {
  if (words.empty()) return;
  const Signature& signature = *words.front().signature;
  const std::string sentence = quoted(c, words.front());
  constexpr double kDoubt = 0.01;
  constexpr double kLastWord = 5.0;
  constexpr double kEarlierWord = 3.0;
  constexpr double kOrdinaryWords = 1.0;  // an ordinary greeting does not say how the session went on
  for (const CauseWeight& weight : signature.causes) {
    if (weight.cause == Cause::served) {
      take(weight.cause, kOrdinaryWords, sentence);
    } else {
      const double sureness = 0.8 + 0.4 * signature.specificity;
      take(weight.cause, sureness * std::log(weight.weight / kDoubt) - kUnlisted / 2, sentence);
    }
  }
  if (!is_refusal(signature.main_cause())) return;
  // A refusal that was not the last word may have been of one request among others.
  const double gravity = words.front().in_last_words ? kLastWord : kEarlierWord;
  take(Cause::served, -gravity * signature.specificity, sentence);
}

/// All that speaks for or against a cause. Calls take(name, cause, log-odds, strength, sentence).
template <class Take>
void weigh_evidence(const Case& c, const Take& take) {
  for (const EvidenceRow& row : evidence_table()) {
    const std::optional<Finding> finding = row.find(c);
    if (!finding) continue;
    for (const Weight& weight : row.weights) {
      take(row.name, weight.cause, weight.log_odds, finding->strength, finding->sentence);
    }
  }
  const auto take_words_as = [&take](std::string_view name) {
    return [&take, name](Cause cause, double log_odds, const std::string& sentence) {
      take(name, cause, log_odds, 1.0, sentence);
    };
  };
  // What is said to a client that has left without a request answers nothing.
  const bool speaks_to_nobody = c.ending == Ending::left_without_a_word && c.packets != nullptr &&
                                c.packets->of(tcp::Side::originator).payload_segments == 0;
  if (!speaks_to_nobody) weigh_words(c, c.server_words, take_words_as("server-words"));
  weigh_words(c, c.client_words, take_words_as("client-words"));
}

std::array<double, kCauseCount> probabilities(const Scales& scales) {
  std::array<double, kCauseCount> p{};
  double highest = kUnknown;
  for (const Scale& scale : scales) highest = std::max(highest, scale.log_odds);
  double sum = 0.0;
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    p[i] = std::exp(scales[i].log_odds - highest);
    sum += p[i];
  }
  for (double& value : p) value /= sum;
  return p;
}

void word_hypotheses(Scales& scales, const std::array<double, kCauseCount>& p, Diagnosis& out) {
  const bool none_stands_out = *std::ranges::max_element(p) < kLeastToCallServed;
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    Scale& scale = scales[i];
    const bool spoken_of = scale.suggested || !scale.evidence_against.empty();
    const bool may_be_named = static_cast<Cause>(i) == Cause::unknown && none_stands_out;
    if (p[i] < kWorthTelling && !spoken_of && !may_be_named) continue;
    out.hypotheses.push_back(
        Hypothesis{static_cast<Cause>(i), p[i], std::move(scale.evidence_for), std::move(scale.evidence_against)});
  }
  std::stable_sort(out.hypotheses.begin(), out.hypotheses.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.probability > b.probability; });
  // What is left out still belongs to the whole.
  double told = 0.0;
  for (const Hypothesis& hypothesis : out.hypotheses) told += hypothesis.probability;
  for (Hypothesis& hypothesis : out.hypotheses) hypothesis.probability /= told;
}

}  // namespace

Diagnosis judge(const Case& c) {
  Scales scales;
  scale_of(scales, Cause::unknown).log_odds = kUnknown;
  for (const Weight& prior : prior_of(c.ending)) {
    Scale& scale = scale_of(scales, prior.cause);
    scale.log_odds = prior.log_odds;
    scale.suggested = true;
  }
  weigh_evidence(c, [&](std::string_view, Cause cause, double log_odds, double strength, const std::string& sentence) {
    weigh(scales, cause, log_odds * strength, sentence);
  });

  Diagnosis out;
  word_hypotheses(scales, probabilities(scales), out);
  const Hypothesis& best = out.hypotheses.front();
  // Of a close whose beginning or whose words the capture lacks, "served" is a guess until something speaks for it.
  const bool is_guess = best.cause == Cause::served && c.outcome == Outcome::unseen;
  out.cause = best.probability >= (is_guess ? kLeastToCallServed : kLeastConfidence) ? best.cause : Cause::unknown;
  out.confidence = std::ranges::find(out.hypotheses, out.cause, &Hypothesis::cause)->probability;
  out.ftp_control = c.ftp_control;
  out.limit = evidence::learned_limit(c, out.cause);
  if (is_refusal(out.cause)) out.one_server = evidence::one_of_servers(c);
  if (!c.server_words.empty()) {
    const Signature& signature = *c.server_words.front().signature;
    out.signature = SignatureMatch{signature.name, is_of_any_program(signature) ? std::string{} : signature.program,
                                   signature.protocol, passage_of(c, c.server_words.front())};
  }
  return out;
}

std::vector<Contribution> contributions_of(const Case& c) {
  std::vector<Contribution> out;
  out.push_back({"doubt", Cause::unknown, kUnknown - kUnlisted, 1.0});
  for (const Weight& prior : prior_of(c.ending)) {
    out.push_back({name_of(c.ending), prior.cause, prior.log_odds - kUnlisted, 1.0});
  }
  weigh_evidence(c, [&](std::string_view name, Cause cause, double log_odds, double strength, const std::string&) {
    out.push_back({name, cause, log_odds, strength});
  });
  return out;
}

}  // namespace doorslam::diagnose
