#include "pipeline/alert/store/alert_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "pipeline/base/thread.h"
#include "pipeline/base/thread_rights.h"

namespace doorslam::store {

namespace {

using namespace std::chrono_literals;

/// One transaction holds so many records at most.
constexpr std::size_t kBatchRecords = 4'096;
/// One part in so many of the queue is for alerts alone: flow records, many times as many, must not crowd them out.
constexpr std::size_t kAlertsOnly = 4;
constexpr auto kRetryAfter = 1s;
constexpr auto kTellAgain = 60s;
/// News of sinks alone wait so long for records to share a commit with.
constexpr auto kNewsMayWait = 200ms;

}  // namespace

Result<std::unique_ptr<AlertStore>> AlertStore::open(const StoreOptions& options, Notice notice) {
  RecordWriter::make_file(options.path);
  auto lock = StoreLock::take(options.path);
  if (!lock) return tl::unexpected(lock.error());
  auto writer = RecordWriter::open(options.path, options.most_octets);
  if (!writer) return tl::unexpected(writer.error());
  std::unique_ptr<AlertStore> store(new AlertStore(options, std::move(notice), std::move(*lock), std::move(*writer)));
  auto thread =
      start_thread("the thread that writes " + options.path.native(), [store = store.get()] { store->work(); });
  if (!thread) return tl::unexpected(thread.error());
  store->thread_ = std::move(*thread);
  if (auto recalled = store->recall_sinks(); !recalled) return tl::unexpected(recalled.error());
  return store;
}

AlertStore::AlertStore(StoreOptions options, Notice notice, StoreLock lock, RecordWriter writer)
    : options_(std::move(options)), notice_(std::move(notice)), lock_(std::move(lock)), writer_(std::move(writer)) {
  counters_.through = writer_.through();
  counters_.octets = writer_.octets().value_or(0);
}

AlertStore::~AlertStore() {
  constexpr auto kLastChance = 5s;
  close(Clock::now() + kLastChance);
}

/// Those of earlier runs.
Result<void> AlertStore::recall_sinks() {
  auto reader = StoreReader::open(options_.path);
  if (!reader) return tl::unexpected(reader.error());
  const auto lines = reader->cursors();
  if (!lines) return tl::unexpected(lines.error());
  const std::lock_guard lock(mutex_);
  for (const CursorLine& line : *lines) {
    if (line.has_run) cursors_[line.sink] = {line.through, line.lost, {}};
  }
  return {};
}

bool AlertStore::has_room(RecordKind kind, std::size_t octets) const noexcept {
  const auto part = [&](std::size_t whole) { return kind == RecordKind::alert ? whole : whole - whole / kAlertsOnly; };
  return queued_records_ < part(options_.queue_records) && queued_octets_ + octets <= part(options_.queue_octets);
}

bool AlertStore::offer(Record record) { return append(std::move(record), 0ms); }

bool AlertStore::append(Record record, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  ++counters_.offered;
  const RecordKind kind = record.kind;
  const std::size_t octets = record.body.size();
  const auto fits = [&] { return has_room(kind, octets); };
  if (!fits() && patience > 0ms && !beyond_patience_) {
    ++counters_.waits;
    beyond_patience_ = !changed_.wait_for(lock, patience, fits);
  }
  if (!fits()) {
    ++counters_.overflowed;
    if (kind == RecordKind::alert) ++counters_.overflowed_alerts;
    return false;
  }
  ++queued_records_;
  queued_octets_ += octets;
  queue_.push_back(std::move(record));
  const bool first = queue_.size() == 1;
  lock.unlock();
  if (first) wake_writer_.notify_one();
  return true;
}

bool AlertStore::flush(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return queued_records_ == 0; });
}

void AlertStore::close(Clock::time_point deadline) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    give_up_ = deadline;
  }
  wake_writer_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Sequence AlertStore::enlist(const std::string& sink, const Filter& filter) {
  Sequence through = 0;
  {
    const std::lock_guard lock(mutex_);
    CursorState& state = cursors_[sink];
    state.filter = filter;
    through = state.through;
    hands_[sink] = {.runs = true, .reading = false, .read = through, .trimmed = {}};
    news_.confirmed.try_emplace(sink, through);  // it is known from now on
  }
  wake_writer_.notify_one();
  return through;
}

void AlertStore::begin_read(const std::string& sink) {
  const std::lock_guard lock(mutex_);
  hands_[sink].reading = true;
}

