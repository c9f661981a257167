#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/cause.h"

namespace doorslam::app {

/// What `doorslam alerts` is asked.
struct AlertsQuestion {
  std::string id;                    ///< the beginning of an event.id; empty: a list
  std::string store;                 ///< file, over the settings'; empty: theirs
  std::vector<std::string> causes;   ///< empty: any
  std::vector<std::string> servers;  ///< networks; empty: any
  int least_severity = 0;
  std::size_t limit = 100;  ///< 0: all
  bool flows = false;       ///< flow records as well
  bool json = false;
  bool sinks = false;  ///< how far the sinks are
  std::string resend;  ///< sink that is to send the chosen once more
};

/// What the user asked for.
struct CommandLine {
  enum class Command { read, run, top, check, alerts, explain, print_config };

  Command command = Command::read;
  std::vector<std::string> captures;     ///< read: files, "-" is standard input
  std::string filter;                    ///< read, run: which packets to take, as pcap-filter(7); empty: all
  std::optional<diagnose::Cause> cause;  ///< explain: nothing means the list of causes
  bool markdown = false;                 ///< explain: all causes, as docs/causes.md has them
  std::string config_file;               ///< empty: defaults
  std::vector<std::string> settings;     ///< "key=value", later ones win
  std::string flows;                     ///< file for flow records, "-" is standard output, empty: none
  std::string alerts;                    ///< likewise for alerts
  std::string evidence;                  ///< folder for the packets of incidents; empty: as configured
  std::string json;                      ///< check: file for the findings, "-" is standard output, empty: none
  std::optional<unsigned> workers;
  std::vector<std::string> ports;        ///< run: PCI addresses; with `vdevs` one port group
  std::vector<std::string> vdevs;        ///< run: specifications of virtual devices
  std::string lcores;                    ///< run: CPUs for workers and receivers, empty: as configured
  bool no_huge = false;                  ///< run: ordinary memory in place of huge pages
  std::optional<double> stop_when_idle;  ///< run: seconds without a packet after which to end
  AlertsQuestion question;               ///< alerts
  std::string file_prefix;               ///< top: of the sensor to watch; empty: the only one
  double interval_seconds = 1.0;         ///< top: between two looks
  bool once = false;                     ///< top: plain text, once
  bool ignore_checksums = false;
  bool quiet = false;
};

/// Parses argv. Errors (usage) are one line. Where --help or --version was asked for, prints it and returns nothing.
Result<std::optional<CommandLine>> parse_command_line(int argc, const char* const* argv);

}  // namespace doorslam::app
