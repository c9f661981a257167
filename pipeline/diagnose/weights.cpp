#include "pipeline/diagnose/weights.h"

#include <array>

#include "pipeline/diagnose/evidence_capture.h"
#include "pipeline/diagnose/evidence_crash.h"
#include "pipeline/diagnose/evidence_handshake.h"
#include "pipeline/diagnose/evidence_ledger.h"
#include "pipeline/diagnose/evidence_speech.h"

namespace doorslam::diagnose {

namespace {

using enum Cause;

template <std::size_t N>
using Weights = std::array<Weight, N>;

constexpr Weights<3> kSynUnanswered = {{{silent_drop, 2.0}, {accept_queue_overflow, 0.0}, {client_abort, -1.5}}};
constexpr Weights<3> kSynReset = {{{port_closed, 3.0}, {middlebox_reset, 0.0}, {rate_limit, -1.0}}};
constexpr Weights<2> kSynIcmp = {{{icmp_unreachable, 0.5}, {icmp_admin_prohibited, 0.5}}};
constexpr Weights<3> kHalfOpen = {{{client_abort, 1.5}, {client_vanished, 0.5}, {silent_drop, -1.0}}};
constexpr Weights<3> kHandshakeIgnored = {{{accept_queue_overflow, 1.5}, {silent_drop, -0.5}, {client_vanished, -2.0}}};
constexpr Weights<7> kHandshakeReset = {{{accept_queue_overflow, 0.0},
                                         {acl_denied, 0.3},
                                         {connection_limit, 0.3},
                                         {rate_limit, -0.7},
                                         {app_crash, -0.3},
                                         {middlebox_reset, 0.0},
                                         {bad_handshake_ack, 0.0}}};
constexpr Weights<8> kClosedWithoutAWord = {{{acl_denied, 1.2},
                                             {connection_limit, 1.2},
                                             {rate_limit, 0.2},
                                             {app_crash, -0.3},
                                             {maintenance, -1.5},
                                             {middlebox_reset, -1.5},
                                             {tls_refused, -2.0},
                                             {bad_handshake_ack, -2.0}}};
constexpr Weights<7> kClosedUnseen = {{{acl_denied, 0.0},
                                       {connection_limit, 0.0},
                                       {rate_limit, -1.0},
                                       {app_crash, 0.0},
                                       {maintenance, -1.5},
                                       {middlebox_reset, -2.0},
                                       {served, 1.8}}};
constexpr Weights<8> kClosedAfterGreeting = {{{served, 2.2},
                                              {acl_denied, 0.0},
                                              {connection_limit, 0.0},
                                              {rate_limit, -0.7},
                                              {app_crash, -1.0},
                                              {maintenance, -0.7},
                                              {tls_refused, -3.0},
                                              {middlebox_reset, -2.5}}};
constexpr Weights<9> kClosedAfterReply = {{{served, 3.5},
                                           {acl_denied, -1.0},
                                           {connection_limit, -1.0},
                                           {rate_limit, -1.5},
                                           {app_crash, -0.7},
                                           {maintenance, -1.5},
                                           {auth_failed, -1.0},
                                           {tls_refused, -2.0},
                                           {middlebox_reset, -2.0}}};
constexpr Weights<2> kLeftWithoutAWord = {{{client_abort, 1.0}, {server_no_reply, 0.5}}};
constexpr Weights<2> kLeftAfterGreeting = {{{served, 2.5}, {client_abort, 1.0}}};
constexpr Weights<4> kLeftAfterReply = {
    {{served, 5.0}, {tls_refused, -1.0}, {http_refused, -1.0}, {auth_failed, -1.0}}};
constexpr Weights<3> kServerSilent = {{{server_no_reply, 2.0}, {served, -1.5}, {accept_queue_overflow, -1.0}}};
constexpr Weights<3> kClientSilent = {{{client_abort, 1.0}, {client_vanished, 0.5}, {served, 0.0}}};
constexpr Weights<2> kClientStalled = {{{client_zero_window, 3.0}, {served, -0.5}}};
constexpr Weights<1> kLetGo = {{{served, -0.5}}};
constexpr Weights<1> kStillOpen = {{{served, 2.5}}};

namespace handshake_weights {
constexpr Weights<3> kAckWrong = {{{bad_handshake_ack, 7.0}, {accept_queue_overflow, -3.0}, {acl_denied, -2.0}}};
constexpr Weights<1> kAckRight = {{{bad_handshake_ack, -6.0}}};
constexpr Weights<1> kSynRepeated = {{{silent_drop, 1.0}}};
constexpr Weights<2> kIcmpProhibited = {{{icmp_admin_prohibited, 5.0}, {silent_drop, -4.0}}};
constexpr Weights<2> kIcmpUnreachable = {{{icmp_unreachable, 5.0}, {silent_drop, -4.0}}};
constexpr Weights<2> kSynAckAgain = {{{accept_queue_overflow, 3.0}, {silent_drop, -2.0}}};
constexpr Weights<1> kDataUnacked = {{{accept_queue_overflow, 1.5}}};
constexpr Weights<4> kBareReset = {
    {{accept_queue_overflow, 3.0}, {acl_denied, -1.0}, {connection_limit, -1.0}, {app_crash, -1.0}}};
constexpr Weights<2> kOverflowNearby = {{{accept_queue_overflow, 3.0}, {silent_drop, -0.5}}};
constexpr Weights<1> kClientReset = {{{client_abort, 2.0}}};
constexpr Weights<2> kHalfOpenInNumbers = {{{client_vanished, 3.5}, {client_abort, -2.0}}};
constexpr Weights<6> kForeignReset = {{{middlebox_reset, 6.0},
                                       {port_closed, -1.0},
                                       {app_crash, -2.0},
                                       {acl_denied, -2.0},
                                       {connection_limit, -2.0},
                                       {accept_queue_overflow, -2.0}}};
constexpr Weights<1> kStraggler = {{{middlebox_reset, -5.0}}};
constexpr Weights<1> kOwnReset = {{{middlebox_reset, -4.0}}};
constexpr Weights<4> kForeignClientReset = {
    {{middlebox_reset, 8.0}, {client_abort, -3.0}, {served, -2.0}, {app_crash, -2.0}}};
constexpr Weights<1> kResetsBothWays = {{{middlebox_reset, 1.5}}};
constexpr Weights<1> kOpenBefore = {{{port_closed, 0.3}}};
constexpr Weights<1> kClosedAfterBurst = {{{rate_limit, 1.5}}};
}  // namespace handshake_weights

namespace ledger_weights {
constexpr Weights<3> kAlwaysRefused = {{{acl_denied, 1.8}, {app_crash, -1.0}, {connection_limit, -0.3}}};
constexpr Weights<3> kServedAtOtherTimes = {{{acl_denied, -3.5}, {connection_limit, 0.8}, {rate_limit, 0.8}}};
constexpr Weights<1> kDisjointGroups = {{{acl_denied, 0.8}}};
constexpr Weights<4> kOneServer = {
    {{acl_denied, 2.5}, {maintenance, 1.0}, {connection_limit, -1.5}, {rate_limit, -1.5}}};
constexpr Weights<1> kOthersServedToo = {{{acl_denied, -1.2}}};
constexpr Weights<2> kNobodyServed = {{{connection_limit, -0.8}, {rate_limit, -0.8}}};
constexpr Weights<2> kAboveCeiling = {{{connection_limit, 4.0}, {acl_denied, -1.5}}};
constexpr Weights<3> kAboveClientCeiling = {{{connection_limit, 4.0}, {acl_denied, -1.5}, {rate_limit, -0.5}}};
constexpr Weights<1> kBelowCeilings = {{{connection_limit, -2.5}}};
constexpr Weights<1> kNoSession = {{{connection_limit, -4.0}}};
constexpr Weights<1> kTooFast = {{{rate_limit, 2.0}}};
constexpr Weights<1> kSlow = {{{rate_limit, -3.0}}};
constexpr Weights<6> kEndedTogether = {{{app_crash, 5.5},
                                        {maintenance, 2.0},
                                        {served, -3.0},
                                        {acl_denied, -2.0},
                                        {connection_limit, -3.0},
                                        {rate_limit, -2.0}}};
constexpr Weights<1> kWentOn = {{{app_crash, -3.5}}};
constexpr Weights<3> kClosedAfterwards = {{{app_crash, 2.0}, {maintenance, 1.0}, {served, -0.5}}};
constexpr Weights<1> kServedSoon = {{{app_crash, -1.5}}};
constexpr Weights<2> kOverALaterRequest = {{{app_crash, 3.0}, {served, -1.0}}};
constexpr Weights<3> kOverARequest = {{{app_crash, 3.0}, {acl_denied, -1.5}, {connection_limit, -1.5}}};
}  // namespace ledger_weights

namespace speech_weights {
constexpr Weights<1> kWithoutPayload = {{{acl_denied, 0.2}}};
constexpr Weights<6> kTimedOut = {{{client_abort, 7.0},
                                   {acl_denied, -2.5},
                                   {connection_limit, -2.5},
                                   {rate_limit, -2.5},
                                   {app_crash, -1.0},
                                   {maintenance, -1.5}}};
constexpr Weights<3> kOneWay = {{{served, 8.0}, {server_no_reply, -3.0}, {client_abort, -1.0}}};
constexpr Weights<1> kNoWordOfLimit = {{{connection_limit, -0.7}}};
constexpr Weights<1> kUnread = {{{app_crash, -0.2}}};
constexpr Weights<3> kUsualWords = {{{served, 1.5}, {acl_denied, -1.0}, {connection_limit, -1.0}}};
constexpr Weights<4> kUnusualWords = {{{served, -3.0}, {acl_denied, 0.8}, {connection_limit, 0.8}, {rate_limit, 0.4}}};
constexpr Weights<3> kOthersWentOn = {{{served, -1.5}, {acl_denied, 0.4}, {connection_limit, 0.4}}};
constexpr Weights<2> kOrdinaryClose = {{{served, 1.5}, {app_crash, -3.0}}};
constexpr Weights<2> kOnLastWords = {{{served, 1.0}, {app_crash, -2.0}}};
constexpr Weights<2> kCutShort = {{{app_crash, 0.7}, {served, -1.0}}};
constexpr Weights<1> kHelloRefused = {{{tls_refused, 2.0}}};
constexpr Weights<2> kAlertInCipher = {{{tls_refused, 6.0}, {served, -2.0}}};
constexpr Weights<2> kSshServerLeft = {{{auth_failed, 5.0}, {served, -1.0}}};
constexpr Weights<2> kCredentials = {{{auth_failed, 3.0}, {acl_denied, -1.0}}};
constexpr Weights<2> kWaited = {{{server_no_reply, 3.0}, {client_abort, -1.5}}};
constexpr Weights<2> kLeftAtOnce = {{{client_abort, 2.0}, {server_no_reply, -3.0}}};
constexpr Weights<1> kSaidNothing = {{{client_abort, 1.0}}};
constexpr Weights<2> kNotAcked = {{{client_vanished, 3.0}, {served, -2.0}}};
constexpr Weights<1> kWindowClosed = {{{client_zero_window, 2.0}}};
}  // namespace speech_weights

namespace capture_weights {
/// Causes that are read from something not being there.
constexpr Weights<7> kLostMeanwhile = {{{silent_drop, -2.0},
                                        {server_no_reply, -2.0},
                                        {client_vanished, -2.0},
                                        {accept_queue_overflow, -1.0},
                                        {client_abort, -1.0},
                                        {acl_denied, -0.5},
                                        {connection_limit, -0.5}}};
}  // namespace capture_weights

namespace h = handshake_weights;
namespace l = ledger_weights;
namespace s = speech_weights;

constexpr auto kEvidence = std::to_array<EvidenceRow>({
    {"handshake-ack-wrong", evidence::handshake_ack_wrong, h::kAckWrong},
    {"handshake-ack-right", evidence::handshake_ack_right, h::kAckRight},
    {"syn-repeated", evidence::syn_repeated, h::kSynRepeated},
    {"icmp-prohibited", evidence::icmp_prohibited, h::kIcmpProhibited},
    {"icmp-unreachable", evidence::icmp_unreachable, h::kIcmpUnreachable},
    {"syn-ack-repeated-after-ack", evidence::syn_ack_repeated_after_ack, h::kSynAckAgain},
    {"data-never-acked", evidence::data_never_acked, h::kDataUnacked},
    {"bare-reset-answers-ack", evidence::bare_reset_answers_ack, h::kBareReset},
    {"server-overflowed-nearby", evidence::server_overflowed_nearby, h::kOverflowNearby},
    {"left-half-open-in-numbers", evidence::left_half_open_in_numbers, h::kHalfOpenInNumbers},
    {"client-reset-the-syn-ack", evidence::client_reset_the_syn_ack, h::kClientReset},
    {"reset-from-elsewhere", evidence::reset_from_elsewhere, h::kForeignReset},
    {"nothing-but-a-reset", evidence::nothing_but_a_reset, h::kStraggler},
    {"reset-from-the-server", evidence::reset_from_the_server, h::kOwnReset},
    {"client-reset-from-elsewhere", evidence::client_reset_from_elsewhere, h::kForeignClientReset},
    {"resets-both-ways", evidence::resets_both_ways, h::kResetsBothWays},
    {"port-was-open-before", evidence::port_was_open_before, h::kOpenBefore},
    {"port-closed-after-a-burst", evidence::port_closed_after_a_burst, h::kClosedAfterBurst},
    {"closed-without-payload", evidence::closed_without_payload, s::kWithoutPayload},
    {"closed-with-request-unread", evidence::closed_with_request_unread, s::kUnread},
    {"unused-and-timed-out", evidence::unused_and_timed_out, s::kTimedOut},
    {"one-way-transfer", evidence::one_way_transfer, s::kOneWay},
    {"no-word-of-a-limit", evidence::no_word_of_a_limit, s::kNoWordOfLimit},
    {"client-always-refused", evidence::client_always_refused, l::kAlwaysRefused},
    {"client-served-at-other-times", evidence::client_served_at_other_times, l::kServedAtOtherTimes},
    {"several-clients-refused-only", evidence::several_clients_refused_only, l::kDisjointGroups},
    {"refused-clients-served-too", evidence::refused_clients_served_too, l::kOthersServedToo},
    {"one-server-refuses", evidence::one_server_refuses, l::kOneServer},
    {"nobody-served", evidence::nobody_served, l::kNobodyServed},
    {"above-session-ceiling", evidence::above_session_ceiling, l::kAboveCeiling},
    {"above-client-ceiling", evidence::above_client_ceiling, l::kAboveClientCeiling},
    {"below-every-ceiling", evidence::below_every_ceiling, l::kBelowCeilings},
    {"no-session-open", evidence::no_session_open, l::kNoSession},
    {"arrivals-too-fast", evidence::arrivals_too_fast, l::kTooFast},
    {"arrivals-slow", evidence::arrivals_slow, l::kSlow},
    {"sessions-ended-together", evidence::sessions_ended_together, l::kEndedTogether},
    {"sessions-went-on", evidence::sessions_went_on, l::kWentOn},
    {"port-closed-afterwards", evidence::port_closed_afterwards, l::kClosedAfterwards},
    {"served-again-soon", evidence::served_again_soon, l::kServedSoon},
    {"died-over-a-request", evidence::died_over_a_request, l::kOverARequest},
    {"died-over-a-later-request", evidence::died_over_a_later_request, l::kOverALaterRequest},
    {"words-usual-here", evidence::words_usual_here, s::kUsualWords},
    {"words-unusual-here", evidence::words_unusual_here, s::kUnusualWords},
    {"others-went-on", evidence::others_went_on, s::kOthersWentOn},
    {"ordinary-close-after-answer", evidence::ordinary_close_after_answer, s::kOrdinaryClose},
    {"ended-on-last-words", evidence::ended_on_last_words, s::kOnLastWords},
    {"cut-short-without-answer", evidence::cut_short_without_answer, s::kCutShort},
    {"tls-hello-refused", evidence::tls_hello_refused, s::kHelloRefused},
    {"tls-alert-in-cipher", evidence::tls_alert_in_cipher, s::kAlertInCipher},
    {"ssh-server-left-first", evidence::ssh_server_left_first, s::kSshServerLeft},
    {"credentials-refused", evidence::credentials_refused, s::kCredentials},
    {"client-waited-in-vain", evidence::client_waited_in_vain, s::kWaited},
    {"client-left-at-once", evidence::client_left_at_once, s::kLeftAtOnce},
    {"client-said-nothing", evidence::client_said_nothing, s::kSaidNothing},
    {"server-data-not-acked", evidence::server_data_not_acked, s::kNotAcked},
    {"client-window-closed", evidence::client_window_closed, s::kWindowClosed},
    {"packets-lost-meanwhile", evidence::packets_lost_meanwhile, capture_weights::kLostMeanwhile},
});

}  // namespace

std::span<const Weight> prior_of(Ending ending) {
  switch (ending) {
    case Ending::syn_unanswered:
      return kSynUnanswered;
    case Ending::syn_reset:
      return kSynReset;
    case Ending::syn_icmp:
      return kSynIcmp;
    case Ending::half_open_abandoned:
      return kHalfOpen;
    case Ending::handshake_ignored:
      return kHandshakeIgnored;
    case Ending::handshake_reset:
      return kHandshakeReset;
    case Ending::closed_without_a_word:
      return kClosedWithoutAWord;
    case Ending::closed_unseen:
      return kClosedUnseen;
    case Ending::closed_after_greeting:
      return kClosedAfterGreeting;
    case Ending::closed_after_reply:
      return kClosedAfterReply;
    case Ending::left_without_a_word:
      return kLeftWithoutAWord;
    case Ending::left_after_greeting:
      return kLeftAfterGreeting;
    case Ending::left_after_reply:
      return kLeftAfterReply;
    case Ending::server_silent:
      return kServerSilent;
    case Ending::client_silent:
      return kClientSilent;
    case Ending::client_stalled:
      return kClientStalled;
    case Ending::let_go:
      return kLetGo;
    case Ending::still_open:
      return kStillOpen;
  }
  return {};
}

std::span<const EvidenceRow> evidence_table() { return kEvidence; }

}  // namespace doorslam::diagnose
