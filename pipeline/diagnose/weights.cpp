#include "pipeline/diagnose/weights.h"

#include <algorithm>
#include <array>

#include "pipeline/diagnose/evidence/crash.h"
#include "pipeline/diagnose/evidence/data.h"
#include "pipeline/diagnose/evidence/handshake.h"
#include "pipeline/diagnose/evidence/idle.h"
#include "pipeline/diagnose/evidence/ledger.h"
#include "pipeline/diagnose/evidence/loss.h"
#include "pipeline/diagnose/evidence/path.h"
#include "pipeline/diagnose/evidence/servers.h"
#include "pipeline/diagnose/evidence/speech.h"
#include "pipeline/diagnose/evidence/spell.h"
#include "pipeline/diagnose/evidence/ssh.h"

/// One row each, with the reason above it. That a weight is not larger has a reason as well: overlapping evidence is
/// added up, and tests/crossvalidation says what a change is worth on programs that nobody has looked at.
namespace doorslam::diagnose {

namespace {

using enum Cause;

constexpr auto kPriors = std::to_array<EndingPrior>({
    // A filter, mostly; a full queue is silent as well, and some clients try no second time.
    {Ending::syn_unanswered, {{silent_drop, 2.0}, {accept_queue_overflow, 0.0}, {client_abort, -1.5}}},
    // The kernel's word for a port without a listener.
    {Ending::syn_reset, {{port_closed, 3.0}, {middlebox_reset, 0.0}, {rate_limit, -1.0}}},
    // The code says which; see the evidence.
    {Ending::syn_icmp, {{icmp_unreachable, 0.5}, {icmp_admin_prohibited, 0.5}}},
    // Scanners and impatient clients; a SYN-ACK that is lost behind the tap looks alike.
    {Ending::half_open_abandoned, {{client_abort, 1.5}, {client_vanished, 0.5}, {silent_drop, -1.0}}},
    // A kernel that has acknowledged nothing has no connection.
    {Ending::handshake_ignored, {{accept_queue_overflow, 1.5}, {silent_drop, -0.5}, {client_vanished, -2.0}}},
    // Who resets at once may be kernel, application or device: the evidence decides.
    {Ending::handshake_reset,
     {{accept_queue_overflow, 0.0},
      {acl_denied, 0.3},
      {connection_limit, 0.3},
      {rate_limit, -0.7},
      {app_crash, -0.3},
      {middlebox_reset, 0.0},
      {bad_handshake_ack, 0.0}}},
    // Lists and limits act before the first word; a crash seldom finds a connection so young.
    {Ending::closed_without_a_word,
     {{acl_denied, 1.2},
      {connection_limit, 1.2},
      {rate_limit, 0.2},
      {app_crash, -0.3},
      {maintenance, -1.5},
      {middlebox_reset, -1.5},
      {tls_refused, -2.0},
      {bad_handshake_ack, -2.0}}},
    // Most connections of which only the end is known were served.
    {Ending::closed_unseen,
     {{acl_denied, 0.0},
      {connection_limit, 0.0},
      {rate_limit, -1.0},
      {app_crash, 0.0},
      {maintenance, -1.5},
      {middlebox_reset, -2.0},
      {served, 1.8}}},
    // One-shot services greet and close; so do limits, in words that a signature should know.
    {Ending::closed_after_greeting,
     {{served, 2.2},
      {acl_denied, 0.0},
      {connection_limit, 0.0},
      {rate_limit, -0.7},
      {app_crash, -1.0},
      {maintenance, -0.7},
      {tls_refused, -3.0},
      {middlebox_reset, -2.5}}},
    // Whoever gets an answer is usually served.
    {Ending::closed_after_reply,
     {{served, 3.5},
      {acl_denied, -1.0},
      {connection_limit, -1.0},
      {rate_limit, -1.5},
      {app_crash, -0.7},
      {maintenance, -1.5},
      {auth_failed, -1.0},
      {http_refused, -1.0},
      {tls_refused, -2.0},
      {middlebox_reset, -2.0}}},
    // Health checks and scans, and clients that lost patience.
    {Ending::left_without_a_word, {{client_abort, 1.0}, {server_no_reply, 0.5}}},
    // Banner grabs count as served: they got what they asked for.
    {Ending::left_after_greeting, {{served, 2.5}, {client_abort, 1.0}}},
    // The ordinary end of a session; its words may still be a refusal, the same whoever closes first.
    {Ending::left_after_reply,
     {{served, 5.0},
      {acl_denied, -1.0},
      {connection_limit, -1.0},
      {rate_limit, -1.5},
      {maintenance, -1.5},
      {auth_failed, -1.0},
      {http_refused, -1.0},
      {tls_refused, -1.0}}},
    // Asked and never answered.
    {Ending::server_silent, {{server_no_reply, 2.0}, {served, -1.5}, {accept_queue_overflow, -1.0}}},
    // Left open by the client.
    {Ending::client_silent, {{client_abort, 1.0}, {client_vanished, 0.5}, {served, 0.0}}},
    // Its window was zero at the end.
    {Ending::client_stalled, {{client_zero_window, 3.0}, {served, -0.5}}},
    // Nothing is known of its end.
    {Ending::let_go, {{served, -0.5}}},
    // What goes on is being served.
    {Ending::still_open, {{served, 2.5}}},
});

constexpr auto kEvidence = std::to_array<EvidenceRow>({
    // --- Handshake (evidence/handshake) ---

    // A kernel answers such an ACK with a RST, whatever the application wants.
    {"handshake-ack-wrong",
     evidence::handshake_ack_wrong,
     {{bad_handshake_ack, 7.0}, {accept_queue_overflow, -3.0}, {acl_denied, -2.0}}},
    // Without a wrong number there is no faulty ACK.
    {"handshake-ack-right", evidence::handshake_ack_right, {{bad_handshake_ack, -6.0}}},
    // A client that tries again is there and means it: its packets are dropped on the way.
    {"syn-repeated", evidence::syn_repeated, {{silent_drop, 1.0}}},
    // The filter says so itself.
    {"icmp-prohibited", evidence::icmp_prohibited, {{icmp_admin_prohibited, 5.0}, {silent_drop, -4.0}}},
    // The router says so itself.
    {"icmp-unreachable", evidence::icmp_unreachable, {{icmp_unreachable, 5.0}, {silent_drop, -4.0}}},
    // Nobody was refused, and nobody wanted a connection.
    {"route-was-traced",
     evidence::route_was_traced,
     {{client_abort, 7.0}, {icmp_unreachable, -2.5}, {icmp_admin_prohibited, -4.0}}},
    // The network's fault, and no answer of anybody at the other end: not sure to last.
    {"hop-limit-exceeded", evidence::hop_limit_exceeded, {{icmp_unreachable, -0.7}, {icmp_admin_prohibited, -4.0}}},
    // Nothing else makes a kernel forget an ACK that it has seen; whoever answers does not drop silently.
    {"syn-ack-repeated-after-ack",
     evidence::syn_ack_repeated_after_ack,
     {{accept_queue_overflow, 3.0}, {silent_drop, -2.0}}},
    // The same, seen from the data; a loss behind the tap would look alike.
    {"data-never-acked", evidence::data_never_acked, {{accept_queue_overflow, 1.5}}},
    // An application's RST acknowledges; this one is the kernel's, which had no room.
    {"bare-reset-answers-ack",
     evidence::bare_reset_answers_ack,
     {{accept_queue_overflow, 3.0}, {acl_denied, -1.0}, {connection_limit, -1.0}, {app_crash, -1.0}}},
    // Stronger than all that the two have in common.
    {"ignored-while-others-served",
     evidence::ignored_while_others_served,
     {{accept_queue_overflow, -7.0}, {silent_drop, 2.0}}},
    // A full queue stays full for a while.
    {"server-overflowed-nearby",
     evidence::server_overflowed_nearby,
     {{accept_queue_overflow, 3.0}, {silent_drop, -0.5}}},
    // A filter would not have let the first ones through, and nobody else stops a kernel from answering.
    {"accepted-and-never-answered",
     evidence::accepted_and_never_answered,
     {{accept_queue_overflow, 4.0}, {silent_drop, -1.5}}},
    // A single scan leaves few; made-up sources leave thousands.
    {"left-half-open-in-numbers", evidence::left_half_open_in_numbers, {{client_vanished, 3.5}, {client_abort, -2.0}}},
    // The client took its own attempt back.
    {"client-reset-the-syn-ack", evidence::client_reset_the_syn_ack, {{client_abort, 2.0}}},
    // A TTL cannot be forged for every listener; but two hosts may share an address.
    {"reset-from-elsewhere",
     evidence::reset_from_elsewhere,
     {{middlebox_reset, 6.0},
      {served, -3.0},
      {port_closed, -1.0},
      {app_crash, -2.0},
      {acl_denied, -2.0},
      {connection_limit, -2.0},
      {accept_queue_overflow, -2.0}}},
    // Nobody can be cut off who is gone.
    {"nothing-but-a-reset", evidence::nothing_but_a_reset, {{middlebox_reset, -5.0}}},
    // A device would need the server's own hops.
    {"reset-from-the-server", evidence::reset_from_the_server, {{middlebox_reset, -4.0}}},
    // Stronger than for the server: a client has one stack.
    {"client-reset-from-elsewhere",
     evidence::client_reset_from_elsewhere,
     {{middlebox_reset, 8.0}, {client_abort, -3.0}, {served, -2.0}, {app_crash, -2.0}}},
    // A habit of devices, and rarely of anybody else.
    {"resets-both-ways", evidence::resets_both_ways, {{middlebox_reset, 1.5}}},
    // The address decides. Whether a filter does it or the program's own list, the client is denied.
    {"syn-reset-for-one-client",
     evidence::syn_reset_for_one_client,
     {{acl_denied, 6.5}, {port_closed, -3.5}, {rate_limit, -0.5}}},
    // By turns fits a rate; a server behind the address that has no listener is a closed port nevertheless.
    {"syns-reset-by-turns", evidence::syns_reset_by_turns, {{port_closed, -2.5}, {rate_limit, 1.2}}},
    // A service that has gone; a scan meets ports that were never open.
    {"port-was-open-before", evidence::port_was_open_before, {{port_closed, 0.3}}},
    // Super-servers do this, and crashes under load as well.
    {"port-closed-after-a-burst", evidence::port_closed_after_a_burst, {{rate_limit, 1.5}}},

    // --- How it ended, and without which words (evidence/speech, evidence/idle) ---

    // Little, as a silent limit looks the same.
    {"closed-without-payload", evidence::closed_without_payload, {{acl_denied, 0.2}}},
    // Almost nothing: it only says who spoke first.
    {"closed-with-request-unread", evidence::closed_with_request_unread, {{app_crash, -0.2}}},
    // What it said may be the reason; but some ask their lists as late as that.
    {"closed-on-words-it-had-read",
     evidence::closed_on_words_it_had_read,
     {{acl_denied, -3.5}, {connection_limit, -2.5}, {rate_limit, -1.5}}},
    // The server waited for it as for those that it serves.
    {"unused-where-clients-speak-first",
     evidence::unused_where_clients_speak_first,
     {{served, 8.0},
      {client_abort, 4.0},
      {acl_denied, -3.0},
      {connection_limit, -5.0},
      {rate_limit, -3.0},
      {app_crash, -1.0},
      {maintenance, -1.5}}},
    // A refusal does not wait for a quarter of a minute.
    {"unused-and-timed-out",
     evidence::unused_and_timed_out,
     {{client_abort, 7.0},
      {acl_denied, -2.5},
      {connection_limit, -2.5},
      {rate_limit, -2.5},
      {app_crash, -1.0},
      {maintenance, -1.5}}},
    // The rest never came: the client's own affair, whatever befell it.
    {"request-unfinished",
     evidence::request_unfinished,
     {{client_abort, 7.0},
      {acl_denied, -2.5},
      {connection_limit, -2.5},
      {rate_limit, -2.5},
      {app_crash, -1.0},
      {maintenance, -1.5},
      {tls_refused, -3.0}}},

    // Whatever was to be sent has arrived.
    {"one-way-transfer", evidence::one_way_transfer, {{served, 8.0}, {server_no_reply, -3.0}, {client_abort, -1.0}}},
    // The same; a client that wanted an answer would have waited for it.
    {"one-way-port", evidence::one_way_port, {{served, 8.0}, {server_no_reply, -3.0}, {client_abort, -2.0}}},
    // The client is served in the session; a list or a limit would have met that.
    {"nothing-to-transfer",
     evidence::nothing_to_transfer,
     {{served, 8.0},
      {acl_denied, -3.0},
      {connection_limit, -3.0},
      {rate_limit, -3.0},
      {app_crash, -2.0},
      {maintenance, -2.0}}},
    // A worker that dies at the end of an upload looks alike, and is rarer.
    {"took-a-transfer",
     evidence::took_a_transfer,
     {{served, 8.0}, {acl_denied, -5.0}, {connection_limit, -8.0}, {rate_limit, -5.0}, {app_crash, -2.5}}},
    // Usual is not always: many sites turn the words off.
    {"no-word-of-a-limit", evidence::no_word_of_a_limit, {{connection_limit, -0.7}}},

    // --- What did not get through (evidence/path) ---

    // Whoever cut it, the client did not get what it came for; the server did not answer because it did not hear.
    {"client-data-in-vain",
     evidence::client_data_in_vain,
     {{served, -7.0},
      {app_crash, -4.0},
      {maintenance, -1.5},
      {acl_denied, -1.5},
      {connection_limit, -1.5},
      {rate_limit, -1.5},
      {auth_failed, -1.0},
      {http_refused, -1.5},
      {tls_refused, -1.0}}},
    // The same of the answer: it was on its way, so nobody refused anything.
    {"server-data-in-vain",
     evidence::server_data_in_vain,
     {{served, -8.0},
      {app_crash, -1.5},
      {maintenance, -1.5},
      {acl_denied, -1.5},
      {connection_limit, -1.5},
      {rate_limit, -1.5},
      {auth_failed, -1.5},
      {http_refused, -1.5},
      {tls_refused, -1.5}}},
    // A filter on the server's own host shows the server's own hops. A dying process takes leave of each session.
    {"bare-reset-in-session",
     evidence::bare_reset_in_session,
     {{served, -5.0}, {middlebox_reset, 3.0}, {acl_denied, -1.0}, {connection_limit, -1.0}, {app_crash, -3.5}}},

    // --- What else the server did (evidence/ledger, evidence/servers) ---

    // An address does not change; the load does. Strong only with other clients served, which it asks for.
    {"client-always-refused",
     evidence::client_always_refused,
     {{acl_denied, 1.8}, {app_crash, -1.0}, {connection_limit, -0.3}}},
    // One service refutes a list, unless the list has changed.
    {"client-served-at-other-times",
     evidence::client_served_at_other_times,
     {{acl_denied, -3.5}, {connection_limit, 0.8}, {rate_limit, 0.8}}},
    // A limit would sooner or later refuse one of those that it serves.
    {"several-clients-refused-only", evidence::several_clients_refused_only, {{acl_denied, 0.8}}},
    // What refuses the others by load may refuse this one by load.
    {"refused-clients-served-too", evidence::refused_clients_served_too, {{acl_denied, -1.2}}},
    // As for a client that is always refused; but a server under maintenance refuses everybody as well.
    {"one-server-refuses",
     evidence::one_server_refuses,
     {{acl_denied, 1.8}, {maintenance, 1.0}, {connection_limit, -1.0}, {rate_limit, -1.0}}},
    // A list that lets nobody in is a program that serves nobody.
    {"several-clients-and-none-served", evidence::several_clients_and_none_served, {{acl_denied, -0.8}}},
    // A limit serves as many as it allows.
    {"nobody-served", evidence::nobody_served, {{connection_limit, -0.8}, {rate_limit, -0.8}}},
    // A step between served and refused is what a limit is; the strength says how sharp it is.
    {"above-session-ceiling", evidence::above_session_ceiling, {{connection_limit, 4.0}, {acl_denied, -1.5}}},
    // The same; and a client with sessions open is on no list.
    {"above-client-ceiling",
     evidence::above_client_ceiling,
     {{connection_limit, 4.0}, {acl_denied, -1.5}, {rate_limit, -0.5}}},
    // Others were let in at that load; but limits by account are not seen from here.
    {"below-every-ceiling", evidence::below_every_ceiling, {{connection_limit, -2.5}}},
    // No limit stands at nothing.
    {"no-session-open", evidence::no_session_open, {{connection_limit, -4.0}}},
    // Bursts fill a session limit too.
    {"arrivals-too-fast", evidence::arrivals_too_fast, {{rate_limit, 2.0}}},
    // A rate limit needs a rate.
    {"arrivals-slow", evidence::arrivals_slow, {{rate_limit, -3.0}}},

    // --- Since when (evidence/spell) ---

    // What befell the service, or what is behind it, is not seen from here. A rate lets some through.
    {"nobody-served-any-more",
     evidence::nobody_served_any_more,
     {{maintenance, 2.0}, {rate_limit, -3.0}, {acl_denied, -1.5}, {connection_limit, -1.5}}},
    // A list that was changed, or on which they came; the others show that no load is meant.
    {"some-served-no-more",
     evidence::some_served_no_more,
     {{acl_denied, 1.5}, {rate_limit, -2.0}, {connection_limit, -2.0}, {app_crash, -1.0}}},

    // --- Who else ended (evidence/crash) ---

    // One kernel, one instant; a planned stop looks much the same.
    {"sessions-ended-together",
     evidence::sessions_ended_together,
     {{app_crash, 5.5},
      {maintenance, 2.0},
      {served, -3.0},
      {acl_denied, -2.0},
      {connection_limit, -3.0},
      {rate_limit, -2.0}}},
    // A reload or a sweep, mostly: a death that nobody tries to get past in time is rare.
    {"idle-sessions-ended-together",
     evidence::idle_sessions_ended_together,
     {{app_crash, 2.5}, {maintenance, 1.0}, {served, -0.5}}},
    // Whose timer it was is not seen from here.
    {"timed-out-over-a-request",
     evidence::timed_out_over_a_request,
     {{acl_denied, -2.5}, {connection_limit, -2.5}, {rate_limit, -2.5}}},
    // What was waited for is not seen from here: an answer of the program's own, or of one behind it.
    {"closed-at-one-age",
     evidence::closed_at_one_age,
     {{acl_denied, -1.5}, {connection_limit, -2.0}, {rate_limit, -2.0}, {app_crash, -2.5}}},
    // Its own word. But a limit may have refused this one just then.
    {"others-told-of-crash",
     evidence::others_told_of_crash,
     {{app_crash, 4.0}, {served, -1.5}, {acl_denied, -2.0}, {connection_limit, -3.0}, {rate_limit, -2.0}}},
    // A server that starts or stops refuses some before it can speak.
    {"others-told-of-stop",
     evidence::others_told_of_stop,
     {{maintenance, 3.0}, {served, -1.0}, {acl_denied, -1.5}, {connection_limit, -1.5}, {rate_limit, -1.0}}},
    // A process that dies takes all of its sessions along; one worker of several does not.
    {"sessions-went-on", evidence::sessions_went_on, {{app_crash, -3.5}}},
    // Also after a planned stop, and after a super-server's burst.
    {"port-closed-afterwards",
     evidence::port_closed_afterwards,
     {{app_crash, 2.0}, {maintenance, 1.0}, {served, -0.5}}},
    // Supervisors restart within a second or two, so this is no proof.
    {"served-again-soon", evidence::served_again_soon, {{app_crash, -1.5}}},
    // Done with it, mostly; a proxy without what is behind it may be as even.
    {"read-it-all-and-closed",
     evidence::read_it_all_and_closed,
     {{served, 7.0}, {acl_denied, -3.0}, {connection_limit, -3.0}, {rate_limit, -2.0}, {app_crash, -2.0}}},
    // Rules and limits are applied before a request is read.
    {"died-over-a-request",
     evidence::died_over_a_request,
     {{app_crash, 3.0}, {acl_denied, -1.5}, {connection_limit, -1.5}}},
    // The same; a session that was served is refused by no list, which needs no weight here.
    {"died-over-a-later-request", evidence::died_over_a_later_request, {{app_crash, 3.0}, {served, -1.0}}},

    // --- What was said (evidence/speech) ---

    // Of those who leave after words that were only counted, one in five was refused.
    {"words-not-captured", evidence::words_not_captured, {{served, -2.5}}},
    // A refusal begins otherwise than a service.
    {"words-usual-here", evidence::words_usual_here, {{served, 1.5}, {acl_denied, -1.0}, {connection_limit, -1.0}}},
    // That it was a refusal is sure, by what cause is not.
    {"words-unusual-here",
     evidence::words_unusual_here,
     {{served, -3.0}, {acl_denied, 0.8}, {connection_limit, 0.8}, {rate_limit, 0.4}}},
    // The same without the words, so half as strong.
    {"others-went-on", evidence::others_went_on, {{served, -1.5}, {acl_denied, 0.4}, {connection_limit, 0.4}}},
    // That it was no good service is likely; what it was does not show.
    {"reset-behind-first-words", evidence::reset_behind_first_words, {{served, -4.0}}},
    // An answer, then the close: the work is done.
    {"ordinary-close-after-answer", evidence::ordinary_close_after_answer, {{served, 1.5}, {app_crash, -3.0}}},
    // Clients say farewell; a crash has no such timing, but for chance.
    {"ended-on-last-words", evidence::ended_on_last_words, {{served, 1.0}, {app_crash, -2.0}}},
    // But the words may be those of a service.
    {"refusal-was-all-it-said", evidence::refusal_was_all_it_said, {{served, -3.0}}},
    // Timeouts and restarts do it as well.
    {"cut-short-without-answer", evidence::cut_short_without_answer, {{app_crash, 0.7}, {served, -1.0}}},
    // Servers that refuse by version or name often send no alert; so do lists and limits.
    {"tls-hello-refused", evidence::tls_hello_refused, {{tls_refused, 2.0}}},
    // The size is that of an alert, and the place is where a client's certificate is refused.
    {"tls-alert-in-cipher", evidence::tls_alert_in_cipher, {{tls_refused, 6.0}, {served, -2.0}}},
    // The client says so itself, in clear; nobody is served after it.
    {"tls-alert-of-client",
     evidence::tls_alert_of_client,
     {{tls_refused, 2.5}, {served, -4.0}, {client_abort, -2.0}, {acl_denied, -3.0}}},
    // The others show what is spoken here. Lists and limits do not read what a client says.
    {"begins-unlike-the-served",
     evidence::begins_unlike_the_served,
     {{acl_denied, -5.0}, {connection_limit, -3.5}, {rate_limit, -3.0}, {app_crash, -2.0}}},
    // The same; and where TLS meets none, it is TLS that fails.
    {"begins-unlike-the-served-by-tls",
     evidence::begins_unlike_the_served_by_tls,
     {{tls_refused, 4.0}, {acl_denied, -5.0}, {connection_limit, -3.5}, {rate_limit, -3.0}, {app_crash, -2.0}}},
    // What was refused is the way of asking, not the client.
    {"tls-met-plain-http", evidence::tls_met_plain_http, {{http_refused, 1.0}, {acl_denied, -2.0}}},
    // So much is not said to somebody who is refused.
    {"went-on-after-the-refusal",
     evidence::went_on_after_the_refusal,
     {{served, 4.0}, {auth_failed, -4.0}, {acl_denied, -4.0}, {tls_refused, -2.0}}},
    // Who is served meanwhile shows that the service is there.
    {"http-error-not-for-all", evidence::http_error_not_for_all, {{http_refused, 1.5}, {maintenance, -2.5}}},
    // Within the size of a login nothing else makes an SSH server leave.
    {"ssh-server-left-first", evidence::ssh_server_left_first, {{auth_failed, 5.0}, {served, -1.0}}},
    // Nobody was served; whether the two have no algorithm in common or one of them only looked does not show. Lists,
    // limits and passwords have their turn before it or after it.
    {"ssh-without-keys",
     evidence::ssh_without_keys,
     {{served, -8.0},
      {acl_denied, -2.0},
      {connection_limit, -2.0},
      {rate_limit, -1.5},
      {maintenance, -1.0},
      {auth_failed, -3.0},
      {http_refused, -3.0},
      {tls_refused, -3.0},
      {app_crash, -1.0}}},
    // The answer is the same for addresses, but whoever sends a password is told of it.
    {"credentials-refused", evidence::credentials_refused, {{auth_failed, 3.0}, {acl_denied, -1.0}}},
    // Where it says more than one thing, it says the other.
    {"nothing-was-tried", evidence::nothing_was_tried, {{auth_failed, -5.0}}},
    // Not never, but as always.
    {"answered-too-late", evidence::answered_too_late, {{client_abort, 1.5}, {server_no_reply, -1.0}}},
    // Patience shows that an answer was due.
    {"client-waited-in-vain", evidence::client_waited_in_vain, {{server_no_reply, 3.0}, {client_abort, -1.5}}},
    // It did not want one.
    {"client-left-at-once", evidence::client_left_at_once, {{client_abort, 2.0}, {server_no_reply, -3.0}}},
    // Nothing was asked, so nothing was refused.
    {"client-said-nothing", evidence::client_said_nothing, {{client_abort, 1.0}}},
    // A living client acknowledges.
    {"server-data-not-acked", evidence::server_data_not_acked, {{client_vanished, 3.0}, {served, -2.0}}},
    // The client said so itself.
    {"client-window-closed", evidence::client_window_closed, {{client_zero_window, 2.0}}},

    // --- Capture (evidence/loss) ---

    // Causes that are read from something not being there.
    {"packets-lost-meanwhile",
     evidence::packets_lost_meanwhile,
     {{silent_drop, -2.0},
      {server_no_reply, -2.0},
      {client_vanished, -2.0},
      {accept_queue_overflow, -1.0},
      {client_abort, -1.0},
      {acl_denied, -0.5},
      {connection_limit, -0.5}}},
    // Order and number are what holes change; words, and the numbers of packets that are there, stay true.
    {"holes-beside-a-close",
     evidence::holes_beside_a_close,
     {{acl_denied, -1.5}, {connection_limit, -1.5}, {rate_limit, -1.5}, {app_crash, -1.5}}},
    // Nothing is easier to lose than a single answer.
    {"holes-beside-silence", evidence::holes_beside_silence, {{silent_drop, -2.5}, {accept_queue_overflow, -2.5}}},
    // A closed port shows so from the clients' side; but so do other things.
    {"answers-not-captured", evidence::answers_not_captured, {{silent_drop, -2.5}, {accept_queue_overflow, -2.0}}},
    // One direction is never surer than both.
    {"reset-only-supposed",
     evidence::reset_only_supposed,
     {{acl_denied, -2.5}, {connection_limit, -2.5}, {rate_limit, -2.5}, {app_crash, -2.0}}},
});

}  // namespace

std::span<const Weight> prior_of(Ending ending) {
  const auto row = std::ranges::find(kPriors, ending, &EndingPrior::ending);
  return row == kPriors.end() ? std::span<const Weight>() : row->causes.view();
}

std::span<const EvidenceRow> evidence_table() { return kEvidence; }

}  // namespace doorslam::diagnose
