#include "pipeline/tcp/letters.h"

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

void write(SegmentContext& context, HistoryLetter letter) { context.details.history.append(letter, context.side); }

/// False if the FIN is a repetition.
bool note_fin(SegmentContext& context) {
  std::uint32_t end = context.segment.seq + context.segment.payload_length + 1;
  if (end == 0) end = 1;  // 0 means "no FIN yet"
  SideDetails& own = context.own();
  if (own.fin_end == end) return false;
  own.fin_end = end;
  return true;
}

/// FIN+RST, SYN+FIN and SYN+RST are nobody's honest segments: once a side, as they come only from scanners.
void write_contradiction(SegmentContext& context) {
  if (context.has(kFin)) note_fin(context);
  const bool fin_and_rst = context.has(kFin) && context.has(kRst);
  const auto letter = fin_and_rst ? HistoryLetter::inconsistent : HistoryLetter::multi_flag;
  if (!context.details.history.contains(letter, context.side)) write(context, letter);
}

void write_syn(SegmentContext& context) {
  const bool again = context.flow.has(SideFlag::letter_syn, context.side);
  if (again && context.segment.seq == context.own().start_seq) return;
  context.flow.set(SideFlag::letter_syn, context.side);
  write(context, context.has(kAck) ? HistoryLetter::syn_ack : HistoryLetter::syn);
}

void write_fin(SegmentContext& context) {
  if (note_fin(context)) write(context, HistoryLetter::fin);
}

void write_rst(SegmentContext& context) {
  SideIrregularities& own = context.make_irregular(context.side);
  const bool again = context.details.history.contains(HistoryLetter::rst, context.side);
  if (again && own.rst_seq == context.segment.seq) return;
  own.rst_seq = context.segment.seq;
  write(context, HistoryLetter::rst);
}

void write_once(SegmentContext& context, SideFlag flag, HistoryLetter letter) {
  if (context.flow.has(flag, context.side)) return;
  context.flow.set(flag, context.side);
  write(context, letter);
}

}  // namespace

void write_letters(SegmentContext& context) noexcept {
  const bool syn = context.has(kSyn);
  const bool fin = context.has(kFin);
  const bool rst = context.has(kRst);
  if (syn + fin + rst > 1) return write_contradiction(context);
  if (syn) return write_syn(context);
  if (fin) return write_fin(context);
  if (rst) return write_rst(context);
  if (context.segment.payload_length != 0) return write_once(context, SideFlag::letter_data, HistoryLetter::data);
  if (context.has(kAck)) write_once(context, SideFlag::letter_ack, HistoryLetter::ack);
}

}  // namespace doorslam::tcp
