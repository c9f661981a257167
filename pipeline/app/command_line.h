#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/cause.h"

namespace doorslam::app {

/// What the user asked for.
struct CommandLine {
  enum class Command { read, check, explain, print_config };

  Command command = Command::read;
  std::vector<std::string> captures;     ///< read: files, "-" is standard input
  std::optional<diagnose::Cause> cause;  ///< explain: nothing means the list of causes
  std::string config_file;               ///< empty: defaults
  std::vector<std::string> settings;     ///< "key=value", later ones win
  std::string flows;                     ///< file for flow records, "-" is standard output, empty: none
  std::string alerts;                    ///< likewise for alerts
  std::string json;                      ///< check: file for the findings, "-" is standard output, empty: none
  std::optional<unsigned> workers;
  bool ignore_checksums = false;
  bool quiet = false;
};

/// Parses argv. Errors (usage) are one line. Where --help or --version was asked for, prints it and returns nothing.
Result<std::optional<CommandLine>> parse_command_line(int argc, const char* const* argv);

}  // namespace doorslam::app
