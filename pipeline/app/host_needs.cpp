#include "pipeline/app/host_needs.h"

#include <fmt/format.h>

#include "config/options.h"
#include "flowtable/flow_key.h"
#include "flowtable/flow_table.h"
#include "pipeline/alert/text.h"
#include "pipeline/tcp/evidence.h"
#include "pipeline/tcp/flow_record.h"

namespace doorslam::app {
namespace {

host::MemoryNeed of_records(std::string_view what, std::uint64_t count, std::uint64_t octets_each) {
  return {fmt::format("{} {} x {} octets", what, alert::grouped(count), octets_each), count * octets_each, {}};
}

/// A connection's slot in the table, and its details beside it.
template <class Key>
constexpr std::uint64_t octets_per_flow() {
  return flowtable::FlowTable<Key, tcp::FlowRecord>::kOctetsPerSlot + sizeof(tcp::FlowDetails);
}

void add_tables(const config::Settings& settings, host::Needs& needs) {
  const tcp::TrackerOptions options = config::tracker_options(settings);
  needs.normal_memory.push_back(
      of_records("IPv4 connections", options.capacity_flows, octets_per_flow<flowtable::FlowKey4>()));
  needs.normal_memory.push_back(
      of_records("IPv6 connections", options.capacity_flows6, octets_per_flow<flowtable::FlowKey6>()));
  needs.normal_memory.push_back(of_records("evidence", options.evidence_capacity, sizeof(tcp::Evidence)));
  needs.transparent_huge_pages = options.pages == flowtable::Pages::huge;
}

}  // namespace

host::Needs host_needs(const config::Settings& settings) {
  host::Needs needs;
  add_tables(settings, needs);
  return needs;
}

}  // namespace doorslam::app
