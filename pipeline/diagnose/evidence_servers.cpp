#include "pipeline/diagnose/evidence_servers.h"

#include <fmt/format.h>

#include <vector>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/chance.h"

namespace doorslam::diagnose::evidence {

std::optional<OneOfServers> one_of_servers(const Case& c) {
  constexpr double kBelievable = 0.001;
  constexpr std::uint32_t kLeastMeanwhile = 2;
  constexpr std::uint32_t kNearlyAll = 20;  // of that many one may be otherwise
  const ServersBehind& k = c.contrast.servers;
  if (k.others == 0 || !c.looks_refused()) return std::nullopt;
  // A limit that one of them reaches now and then refuses some.
  if (k.served_here > k.refused_here || k.refused_elsewhere * kNearlyAll > k.served_elsewhere) return std::nullopt;
  // TTL and window may be those of the way to some clients, or what their SYNs asked for, unless one client was shown
  // both; and what came after the other may have come instead of it.
  if (!k.one_client_met_both || k.served_meanwhile < kLeastMeanwhile) return std::nullopt;
  const std::uint32_t all = k.refused_here + k.served_here + k.refused_elsewhere + k.served_elsewhere;
  const Draw draw{.all = all,
                  .marked = k.refused_here + k.served_here,
                  .drawn = k.refused_here + k.refused_elsewhere,
                  .drawn_marked = k.refused_here};
  if (chance_of(draw) > kBelievable) return std::nullopt;
  return OneOfServers{.refusing = k.here,
                      .serving = k.elsewhere,
                      .others = k.others,
                      .refused = k.refused_here,
                      .served = k.served_here,
                      .refused_elsewhere = k.refused_elsewhere,
                      .served_elsewhere = k.served_elsewhere};
}

/// Whom another server behind the address serves may well be on this one's list; and a limit refuses now and then, not
/// always.
std::optional<Finding> one_server_refuses(const Case& c) {
  const auto one = one_of_servers(c);
  if (!one) return std::nullopt;
  return Finding{
      fmt::format("{} of {} came from the one of {} behind this address whose SYN-ACKs have {}, which served "
                  "{} of {}",
                  one->refused, counted(one->refused + one->refused_elsewhere, "refusal", "refusals"),
                  counted(one->others + 1, "server", "servers"), habits_in_words(one->refusing, one->serving),
                  one->served, one->served + one->served_elsewhere),
      one->served == 0 ? 1.0 : 0.5};
}

}  // namespace doorslam::diagnose::evidence

namespace doorslam::diagnose {

std::string habits_in_words(const tcp::AnsweringStack& stack, const tcp::AnsweringStack& other) {
  std::vector<std::string> habits;
  if (stack.ttl != other.ttl) habits.push_back(fmt::format("TTL {}", stack.ttl));
  if (stack.window != other.window) habits.push_back(fmt::format("window {}", stack.window));
  if (stack.dont_fragment != other.dont_fragment) habits.push_back(stack.dont_fragment ? "DF" : "no DF");
  if (stack.ip_id_zero != other.ip_id_zero) habits.push_back(stack.ip_id_zero ? "IP ID 0" : "an IP ID other than 0");
  std::string words;
  for (std::size_t i = 0; i < habits.size(); ++i) {
    words += (i == 0 ? "" : i + 1 == habits.size() ? " and " : ", ") + habits[i];
  }
  return words;
}

}  // namespace doorslam::diagnose
