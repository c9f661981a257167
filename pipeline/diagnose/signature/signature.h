#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/diagnose/cause.h"
#include "pipeline/tcp/connection.h"

/// What programs are known to say when they refuse, or greet: one record of config/signatures/*.yaml.
namespace doorslam::diagnose {

/// How probable a cause is once the signature has matched. What the weights leave of 1 is unsaid.
struct CauseWeight {
  Cause cause = Cause::unknown;
  double weight = 0.0;  ///< 0 < weight <= 1

  friend bool operator==(const CauseWeight&, const CauseWeight&) = default;
};

/// Ports from first to last, both included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// How much a match says. The files may give a name or a number in between.
namespace specificity {
inline constexpr double kExact = 0.95;    ///< the very words of one program, for one reason
inline constexpr double kProgram = 0.8;   ///< the words of one program, for several reasons
inline constexpr double kProtocol = 0.6;  ///< a code that its protocol alone uses, whatever the program
inline constexpr double kGeneric = 0.4;   ///< a code that other protocols use too: needs its context
inline constexpr double kGreeting = 0.1;  ///< an ordinary answer: anything else that matches says more
}  // namespace specificity

/// One signature. Its words are facts about a program or a standard; `source` says where they can be read.
struct Signature {
  static constexpr std::string_view kAnyProtocol = "text";  ///< of words that are said in many

  std::string name;                       ///< unique, kebab-case, e.g. "vsftpd-max-clients"
  std::string program;                    ///< e.g. "vsftpd"; "any" where a standard fixes the words
  std::string protocol;                   ///< e.g. "ftp"
  std::vector<PortRange> ports;           ///< where the protocol usually lives: a hint, never a condition by itself
  tcp::Side side = tcp::Side::responder;  ///< who says it
  std::string expression;                 ///< Hyperscan's subset of PCRE; ^ is a segment's start, with (?m) a line's
  std::vector<CauseWeight> causes;        ///< heaviest first; weights sum to at most 1
  double specificity = 0.0;               ///< 0 to 1
  bool needs_context = false;      ///< counts only where the port fits or the protocol was recognised by other words
  bool first_words = false;        ///< counts only in the first segment that the side sends, as a greeting does
  bool success = false;            ///< the server does what was asked of it: whatever it refused before is overcome
  bool needs_credentials = false;  ///< counts only where the client has sent credentials: else it asks for them
  bool before_mail = false;        ///< counts only where the client has begun no message: afterwards that is refused
  bool enabled = true;
  std::string source;                   ///< repository and file, or RFC and section
  std::string sample;                   ///< octets that the expression matches
  std::vector<std::string> overlaps;    ///< signatures of other causes known to match the sample as well
  std::string file;                     ///< where it was read
  std::uint32_t line = 0;               ///< counted from 1
  std::uint32_t expression_line = 0;    ///< where the expression begins, counted from 1
  std::uint32_t expression_column = 0;  ///< likewise

  /// The heaviest cause; `unknown` where none is given.
  Cause main_cause() const { return causes.empty() ? Cause::unknown : causes.front().cause; }
  double weight_of(Cause cause) const;
  bool has_port(std::uint16_t port) const;

  friend bool operator==(const Signature&, const Signature&) = default;
};

}  // namespace doorslam::diagnose