void AlertStore::end_read(const std::string& sink, Sequence after, std::span<const Record> found, Sequence through) {
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    Hand& hand = hands_[sink];
    hand.reading = false;
    hand.read = through;
    // What was trimmed and is not in hand any more, as the sink has gone back, or came too late, is not read again.
    const auto held = [&](Sequence sequence) {
      const auto at = std::ranges::lower_bound(found, sequence, {}, &Record::sequence);
      return at != found.end() && at->sequence == sequence;
    };
    const auto first = std::ranges::upper_bound(hand.trimmed, after);
    const auto gone = std::remove_if(first, hand.trimmed.end(), [&](Sequence sequence) { return !held(sequence); });
    lost = static_cast<std::uint64_t>(hand.trimmed.end() - gone);
    hand.trimmed.erase(gone, hand.trimmed.end());
    cursors_[sink].lost += lost;
  }
  if (lost > 0) tell_of_loss(sink, lost);
}

void AlertStore::confirm(const std::string& sink, Sequence through) {
  {
    const std::lock_guard lock(mutex_);
    Sequence& noted = news_.confirmed[sink];
    noted = std::max(noted, through);
    CursorState& state = cursors_[sink];
    state.through = std::max(state.through, through);
    std::vector<Sequence>& trimmed = hands_[sink].trimmed;
    const auto open = std::ranges::upper_bound(trimmed, state.through);
    if (open != trimmed.begin()) news_.arrived[sink] += static_cast<std::uint64_t>(open - trimmed.begin());
    trimmed.erase(trimmed.begin(), open);
  }
  wake_writer_.notify_one();
}

void AlertStore::note_refused(const std::string& sink, std::uint64_t records) {
  {
    const std::lock_guard lock(mutex_);
    news_.refused[sink] += records;
  }
  wake_writer_.notify_one();
}

std::uint64_t AlertStore::confirm_resent(const std::string& sink, const std::vector<Sequence>& sequences) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const Sequence sequence : sequences) news_.resent.emplace_back(sink, sequence);
    number = ++news_number_;
  }
  wake_writer_.notify_one();
  return number;
}

void AlertStore::wait_beyond(Sequence after, Clock::time_point deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, deadline, [&] { return counters_.through > after; });
}

std::uint64_t AlertStore::news_written() const {
  const std::lock_guard lock(mutex_);
  return news_written_;
}

StoreCounters AlertStore::counters() const {
  const std::lock_guard lock(mutex_);
  StoreCounters out = counters_;
  out.queued = queued_records_;
  return out;
}

AlertStore::Clock::duration AlertStore::busy_for() const noexcept {
  const Clock::rep since = busy_since_.load(std::memory_order_relaxed);
  return since == 0 ? Clock::duration::zero() : Clock::now().time_since_epoch() - Clock::duration(since);
}

std::uint64_t AlertStore::lost(const std::string& sink) const {
  const std::lock_guard lock(mutex_);
  const auto found = cursors_.find(sink);
  const auto hand = hands_.find(sink);
  return found == cursors_.end() || hand == hands_.end() || !hand->second.runs ? 0 : found->second.lost;
}

std::uint64_t AlertStore::resends_lost(const std::string& sink) const {
  const std::lock_guard lock(mutex_);
  const auto found = resends_lost_.find(sink);
  return found == resends_lost_.end() ? 0 : found->second;
}

void AlertStore::work() {
  block_signals();
  while (take_next()) write_until_done();
}

/// Fills the batch. False: everything is written and the store is to stop.
bool AlertStore::take_next() {
  std::unique_lock lock(mutex_);
  const auto records_or_end = [&] { return !queue_.empty() || stopping_ || more_to_trim_; };
  wake_writer_.wait(lock, [&] { return records_or_end() || !news_.empty(); });
  if (!records_or_end()) wake_writer_.wait_for(lock, kNewsMayWait, records_or_end);
  if (stopping_ && queue_.empty() && news_.empty()) return false;
  batch_.clear();
  if (queue_.size() <= kBatchRecords) {
    batch_.swap(queue_);
  } else {
    const auto end = queue_.begin() + kBatchRecords;
    batch_.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
    queue_.erase(queue_.begin(), end);
  }
  batch_news_ = std::exchange(news_, {});
  batch_news_number_ = news_number_;
  return true;
}

