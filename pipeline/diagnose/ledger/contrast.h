#pragma once

#include <cstdint>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/diagnose/chance.h"
#include "pipeline/diagnose/opening.h"
#include "pipeline/tcp/connection.h"

/// What the other connections of a server say beside the one that is judged: figures, without a weight.
namespace doorslam::diagnose {

/// Whom a judgement is about.
struct Subject {
  flowtable::Endpoint server;
  flowtable::IpAddress client;
  std::uint64_t connection_id = 0;
  flowtable::TimeNs accepted_ns = 0;  ///< handshake complete, or first packet
  flowtable::TimeNs closed_ns = 0;    ///< the server's FIN or RST
  flowtable::DurationNs idle_ns = 0;  ///< from the last payload to the close
  std::uint32_t words = 0;
  Opening opening = Opening::none;
  bool closed_at_rest = false;          ///< by a FIN that left nothing unanswered
  bool beginning_seen = true;           ///< before accepted_ns it was not there
  flowtable::DurationNs answer_ns = 0;  ///< from acceptance to the server's first words; 0: it said nothing
};

/// One figure at the moment of acceptance: what the subject met, and the ceiling that best parts the served from the
/// refused. A limit shows as such a step; without one, `ceiling` is 0 or parts them badly.
struct LoadFigure {
  std::uint32_t subject = 0;         ///< at the subject's acceptance, the subject not counted
  std::uint32_t served_as_high = 0;  ///< other connections that met the subject's figure or more, and were served
  std::uint32_t ceiling = 0;         ///< the least figure that counts as too much; 0: none
  std::uint32_t served_below = 0;    ///< served under the ceiling
  std::uint32_t served_from = 0;     ///< served at the ceiling or above
  std::uint32_t refused_below = 0;
  std::uint32_t refused_from = 0;  ///< the subject included

  bool at_ceiling() const { return ceiling > 0 && subject >= ceiling; }
  double fit() const { return Parting{refused_from, refused_below, served_from, served_below}.fit(); }

  friend bool operator==(const LoadFigure&, const LoadFigure&) = default;
};

/// Several servers behind one address, told apart by their SYN-ACKs: the one that the subject met, and the others.
struct ServersBehind {
  tcp::AnsweringStack here;        ///< where their habits tell them apart; so the next
  tcp::AnsweringStack elsewhere;   ///< one of the others
  std::uint32_t others = 0;        ///< 0: one server alone answers at this address, as far as can be told
  std::uint32_t refused_here = 0;  ///< the subject included
  std::uint32_t served_here = 0;
  std::uint32_t refused_elsewhere = 0;
  std::uint32_t served_elsewhere = 0;
  std::uint32_t served_meanwhile = 0;  ///< elsewhere, accepted between the first and the last refusal here
  std::uint32_t same_client_served_here = 0;
  std::uint32_t clients_of_both = 0;  ///< so that the difference is not that of the clients, or of the ways to them
  double chance = 1.0;                ///< that so many of the refusals fell to one of them, drawn blindly; 0 to 1

  friend bool operator==(const ServersBehind&, const ServersBehind&) = default;
};

/// The refusals around the subject's between which, by their times of acceptance, nobody was served: what begins at
/// some time, and does not ask for the load.
struct Spell {
  std::uint32_t refused = 0;                ///< in it, the subject included
  std::uint32_t refused_else = 0;           ///< the others
  std::uint32_t served_before = 0;          ///< that were accepted earlier
  std::uint32_t open = 0;                   ///< accepted in it and not ended yet: they may be served
  std::uint32_t clients = 0;                ///< refused in it
  std::uint32_t clients_served_before = 0;  ///< those of them that were served before it
  std::uint32_t others_served = 0;          ///< in it, of clients that were never refused
  std::uint32_t other_clients = 0;          ///< these
  std::uint32_t least_open = 0;             ///< sessions that stood open at its refusals, at least
  bool has_ended = false;                   ///< somebody was served after it
  std::uint32_t open_at_end = 0;            ///< sessions that the first of those met
  flowtable::DurationNs lasting_ns = 0;     ///< from its first refusal to its last
  flowtable::DurationNs since_ns = 0;       ///< from its first refusal to the subject's

  /// The share of the refusals that it holds, 0 to 1. The served lie outside by its definition, so this is how well
  /// time parts the two (compare LoadFigure::fit()).
  double fit() const { return refused == 0 ? 0.0 : static_cast<double>(refused) / (refused + refused_else); }

  friend bool operator==(const Spell&, const Spell&) = default;
};

/// Whom the kernel let in around a subject that it did not. Times are kNoTime where there was none.
struct Acceptances {
  flowtable::TimeNs before_ns = 0;     ///< the latest up to the subject's beginning
  flowtable::TimeNs after_ns = 0;      ///< the first after the subject's end
  std::uint32_t served_meanwhile = 0;  ///< of other clients, accepted while this one was ignored, and served
  std::uint32_t served_as_late = 0;    ///< served connections that lasted as long as the server took to answer here
  std::uint32_t served_otherwise = 0;  ///< served connections that lasted shorter or longer
  std::uint32_t resets = 0;            ///< SYNs of the subject's client that were reset, the subject's included
  std::uint32_t resets_of_others = 0;  ///< of clients whose SYNs were reset in the same time
  std::uint32_t between_resets = 0;    ///< accepted between the first and the last reset of the subject's client
  bool some_let_in_again = false;      ///< a client whose SYN was reset was accepted later

