#pragma once

#include <string>
#include <vector>

#include "pipeline/alert/incident.h"

/// Incidents in sentences, for alerts and report.
namespace doorslam::alert {

/// When it happened.
struct IncidentTimes {
  flowtable::TimeNs first_ns = 0;
  flowtable::TimeNs last_ns = 0;
  bool cut_off = false;  ///< the connections were cut off then; else they began
};

/// By the starts of its connections. Whom a crash cut off may have come hours before: so of a crash by their ends.
IncidentTimes times_of(const Incident& incident) noexcept;
/// "198.51.100.5:21 (vsftpd)", "198.51.100.5, 65,536 ports", "14 servers".
std::string place_words(const Incident& incident);
/// "refused"; "cut off" by a crash; "failed" where the client itself did.
std::string_view fate_word(diagnose::Cause cause) noexcept;
/// "low", "medium", "high", "critical" for ECS's event.severity; empty for 0 (a connection).
std::string_view severity_word(std::int64_t severity) noexcept;
/// "12 connections of 3 clients refused".
std::string scale_words(const Incident& incident);
/// "Connection limit reached: 198.51.100.5:21 (vsftpd), 12 connections of 3 clients refused".
std::string headline(const Incident& incident);
/// What many refusals together look like ("a port scan", "a SYN flood"), in a sentence; empty where like nothing.
std::string pattern_words(const Incident& incident);
/// "24 maintenance, 3 acl_denied (postfix-relay-denied)": how its connections were read; empty where all were alike.
std::string reason_words(const Incident& incident);
/// What was served meanwhile (which the reader is told), in a sentence; empty where the scope knows no contrast.
std::string contrast_words(const Incident& incident);
/// Which of several servers behind the address refuses; empty where that is not known.
std::string server_words(const Incident& incident);
/// What the refused times have in common: "all 24 refusals fell into 3 spells ..."; empty where nothing beyond chance,
/// or a limit explains it.
std::string times_words(const Incident& incident);
/// The address prefixes that are refused; empty where addresses do not decide, or there is one refused client.
std::string prefix_words(const Incident& incident);
/// The limit that the sample connection met: "refuses from 4 open sessions on: ..."; empty where none was learned.
std::string limit_words(const Incident& incident);
/// What the capture lacks, a sentence each; empty when it was whole.
std::vector<std::string> loss_words(const CaptureQuality& quality);
/// What the mirror delivered more than once, in a sentence; empty when nothing.
std::string copy_words(const CaptureQuality& quality);
/// "3", "about 48,000" for an estimate, "512 or more" for a lower bound.
std::string count_words(const DistinctCount& count);

/// The program that a signature named, or empty.
std::string program_of(const Incident& incident);
/// The protocol: by signature, else by the port's registration, else empty.
std::string protocol_of(const Incident& incident);

}  // namespace doorslam::alert
