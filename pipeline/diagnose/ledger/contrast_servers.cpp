#include <algorithm>
#include <array>

#include "pipeline/diagnose/ledger/contrast_table.h"

/// Whether several servers answer behind the one address, and whether one of them does the refusing.
namespace doorslam::diagnose {

namespace {

/// The windows of one host differ with what clients offer, and so do its options: only what no client decides counts.
bool is_same_server(const tcp::AnsweringStack& a, const tcp::AnsweringStack& b) {
  if (a.ttl != b.ttl || a.dont_fragment != b.dont_fragment || a.ip_id_zero != b.ip_id_zero) return false;
  return a.options != b.options || a.window == b.window;
}

/// Served and refused by each of those that answered at one endpoint, `here` being the one that the subject met.
class StackCounts {
 public:
  StackCounts(const AnsweringStacks& stacks, std::uint8_t here) : stacks_(stacks), here_(stacks.numbered(here)) {}

  bool is_here(std::uint8_t number) const { return is_same_server(stacks_.numbered(number), here_); }
  void add_served(std::uint8_t number) { ++served_[number]; }
  void add_refused(std::uint8_t number) { ++refused_[number]; }

  void tell(ServersBehind& out) const {
    out.here = here_;
    std::uint32_t most_served = 0;
    for (std::uint8_t number = 1; number <= stacks_.count(); ++number) {
      if (is_here(number)) {
        out.served_here += served_[number];
        continue;
      }
      out.refused_elsewhere += refused_[number];
      out.served_elsewhere += served_[number];
      if (served_[number] + refused_[number] == 0) continue;  // not on the table
      out.others += is_first_of_its_server(number) ? 1 : 0;
      if (served_[number] <= most_served) continue;
      most_served = served_[number];
      out.elsewhere = stacks_.numbered(number);
    }
  }

 private:
  bool is_first_of_its_server(std::uint8_t number) const {
    for (std::uint8_t earlier = 1; earlier < number; ++earlier) {
      if (served_[earlier] + refused_[earlier] == 0) continue;
      if (is_same_server(stacks_.numbered(earlier), stacks_.numbered(number))) return false;
    }
    return true;
  }

  const AnsweringStacks& stacks_;
  const tcp::AnsweringStack& here_;
  std::array<std::uint32_t, AnsweringStacks::kMost + 1> served_{};  ///< by number
  std::array<std::uint32_t, AnsweringStacks::kMost + 1> refused_{};
};

}  // namespace

void ContrastTable::count_servers_by_habits(const AnsweringStacks& stacks, Contrast& out) {
  if (stacks.count() < 2) return;
  const auto found = std::ranges::find_if(rows_, &TableRow::is_subject);
  if (found == rows_.end() || found->stack == 0) return;
  StackCounts counts(stacks, found->stack);
  ServersBehind& servers = out.servers_by_habits;
  std::uint32_t served_since = 0;
  for (const TableRow& row : rows_) {
    if (row.stack == 0) continue;
    const bool here = counts.is_here(row.stack);
    Client& client = clients_[row.client_number];
    (here ? client.met_here : client.met_elsewhere) = true;
    if (row.is_subject || row.refused()) {
      counts.add_refused(row.stack);
      if (!here) continue;
      // Before the first refusal the other server may have been the only one.
      if (servers.refused_here++ > 0) servers.served_meanwhile += served_since;
      served_since = 0;
    } else if (row.served()) {
      counts.add_served(row.stack);
      served_since += here ? 0 : 1;
      servers.same_client_served_here += here && row.client_number == found->client_number ? 1 : 0;
    }
  }
  counts.tell(servers);
  servers.clients_of_both = static_cast<std::uint32_t>(
      std::ranges::count_if(clients_, [](const Client& client) { return client.met_here && client.met_elsewhere; }));
  servers.chance = chance_of(
      Draw{.all = servers.refused_here + servers.served_here + servers.refused_elsewhere + servers.served_elsewhere,
           .marked = servers.refused_here + servers.served_here,
           .drawn = servers.refused_here + servers.refused_elsewhere,
           .drawn_marked = servers.refused_here});
}

/// What the hosts' clocks were when they answered this client, by time.
void ContrastTable::read_clocks(std::uint32_t client_number) {
  clock_readings_.clear();
  for (std::uint32_t at = clients_[client_number].latest_row; at != 0; at = rows_[at - 1].client_before) {
    const TableRow& row = rows_[at - 1];
    const Fate fate = row.is_subject || row.refused() ? Fate::refused : row.served() ? Fate::served : Fate::open;
    clock_readings_.push_back(
        {.time_ns = row.accepted_ns, .clock = row.clock, .fate = fate, .is_subject = row.is_subject});
  }
  std::reverse(clock_readings_.begin(), clock_readings_.end());
}

/// Clocks can be compared for one client at a time only, so each client that met several hosts is a witness by itself.
void ContrastTable::count_servers_by_clocks(Contrast& out) {
  const auto subject = std::ranges::find_if(rows_, &TableRow::is_subject);
  if (subject == rows_.end() || subject->clock == 0) return;
  read_clocks(subject->client_number);
  const std::uint32_t rate = clock_rate(clock_readings_);
  const HostTally own = rate == 0 ? HostTally{} : tally_hosts(clock_readings_, rate);
  if (own.hosts < 2) return;
  ServersBehind& servers = out.servers_by_clocks;
  servers.same_client_served_here = own.served_here;
  for (std::uint32_t number = 0; number < clients_.size(); ++number) {
    read_clocks(number);
    const HostTally tally = tally_hosts(clock_readings_, rate);
    if (tally.hosts < 2) continue;
    ++servers.clients_of_both;
    servers.others = std::max(servers.others, tally.hosts - 1);
    servers.refused_here += tally.refused_here;
    servers.served_here += tally.served_here;
    servers.refused_elsewhere += tally.refused_elsewhere;
    servers.served_elsewhere += tally.served_elsewhere;
    servers.served_meanwhile += tally.served_meanwhile;
    servers.chance *= tally.chance;
  }
}

}  // namespace doorslam::diagnose