  friend bool operator==(const Acceptances&, const Acceptances&) = default;
};

/// Connections of one client, others than the subject.
struct Tally {
  std::uint32_t served = 0;
  std::uint32_t refused = 0;  ///< silently or in words

  friend bool operator==(const Tally&, const Tally&) = default;
};

/// Distinct clients.
struct ClientCounts {
  std::uint32_t served = 0;   ///< others than the subject's
  std::uint32_t refused = 0;  ///< likewise
  std::uint32_t both = 0;     ///< served and refused, the subject's included

  friend bool operator==(const ClientCounts&, const ClientCounts&) = default;
};

/// What the subject met at its acceptance.
struct LoadFigures {
  LoadFigure open_total;       ///< sessions open on this server
  LoadFigure open_client;      ///< sessions open between this client and this server
  LoadFigure arrivals_total;   ///< connections accepted in the second before
  LoadFigure arrivals_client;  ///< connections of this client in the minute before

  friend bool operator==(const LoadFigures&, const LoadFigures&) = default;
};

/// Other sessions around the subject's end. Together with it: within 30 ms.
struct Endings {
  /// The server cut them short together with it, no idle timer's; those at rest only where one, or the subject, was
  /// not.
  std::uint32_t cut_short = 0;
  std::uint32_t at_rest = 0;        ///< the same where all of them were at rest
  std::uint32_t stopped = 0;        ///< the same with idle timers, and with those that ended on their client's words
  std::uint32_t unseen = 0;         ///< that it ended together with it, whose beginning was not captured
  std::uint32_t told_of_crash = 0;  ///< that it told together with it that it had crashed, and ended
  std::uint32_t told_of_stop = 0;   ///< the same, that it was being stopped
  std::uint32_t went_on = 0;        ///< that were open then and outlived it

  friend bool operator==(const Endings&, const Endings&) = default;
};

/// Other connections that the server left without a word: whether a timer did it.
struct Timers {
  std::uint32_t same_age = 0;     ///< closed at the subject's age, begun at other times
  std::uint32_t same_pause = 0;   ///< that asked, and were left or closed as long after their last words
  std::uint32_t other_pause = 0;  ///< the same, but not as long

  friend bool operator==(const Timers&, const Timers&) = default;
};

/// Who spoke first on other connections, and who was never spoken to.
struct Speech {
  std::uint32_t served_on_asking = 0;  ///< served connections on which the client spoke first
  std::uint32_t served_unasked = 0;    ///< served connections on which the server did
  std::uint32_t never_answered = 0;    ///< that were accepted, asked for something, and got nothing
  std::uint32_t idle_beside = 0;       ///< open at the subject's acceptance, for a second at least, unserved

  friend bool operator==(const Speech&, const Speech&) = default;
};

/// With which first words the server meets its clients.
struct Greetings {
  std::uint32_t went_further = 0;  ///< served connections on which the server did not hang up soon
  std::uint32_t usual = 0;         ///< of these, those whose first words are known
  std::uint32_t kinds = 0;         ///< different words among these
  std::uint32_t served_same = 0;   ///< served connections that were told the same first words as the subject

  friend bool operator==(const Greetings&, const Greetings&) = default;
};

/// How the clients begin to speak.
struct Openings {
  std::uint32_t served_same = 0;   ///< served connections whose client began as the subject's did
  std::uint32_t served_other = 0;  ///< served connections whose client began otherwise
  Opening other = Opening::none;   ///< how all of those began; none: in several ways

  friend bool operator==(const Openings&, const Openings&) = default;
};

/// The figures that tell the hypotheses apart.
struct Contrast {
  bool subject_accepted = false;  ///< the subject itself is on the table: only then are there load figures of it
  std::uint32_t served = 0;       ///< connections served in the window, others than the subject
  std::uint32_t refused = 0;      ///< refused likewise, silently or in words
  Tally same_client;
  ClientCounts clients;
  LoadFigures load;
  Endings endings;
  Timers timers;
  Speech speech;
  Greetings greetings;
  Openings openings;
  ServersBehind servers_by_habits;        ///< TTL, DF, IP ID, window
  ServersBehind servers_by_clocks;        ///< only of clients that met several (host_clocks.h)
  Spell spell;                            ///< in which nobody was served
  Spell spell_of_some;                    ///< in which nobody was served of those clients that are refused at some time
  flowtable::TimeNs served_again_ns = 0;  ///< first connection accepted after the subject's end and served
  Acceptances acceptances;

  friend bool operator==(const Contrast&, const Contrast&) = default;
};

}  // namespace doorslam::diagnose
