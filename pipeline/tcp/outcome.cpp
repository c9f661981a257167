#include "pipeline/tcp/outcome.h"

#include <string_view>

#include "pipeline/tcp/sequence.h"

namespace doorslam::tcp {
namespace {

constexpr bool is_silent(EndpointState state) {
  return state == EndpointState::inactive || state == EndpointState::partial;
}

/// The originator's SYN and then its RST, and nothing of it between that would have made a connection of it.
bool is_abandoned_syn(std::string_view history) {
  if (history.starts_with('^')) history.remove_prefix(1);
  if (!history.starts_with('S')) return false;
  const std::size_t rst = history.find('R');
  return rst != std::string_view::npos && history.substr(0, rst).find_first_of("HAFGIQ") == std::string_view::npos;
}

ConnState state_when_responder_reset(const FlowRecord& flow, const FlowDetails& details,
                                     const Irregularities& irregular, EndpointState originator) {
  if (originator == EndpointState::syn_sent) return ConnState::REJ;
  const bool nothing_sent = payload_octets(flow, details, irregular, Side::originator) == 0 &&
                            payload_octets(flow, details, irregular, Side::responder) == 0;
  if (originator == EndpointState::reset && nothing_sent) return ConnState::REJ;
  return is_silent(originator) ? ConnState::RSTRH : ConnState::RSTR;
}

/// Zeek's conn_state (base/protocols/conn/main.zeek).
ConnState conn_state_of(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular) {
  if (flow.endpoints_are(EndpointState::syn_sent, EndpointState::inactive)) return ConnState::S0;
  const EndpointStates states = flow.states();
  const EndpointState originator = states.of(Side::originator);
  const EndpointState responder = states.of(Side::responder);
  if (responder == EndpointState::reset) return state_when_responder_reset(flow, details, irregular, originator);
  if (originator == EndpointState::reset) {
    if (!is_silent(responder)) return ConnState::RSTO;
    return is_abandoned_syn(details.history.unpack().view()) ? ConnState::RSTOS0 : ConnState::OTH;
  }
  if (originator == EndpointState::closed && responder == EndpointState::closed) return ConnState::SF;
  if (originator == EndpointState::closed) return is_silent(responder) ? ConnState::SH : ConnState::S2;
  if (responder == EndpointState::closed) return is_silent(originator) ? ConnState::SHR : ConnState::S3;
  if (originator == EndpointState::established && responder == EndpointState::established) return ConnState::S1;
  return ConnState::OTH;
}

/// How far it got.
Stage stage_of(const FlowRecord& flow) {
  if (!flow.has(FlowFlag::open)) {
    const bool answered = flow.states().of(Side::responder) != EndpointState::inactive;
    return answered || flow.has(FlowFlag::mid_stream) ? Stage::handshake : Stage::syn;
  }
  if (flow.exchanges() > 1) return Stage::established;
  if (flow.exchanges() == 1) return Stage::response;
  if (flow.has(SideFlag::payload, Side::originator)) return Stage::request;
  return flow.has(SideFlag::payload, Side::responder) ? Stage::greeting : Stage::accepted;
}

/// `totals` is as new.
void summarize_side(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular, Side side,
                    SideTotals& totals) {
  const SideIrregularities& own = irregular.of(side);
  totals.packets = std::uint64_t{own.packet_carries} << 16U | flow.packets[index_of(side)];
  totals.retransmissions = own.retransmissions;
  totals.zero_windows = own.zero_windows;
  // A side that was never captured has neither payload nor gaps: it is missing altogether.
  if (flow.state_of(side) == EndpointState::inactive) return;
  totals.payload_bytes = payload_octets(flow, details, irregular, side);
  totals.gap_bytes = own.gap_bytes;
}

/// A SYN that nobody answered, and that is all: what a flood leaves by the million.
bool is_lone_syn(const FlowRecord& flow, const FlowDetails& details) {
  return flow.endpoints_are(EndpointState::syn_sent, EndpointState::inactive) && flow.packets[0] == 1 &&
         flow.packets[1] == 0 && !flow.has_any(SideFlag::payload) && !IrregularityPool::has(details) &&
         details.history.is(HistoryLetter::syn, Side::originator);
}

/// The rest of summarize() for such a connection.
void summarize_lone_syn(const FlowRecord& flow, const FlowDetails& details, ConnectionSummary& summary) {
  summary.side[0].packets = 1;
  summary.history.letters[0] = 'S';
  summary.history.length = 1;
  summary.conn_state = ConnState::S0;
  summary.stage = Stage::syn;
  summary.evidence_missing = !flow.has(FlowFlag::evidence);
  summary.duplicates = details.duplicates;
}

/// One side was captured although its acknowledgements show that the other spoke, too.
bool is_one_sided(const FlowRecord& flow, const FlowDetails& details, const std::array<SideTotals, 2>& totals) {
  for (const Side seen : {Side::originator, Side::responder}) {
    if (totals[index_of(other(seen))].packets != 0 || totals[index_of(seen)].packets < 2) continue;
    if (flow.has(FlowFlag::acks_unseen)) return true;
    const bool talked_on =
        flow.has(SideFlag::letter_ack, seen) || flow.has(SideFlag::payload, seen) || details.of(seen).fin_end != 0;
    const bool began = flow.has(seen == Side::originator ? FlowFlag::syn_seen : FlowFlag::syn_ack_seen);
    if (began && talked_on) return true;
  }
  return false;
}

}  // namespace

void summarize_beginning(const FlowRecord& flow, const FlowDetails& details, ConnectionSummary& summary) noexcept {
  summary.start_ns = details.start_ns;
  summary.end_ns = flow.last_seen();
  summary.id = details.id;
  summary.vlan = details.vlan;
  const bool mid_stream = flow.has(FlowFlag::mid_stream) && !flow.has(FlowFlag::syn_seen);
  const bool guessed = flow.has(FlowFlag::guessed);
  const bool tunneled = flow.has(FlowFlag::tunneled);
  // One after the other, as they are bits of one octet: each store would be read back for the next.
  summary.mid_stream = mid_stream;
  summary.orientation_guessed = guessed;
  summary.tunneled = tunneled;
}

void summarize(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular,
               ConnectionSummary& summary) noexcept {
  summarize_beginning(flow, details, summary);
  if (is_lone_syn(flow, details)) return summarize_lone_syn(flow, details, summary);
  summarize_side(flow, details, irregular, Side::originator, summary.side[0]);
  summarize_side(flow, details, irregular, Side::responder, summary.side[1]);
  details.history.unpack(summary.history);
  summary.conn_state = conn_state_of(flow, details, irregular);
  summary.stage = stage_of(flow);
  const bool one_sided = is_one_sided(flow, details, summary.side);
  const bool served = flow.has(FlowFlag::served);
  const bool counts = summary.side[0].packets + summary.side[1].packets != 0;  // else nothing was to be kept of it
  const bool goes_without = counts && !served && !flow.has(FlowFlag::evidence);
  const bool evidence_missing = flow.has(FlowFlag::evidence_missing) || goes_without;
  summary.one_sided = one_sided;  // together, as above
  summary.plainly_served = served;
  summary.evidence_missing = evidence_missing;
  summary.duplicates = details.duplicates;
}

}  // namespace doorslam::tcp
