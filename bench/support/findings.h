#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/support/contest.h"

namespace doorslam::bench {

/// What the measuring programs have in common on their command line.
struct Wishes {
  std::string json;    ///< file to write the findings to; empty: none
  bool quick = false;  ///< fewer rounds, smaller tables: to see that it works, not to quote
};

/// Collects what a program measured; prints it line by line as it comes, and writes all of it as JSON in the end:
///   {"ratios": {ID: {"minimum", "median"}}, "cycles": {SERIES: {NAME: {"minimum", "median"}}}, "facts": {NAME: VALUE}}
class Findings {
 public:
  /// Prints the help, or the mistake, and ends the program where the command line asks for it.
  Findings(int argc, char** argv, const std::string& what);

  bool quick() const { return wishes_.quick; }
  /// `rounds`, or a few where only a quick look is wanted.
  std::size_t rounds(std::size_t rounds) const { return wishes_.quick ? 5 : rounds; }

  void ratio(const std::string& id, const Timing& value);
  void cycles(const std::string& series, const std::string& name, const Timing& value);
  void fact(const std::string& name, nlohmann::json value);

  /// The program's exit code: 1 where the file could not be written.
  int finish() const;

 private:
  Wishes wishes_;
  nlohmann::json all_;
};

}  // namespace doorslam::bench
