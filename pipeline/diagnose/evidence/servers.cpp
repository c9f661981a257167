#include "pipeline/diagnose/evidence/servers.h"

#include <fmt/format.h>

#include <vector>

#include "pipeline/base/text.h"

namespace doorslam::diagnose::evidence {

namespace {

/// Whether the one that the subject met refuses, and the others do not.
bool is_the_one(const ServersBehind& k) {
  constexpr double kBelievable = 0.001;
  constexpr std::uint32_t kLeastMeanwhile = 2;
  constexpr std::uint32_t kNearlyAll = 20;  // of that many one may be otherwise
  if (k.others == 0) return false;
  // A limit that one of them reaches now and then refuses some.
  if (k.served_here > k.refused_here || k.refused_elsewhere * kNearlyAll > k.served_elsewhere) return false;
  // TTL and window may be those of the way to some clients, or what their SYNs asked for, unless one client was shown
  // both; and what came after the other may have come instead of it.
  if (k.clients_of_both == 0 || k.served_meanwhile < kLeastMeanwhile) return false;
  return k.chance <= kBelievable;
}

}  // namespace

const ServersBehind* servers_of_which_one_refuses(const Case& c) {
  if (!c.looks_refused()) return nullptr;
  // Habits are there for all clients to see, clocks only for those that met both.
  if (is_the_one(c.contrast.servers_by_habits)) return &c.contrast.servers_by_habits;
  return is_the_one(c.contrast.servers_by_clocks) ? &c.contrast.servers_by_clocks : nullptr;
}

std::optional<OneOfServers> one_of_servers(const Case& c) {
  const ServersBehind* const k = servers_of_which_one_refuses(c);
  if (k == nullptr) return std::nullopt;
  return OneOfServers{.by_clocks = k == &c.contrast.servers_by_clocks,
                      .refusing = k->here,
                      .serving = k->elsewhere,
                      .others = k->others,
                      .clients_of_both = k->clients_of_both,
                      .refused = k->refused_here,
                      .served = k->served_here,
                      .refused_elsewhere = k->refused_elsewhere,
                      .served_elsewhere = k->served_elsewhere};
}

/// Whom another server behind the address serves may well be on this one's list; and a limit refuses now and then, not
/// always.
std::optional<Finding> one_server_refuses(const Case& c) {
  const auto one = one_of_servers(c);
  if (!one) return std::nullopt;
  const double strength = one->served == 0 ? 1.0 : 0.5;
  const std::string refusals = fmt::format("{} of {} came from", one->refused,
                                           counted(one->refused + one->refused_elsewhere, "refusal", "refusals"));
  const std::string servers = counted(one->others + 1, "server", "servers") + " behind this address";
  const std::string served = fmt::format("which served {} of {}", one->served, one->served + one->served_elsewhere);
  if (!one->by_clocks) {
    return Finding{fmt::format("{} the one of {} whose SYN-ACKs have {}, {}", refusals, servers,
                               habits_in_words(one->refusing, one->serving), served),
                   strength};
  }
  return Finding{
      fmt::format("{} one of {}, {}: the clocks in the SYN-ACKs (TSval) tell them apart for {} that met both", refusals,
                  servers, served, counted(one->clients_of_both, "client", "clients")),
      strength};
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
