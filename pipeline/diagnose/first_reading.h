#pragma once

#include <cstdint>
#include <span>

#include "pipeline/diagnose/diagnosis.h"
#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/outcome.h"
#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/tcp/event.h"

/// What a connection's own packets and words tell of it when it has ended, before anybody looks at what else its server
/// was doing. The ledger is told of it, and it decides whose reading may be taken at once. `evidence`: null where none
/// was kept; `words`: what the signatures know of the server's words, most telling first.
namespace doorslam::diagnose {

/// How it ended. What the capture's end has cut off is let go: silence shows only to those who could wait.
Ending ending_of(const tcp::ConnectionEvent& event, const tcp::Evidence* evidence);

/// Of the server's first words, so that those of two connections can be compared; 0: none, or unknown.
std::uint32_t digest_of_words(const tcp::PayloadHead& head);

/// The server's first words are lost, or cut by the snap length, and there was not much more: they may have been a
/// refusal.
bool lost_first_words(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// Words of a server that ends, not of one that is full.
OwnEnd own_end_told_by(std::span<const SignatureHit> words);

Outcome outcome_of(Ending ending, std::span<const SignatureHit> words, bool lost_words);
/// What a judgement makes of an outcome that was told by the connection's own packets.
Outcome outcome_by(const Diagnosis& diagnosis, Outcome outcome);

/// From the last payload of either side to the server's close; 0 where one of them is not known.
flowtable::DurationNs idle_time(const tcp::Evidence* evidence);

/// A signature knows the words, and that they are no refusal.
bool are_ordinary(std::span<const SignatureHit> words);

/// The server's words are those with which it ends an ordinary session: its timer, a farewell. A greeting is none.
bool end_ordinary_session(std::span<const SignatureHit> words);

/// The server closed on its greeting or its first answer, in words that nobody knows: service, or a refusal in its own
/// language.
bool hung_up_soon(const tcp::Evidence* evidence, Ending ending, std::span<const SignatureHit> words);

/// The server's first words do not show how it begins a session: the client left on them, or they are those with which
/// it ends one.
bool are_first_words_unproven(Ending ending, std::span<const SignatureHit> words);

/// As by the history; where only one side was captured, by what its first words acknowledge.
bool client_spoke_first(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// False where nothing remarkable is known of it but that it was open when the following ended: what else the server
/// did tells nothing of that, and there may be a million of them at the end.
bool may_contrast(Ending ending, const tcp::Evidence* evidence);

/// The full table let go of it, and its packets were not kept: no hindsight makes more of that.
bool tells_nothing(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence, Ending ending);

/// Served, and closed in good order: nothing that further evidence could change.
bool is_plain(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence, Ending ending, Outcome outcome);

/// How sure it is that a plain connection was served, 0 to 1.
double confidence_of_plain(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence, bool hung_up_soon);

}  // namespace doorslam::diagnose
