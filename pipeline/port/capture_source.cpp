#include "pipeline/port/capture_source.h"

#include <algorithm>
#include <utility>

namespace doorslam::port {
namespace {

/// Read-ahead of all files together; a folder of a thousand files of a ring capture shares it.
constexpr std::size_t kReadAheadOctets = std::size_t{16} * 1024 * 1024;
constexpr std::size_t kLeastReadAhead = std::size_t{16} * 1024;

}  // namespace

CaptureSource CaptureSource::open(std::span<const std::string> paths, const GiveUpTime* give_up_ns) {
  CaptureSource source;
  source.give_up_ns_ = give_up_ns;
  const std::size_t share = kReadAheadOctets / std::max<std::size_t>(paths.size(), 1);
  const std::size_t buffer = std::clamp(share, kLeastReadAhead, CaptureReader::kDefaultWindowOctets);
  bool stdin_taken = false;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i] == "-" && std::exchange(stdin_taken, true)) {
      source.errors_.push_back({ErrorKind::usage, "standard input can be read only once; name - one time"});
      continue;
    }
    auto reader = CaptureReader::open(paths[i], buffer, give_up_ns);
    if (!reader) {
      source.errors_.push_back(std::move(reader.error()));
      continue;
    }
    ++source.files_opened_;
    const std::optional<std::uint64_t> size = reader->octets_total();
    source.octets_total_ = size && source.octets_total_ ? std::optional(*source.octets_total_ + *size) : std::nullopt;
    source.dry_.push_back(std::make_unique<Input>(std::move(*reader), i));
  }
  return source;
}

Result<void> CaptureSource::filter_by(const std::string& expression) {
  for (const std::unique_ptr<Input>& input : dry_) {
    if (auto compiled = input->timeline.filter_by(expression); !compiled) return compiled;
  }
  return {};
}

std::size_t CaptureSource::next_burst(std::span<packet::RawPacket> out) {
  if (out.empty()) return 0;
  const bool one_left = waiting_.empty() && dry_.size() == 1;
  const std::size_t count = one_left ? read_only_input(out) : merge(out);
  put_in_order(out.first(count));
  return count;
}

/// Without another file to merge with, packets go straight to the caller.
std::size_t CaptureSource::read_only_input(std::span<packet::RawPacket> out) {
  const std::size_t count = dry_.front()->timeline.read(out);
  if (count == 0) {
    retire(dry_.front()->timeline);
    dry_.clear();
  }
  return count;
}

/// Takes from the input whose head is earliest as long as it stays earliest. The burst ends when an input has run dry:
/// reading on in it would overwrite bytes that this burst lends.
std::size_t CaptureSource::merge(std::span<packet::RawPacket> out) {
  refill();
  std::size_t count = 0;
  while (count < out.size() && dry_.empty() && !waiting_.empty()) {
    std::pop_heap(waiting_.begin(), waiting_.end(), comes_later);
    std::unique_ptr<Input> first = std::move(waiting_.back());
    waiting_.pop_back();
    do {
      out[count++] = first->packets[first->next++];
    } while (count < out.size() && first->next < first->count &&
             (waiting_.empty() || comes_later(waiting_.front(), first)));
    if (first->next == first->count) {
      dry_.push_back(std::move(first));
    } else {
      waiting_.push_back(std::move(first));
      std::push_heap(waiting_.begin(), waiting_.end(), comes_later);
    }
  }
  return count;
}

void CaptureSource::refill() {
  for (std::unique_ptr<Input>& input : dry_) {
    input->packets.resize(kBurst);
    input->next = 0;
    input->count = input->timeline.read(input->packets);
    if (input->count == 0) {
      retire(input->timeline);
      continue;
    }
    waiting_.push_back(std::move(input));
    std::push_heap(waiting_.begin(), waiting_.end(), comes_later);
  }
  dry_.clear();
}

void CaptureSource::retire(const CaptureTimeline& timeline) {
  const CaptureReader& reader = timeline.reader();
  const bool is_to_end = give_up_ns_ != nullptr && give_up_ns_->load(std::memory_order_relaxed) != kNeverGiveUp;
  if (is_to_end && reader.cut_short() && !reader.octets_total()) cut_pipes_.push_back(errors_.size());
  if (reader.error()) errors_.push_back(*reader.error());
  octets_of_closed_ += reader.octets_read();
  statistics_.filtered_out += reader.filtered_out();
  statistics_.packets_without_time += reader.packets_without_time();
  statistics_.time_leaps += timeline.leaps();
  statistics_.largest_leap_ns = std::max(statistics_.largest_leap_ns, timeline.largest_leap_ns());
}

void CaptureSource::forgive_cut_input() {
  for (auto place = cut_pipes_.rbegin(); place != cut_pipes_.rend(); ++place) {
    errors_.erase(errors_.begin() + static_cast<std::ptrdiff_t>(*place));
  }
  cut_pipes_.clear();
}

void CaptureSource::put_in_order(std::span<packet::RawPacket> burst) noexcept {
  for (packet::RawPacket& packet : burst) {
    packet.number = ++statistics_.packets;
    statistics_.packets_cut += packet.captured.size() < packet.wire_length ? 1 : 0;
    if (packet.time_ns < latest_ns_) {
      if (packet.time_ns != flowtable::kNoTime) {
        ++statistics_.time_reversals;
        statistics_.largest_reversal_ns = std::max(statistics_.largest_reversal_ns, latest_ns_ - packet.time_ns);
      }
      packet.time_ns = latest_ns_;
    }
    latest_ns_ = packet.time_ns;
  }
}

bool CaptureSource::comes_later(const std::unique_ptr<Input>& a, const std::unique_ptr<Input>& b) noexcept {
  if (a->head().time_ns != b->head().time_ns) return a->head().time_ns > b->head().time_ns;
  return a->order > b->order;
}

CaptureProgress CaptureSource::progress() const noexcept {
  CaptureProgress progress{octets_of_closed_, octets_total_};
  for (const auto* inputs : {&waiting_, &dry_}) {
    for (const std::unique_ptr<Input>& input : *inputs) progress.octets_read += input->timeline.reader().octets_read();
  }
  // A capture that is still being written grows while it is read.
  if (progress.octets_total) progress.octets_total = std::max(*progress.octets_total, progress.octets_read);
  return progress;
}

}  // namespace doorslam::port
