#include "pipeline/port/pcapng_file.h"

#include <algorithm>
#include <cstring>

#include "pipeline/packet/link_layer.h"

namespace doorslam::port {

PcapngFile::PcapngFile(std::unique_ptr<CaptureStream> stream) : CaptureFile(std::move(stream)) { read_interfaces(); }

void PcapngFile::read_interfaces() {
  do {
    packet::RawPacket none;
    read_block(none);
    const std::vector<std::uint32_t> types = link_types();
    if (std::any_of(types.begin(), types.end(), packet::reads_link_type)) return;
    while (stream_->window().size() < PcapngRecords::kBlockHeaderOctets && stream_->fill()) continue;
  } while (!done_ && !records_.at_packet(stream_->window()));
}

std::size_t PcapngFile::read(std::span<packet::RawPacket> out) {
  while (!done_ && !out.empty()) {
    const TakenRecords taken = records_.take(stream_->window(), out, last_time_ns_, packets_without_time_);
    stream_->consume(taken.octets);
    if (taken.packets > 0) [[likely]]
      return taken.packets;
    // Nothing is lent, so the window may move.
    if (taken.cut && stream_->fill()) continue;
    if (const std::size_t count = read_block(out.front()); count > 0) return count;
  }
  return 0;
}

/// One block, of any kind and of any length that is none of damage. Returns how many packets it held.
std::size_t PcapngFile::read_block(packet::RawPacket& out) {
  next_record_ = stream_->position();
  while (true) {
    const auto taken = records_.take_block(stream_->window(), out, last_time_ns_, packets_without_time_);
    if (!taken) {
      stop_for(taken.error().message);
      return 0;
    }
    if (!taken->cut) {
      stream_->consume(taken->octets);
      return taken->packets;
    }
    if (stream_->fill()) continue;
    if (!stream_->full()) break;
    stream_->widen();
  }
  done_ = true;
  if (stream_->read_error() != 0) {
    stop_for(std::strerror(stream_->read_error()));
  } else if (!stream_->window().empty()) {
    stop_at_cut();
  }
  return 0;
}

}  // namespace doorslam::port