void AlertStore::write_until_done() {
  while (true) {
    std::map<std::string, CursorState> cursors;
    {
      const std::lock_guard lock(mutex_);
      cursors = cursors_;
    }
    busy_since_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    const auto written = writer_.write(batch_, batch_news_, cursors);
    if (written) {
      more_to_trim_ = written->more_to_trim;
      account(*written);
      tell_of_overflow();
      if (const auto tidied = writer_.tidy(); !tidied) tell_of_failure(tidied.error());
      busy_since_.store(0, std::memory_order_relaxed);
      return;
    }
    busy_since_.store(0, std::memory_order_relaxed);
    tell_of_overflow();
    tell_of_failure(written.error());
    std::unique_lock lock(mutex_);
    ++counters_.write_failures;
    counters_.failing = true;
    wake_writer_.wait_until(lock, std::min(Clock::now() + kRetryAfter, give_up_),
                            [&] { return stopping_ && Clock::now() >= give_up_; });
    if (!stopping_ || Clock::now() < give_up_) continue;
    counters_.abandoned += queued_records_;
    queue_.clear();
    news_ = {};
    queued_records_ = 0;
    queued_octets_ = 0;
    return;
  }
}

/// What was trimmed of records that no sink had sent: where it has them in hand, that is not known yet. By sink.
std::map<std::string, std::uint64_t> AlertStore::count_lost(const Written& written) {
  std::map<std::string, std::uint64_t> lost;
  const std::lock_guard lock(mutex_);
  for (const auto& [sink, sequences] : written.unsent) {
    CursorState& state = cursors_[sink];
    Hand& hand = hands_[sink];
    for (const Sequence sequence : sequences) {
      if (sequence <= state.through) {
        ++news_.arrived[sink];
      } else if (hand.runs && (hand.reading || sequence <= hand.read)) {
        hand.trimmed.push_back(sequence);
      } else {
        ++state.lost;
        if (hand.runs) ++lost[sink];
      }
    }
  }
  return lost;
}

void AlertStore::account(const Written& written) {
  const auto lost = count_lost(written);  // at once: from the commit on, sinks no longer find what was trimmed
  const auto octets = writer_.octets();
  std::size_t batch_octets = 0;
  for (const Record& record : batch_) batch_octets += record.body.size();
  if (!last_failure_.empty()) {
    notice_(NoticeLevel::info,
            fmt::format("{}: written again; nothing that was queued is lost", options_.path.string()));
    last_failure_.clear();
  }
  for (const auto& [sink, records] : lost) tell_of_loss(sink, records);
  tell_of_lost_resends(written);
  {
    const std::lock_guard lock(mutex_);
    news_written_ = batch_news_number_;
    beyond_patience_ = false;
    counters_.failing = false;
    queued_records_ -= batch_.size();
    queued_octets_ -= batch_octets;
    counters_.stored += written.stored;
    counters_.duplicates += written.duplicates;
    counters_.trimmed += written.trimmed;
    counters_.through = written.through;
    if (octets) counters_.octets = *octets;
    for (const auto& [sink, count] : written.resends_lost) resends_lost_[sink] += count;
  }
  changed_.notify_all();
}

void AlertStore::tell_of_loss(const std::string& sink, std::uint64_t records) {
  notice_(NoticeLevel::error,
          fmt::format("{}: full: the {} oldest records were removed before sink {} had sent them; raise "
                      "store.max_bytes, or see why the sink is behind",
                      options_.path.string(), records, sink));
}

void AlertStore::tell_of_lost_resends(const Written& written) {
  for (const auto& [sink, count] : written.resends_lost) {
    notice_(NoticeLevel::error,
            fmt::format("{}: full: {} records that sink {} was to send once more were removed before it had; raise "
                        "store.max_bytes, or see why the sink is behind",
                        options_.path.string(), count, sink));
  }
}

/// What found no room in the queue is lost: said at once, and then each minute that it goes on.
void AlertStore::tell_of_overflow() {
  const StoreCounters now = counters();
  if (now.overflowed == overflow_told_.overflowed || Clock::now() < tell_overflow_again_) return;
  notice_(NoticeLevel::error,
          fmt::format("{}: {} records ({} of them alerts) are lost: they come faster than the disk takes them; have "
                      "fewer flow records stored (store.flows), or raise store.queue_records",
                      options_.path.string(), now.overflowed - overflow_told_.overflowed,
                      now.overflowed_alerts - overflow_told_.overflowed_alerts));
  overflow_told_ = now;
  tell_overflow_again_ = Clock::now() + kTellAgain;
}

void AlertStore::tell_of_failure(const Error& error) {
  if (error.message == last_failure_) return;
  last_failure_ = error.message;
  notice_(NoticeLevel::error, error.message + "; tried again each second, records wait in memory meanwhile");
}

}  // namespace doorslam::store
