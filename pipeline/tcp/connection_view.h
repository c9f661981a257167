#pragma once

#include "pipeline/packet/segment.h"
#include "pipeline/tcp/evidence.h"
#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/irregularities.h"

namespace doorslam::tcp {

/// One segment and the connection it belongs to, as the stages of the tracker hand it on. Borrowed for one segment.
struct SegmentContext {
  const packet::Segment& segment;
  Side side;  ///< who sent it
  FlowRecord& flow;
  FlowDetails& details;
  IrregularityPool& irregularities;
  Evidence* evidence = nullptr;  ///< null: none is kept

  // What the stages found out, for those that follow.
  FlagClass flags = FlagClass::bare;
  flowtable::TimeNs previous_ns = 0;  ///< of the connection's segment before this one
  bool first_of_side = false;         ///< nothing of this side was seen before
  bool syn_again = false;             ///< SYN or SYN-ACK sent again
  bool fin_again = false;
  bool advances = false;    ///< goes beyond what was seen of its side
  bool late = false;        ///< payload that does not
  bool fills_hole = false;  ///< late, but never seen before: captured or sent out of order
  bool keep_alive = false;
  bool window_probe = false;
  bool out_of_window = false;      ///< far from the sequence numbers of its side; its own number is not believed
  bool ack_out_of_window = false;  ///< far beyond what the other side has sent; that number is not believed
  bool doubtful_reset = false;     ///< RST that its receiver may not have obeyed (resets.h)
  bool reveals_gap = false;        ///< acknowledges octets that the capture does not have
  bool wrong_handshake_ack = false;
  bool opened = false;  ///< this segment completed the handshake

  Side peer() const noexcept { return other(side); }
  std::uint32_t& next_seq() noexcept { return flow.next_seq[index_of(side)]; }
  SideDetails& own() noexcept { return details.of(side); }
  SideDetails& peers() noexcept { return details.of(peer()); }
  const SideIrregularities& irregular(Side s) const noexcept { return irregularities.of(details).of(s); }
  SideIrregularities& make_irregular(Side s) noexcept { return irregularities.make(details).of(s); }  ///< to write to
  bool has(std::uint8_t flag) const noexcept { return segment.has(flag); }
};

}  // namespace doorslam::tcp
