#include "pipeline/alert/sink/sink_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <future>

#include "pipeline/base/thread.h"
#include "pipeline/base/thread_rights.h"

namespace doorslam::sink {

namespace {

using namespace std::chrono_literals;

/// A stream is asked to prove what it has when nothing was sent for so long.
constexpr auto kQuiet = 2s;
constexpr auto kSettleWithin = 10s;
/// And where records never cease: nothing is in doubt for longer. Under what the shipped rules alert at.
constexpr auto kLongestDoubt = 120s;
/// How often a sink looks for records that somebody wants to have sent again.
constexpr auto kLookForResends = 1s;
constexpr auto kTellAgain = 60s;
constexpr auto kRemarkAgain = 600s;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

SinkRunner::SinkRunner(RunnerOptions options, std::unique_ptr<Receiver> receiver, store::AlertStore& store,
                       Notice notice)
    : options_(std::move(options)),
      receiver_(std::move(receiver)),
      store_(store),
      notice_(std::move(notice)),
      formatter_(format::Formatter::make(options_.format)),
      backoff_(options_.backoff, std::random_device()()),
      resend_backoff_(options_.backoff, std::random_device()()) {
  counters_.name = options_.name;
}

SinkRunner::~SinkRunner() { join(Clock::now()); }

Result<void> SinkRunner::start() {
  auto reader = store_.reader();
  if (!reader) return tl::unexpected(reader.error());
  reader_.emplace(std::move(*reader));
  position_ = confirmed_ = counters_.confirmed = store_.enlist(options_.name, options_.filter);
  auto thread = start_thread("sink " + options_.name, [this](const std::stop_token& stop) { work(stop); });
  if (!thread) return tl::unexpected(thread.error());
  thread_ = std::move(*thread);
  return {};
}

void SinkRunner::finish() {
  const std::lock_guard lock(mutex_);
  finishing_ = true;
}

void SinkRunner::end_by(Clock::time_point deadline) {
  if (!thread_.joinable()) return;
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, deadline, [&] { return ended_; });
  lock.unlock();
  if (thread_.request_stop()) stop_asked_at_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

Clock::duration SinkRunner::overdue_for() const noexcept {
  const std::lock_guard lock(mutex_);
  const Clock::rep since = stop_asked_at_.load(std::memory_order_relaxed);
  return ended_ || since == 0 ? Clock::duration::zero() : Clock::now().time_since_epoch() - Clock::duration(since);
}

bool SinkRunner::join(Clock::time_point deadline) {
  end_by(deadline);
  if (thread_.joinable()) thread_.join();
  return counters().behind == 0;
}

SinkCounters SinkRunner::counters() const {
  const Sequence through = store_.counters().through;
  const std::uint64_t lost = store_.lost(options_.name);
  const std::uint64_t resends_lost = store_.resends_lost(options_.name);
  const std::lock_guard lock(mutex_);
  SinkCounters out = counters_;
  out.lost = lost;
  out.resends_lost = resends_lost;
  out.behind = static_cast<std::uint64_t>(std::max<Sequence>(through - out.confirmed, 0));
  if (!waiting_.empty()) {
    out.oldest_waiting = std::chrono::duration_cast<milliseconds>(Clock::now() - waiting_.front().since);
  }
  return out;
}

bool SinkRunner::finishing() const {
  const std::lock_guard lock(mutex_);
  return finishing_;
}

void SinkRunner::work(const std::stop_token& stop) {
  block_signals();
  // Before a client library has threads of its own.
  if (options_.without_privileges) give_up_privileges();
  while (!stop.stop_requested()) {
    // Asked first: what is stored later than that is not waited for.
    const bool finish = finishing();
    if (reopen_.exchange(false)) receiver_->reopen();
    try {
      step(stop);
      if (finish && caught_up_ && settle(stop)) break;
    } catch (const std::exception& error) {
      const milliseconds wait = backoff_.next();
      note_trouble(error.what(), wait);
      pause(stop, wait);
    }
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_.notify_all();
}

void SinkRunner::step(const std::stop_token& stop) {
  caught_up_ = false;
  const bool look_for_resends = Clock::now() >= next_look_for_resends_;
  if (look_for_resends && store_.news_written() >= resend_news_ && !resend(stop)) return;
  if (doubt_is_old() && !settle(stop)) return;
  auto current = take_ahead();
  if (!current) {
    const milliseconds wait = backoff_.next();
    note_trouble(current.error().message, wait);
    pause(stop, wait);
    return;
  }
  const Sequence through = current->batch.through;
  if (through == position_) {
    caught_up_ = !resends_left_;
    rest(stop);
    return;
  }
  // While the receiver is busy with this batch, the next one is made ready; none is waited for where the store ends.
  std::future<Result<Prepared>> next;
  const store::Batch& batch = current->batch;
  if (batch.records.size() >= options_.batch.records || batch.octets >= options_.batch.octets) {
    next = std::async(std::launch::async, [this, through] { return prepare(through); });
  }
  const bool sent = batch.records.empty() || send(*current, stop);
  if (next.valid()) {
    if (auto ahead = next.get()) ahead_.emplace(std::move(*ahead));
  }
  if (!sent) return;
  position_ = through;
  confirm(position_);
}

/// The batch after position_: read ahead, or read now.
Result<SinkRunner::Prepared> SinkRunner::take_ahead() {
  // Where the store ended then it may go on now.
  const bool stale = !ahead_ || ahead_->after != position_ || ahead_->batch.through == position_;
  if (stale) {
    ahead_.reset();
    return prepare(position_);
  }
  Prepared taken = std::move(*ahead_);
  ahead_.reset();
  return taken;
}

/// Runs beside deliver(), but never beside anything else that reads or formats.
Result<SinkRunner::Prepared> SinkRunner::prepare(Sequence after) {
  store_.begin_read(options_.name);
  auto batch = reader_->read_after(after, options_.filter, options_.batch);
  store_.end_read(options_.name, after,
                  batch ? std::span<const store::Record>(batch->records) : std::span<const store::Record>(),
                  batch ? batch->through : after);
  if (!batch) return tl::unexpected(batch.error());
  return format(std::move(*batch), after);
}

/// Nothing is to be sent: waits for the store, and makes sure of what is in doubt.
void SinkRunner::rest(const std::stop_token& stop) {
  if (receiver_->in_doubt() && Clock::now() - last_sent_ >= kQuiet && !settle(stop)) return;
  constexpr auto kLook = 100ms;
  const bool put_off = resends_left_ && Clock::now() < next_look_for_resends_;
  store_.wait_beyond(position_, Clock::now() + (finishing() && !put_off ? milliseconds(1) : kLook), stop);
}

bool SinkRunner::doubt_is_old() const {
  const std::lock_guard lock(mutex_);
  return receiver_->in_doubt() && !waiting_.empty() && Clock::now() - waiting_.front().since >= kLongestDoubt;
}

/// False: what was in doubt is to be sent again.
bool SinkRunner::settle(const std::stop_token& stop) {
  const std::optional<Sequence> doubtful = receiver_->in_doubt();
  if (!doubtful) return true;
  const std::string trouble = receiver_->settle(Clock::now() + kSettleWithin, stop);
  if (trouble.empty()) {
    confirm(position_);
    return true;
  }
  position_ = std::min(position_, *doubtful - 1);
  const milliseconds wait = backoff_.next();
  note_trouble(trouble, wait);
  pause(stop, wait);
  return false;
}

/// True: the batch has been handed over, or refused for good.
bool SinkRunner::send(const Prepared& prepared, const std::stop_token& stop) {
  std::vector<Message> pending = prepared.messages;
  {
    const Sequence through = prepared.batch.through;
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() || waiting_.back().through < through) waiting_.push_back({through, Clock::now()});
  }
  while (!pending.empty() && !stop.stop_requested()) {
    const Delivery delivery = receiver_->deliver(pending, stop);
    last_sent_ = Clock::now();
    const std::size_t before = pending.size();
    take_stock(delivery, pending);
    if (pending.size() < before) backoff_.reset();
    if (delivery.resend_from) position_ = std::min(position_, *delivery.resend_from - 1);
    if (pending.empty() && !delivery.resend_from) break;
    if (!pending.empty()) confirm_before(pending.front(), delivery);
    if (stop.stop_requested()) return false;
    const milliseconds wait = std::max(backoff_.next(), delivery.wait.value_or(0ms));
    note_trouble(delivery.trouble, wait);
    pause(stop, wait);
    if (delivery.resend_from) return false;
  }
  if (!pending.empty()) return false;
  count_unwritable(prepared);
  note_recovery();
  return true;
}

void SinkRunner::count_unwritable(const Prepared& prepared) {
  if (prepared.unwritable == 0) return;
  note_refusal(prepared.unwritable, "it cannot be written in this format");
  const std::lock_guard lock(mutex_);
  counters_.refused += prepared.unwritable;
}

/// One attempt with one batch of them: current records wait neither for all nor for what the receiver does not take.
/// False: what was sent before is in doubt and comes first.
bool SinkRunner::resend(const std::stop_token& stop) {
  auto batch = reader_->read_resends(options_.name, options_.batch);
  resends_left_ = batch && !batch->records.empty();
  if (!resends_left_) {
    next_look_for_resends_ = Clock::now() + kLookForResends;
    return true;
  }
  const Prepared prepared = format(std::move(*batch), position_);
  // With nothing else in doubt, a stream that breaks now takes only these records, which stay asked for.
  if (!settle(stop)) return false;
  const Sequence position = position_;
  const std::vector<Sequence> done = try_once_more(prepared, stop);
  position_ = position;
  if (done.empty()) return true;
  // They leave the table with the store's next commit.
  resend_news_ = store_.confirm_resent(options_.name, done);
  const std::lock_guard lock(mutex_);
  counters_.resent += done.size();
  return true;
}

/// Those of the batch that have arrived, or never will.
std::vector<Sequence> SinkRunner::try_once_more(const Prepared& prepared, const std::stop_token& stop) {
  std::vector<Message> pending = prepared.messages;
  if (!pending.empty()) {
    const Delivery delivery = receiver_->deliver(pending, stop);
    last_sent_ = Clock::now();
    const std::size_t before = pending.size();
    take_stock(delivery, pending);
    note_resend_trouble(pending.empty() && !delivery.resend_from ? std::string() : delivery.trouble);
    // A stream that breaks takes all of them.
    const bool broke = delivery.resend_from || (pending.size() < before && !settle(stop));
    if (broke || !pending.empty()) {
      next_look_for_resends_ = Clock::now() + std::max(resend_backoff_.next(), delivery.wait.value_or(0ms));
    } else {
      resend_backoff_.reset();
    }
    if (broke) return {};
  }
  count_unwritable(prepared);
  std::vector<Sequence> done;
  for (const store::Record& record : prepared.batch.records) {
    const auto same = [&](const Message& message) { return message.record == &record; };
    if (std::none_of(pending.begin(), pending.end(), same)) done.push_back(record.sequence);
  }
  return done;
}

SinkRunner::Prepared SinkRunner::format(store::Batch batch, Sequence after) {
  Prepared out;
  out.after = after;
  out.batch = std::move(batch);
  out.rooms.resize(out.batch.records.size());
  out.messages.reserve(out.batch.records.size());
  for (std::size_t i = 0; i < out.batch.records.size(); ++i) {
    const store::Record& record = out.batch.records[i];
    const std::string_view body = formatter_->format(record, out.rooms[i]);
    if (!body.empty()) {
      out.messages.push_back({&record, body});
    } else {
      ++out.unwritable;
    }
  }
  return out;
}

/// Leaves in `pending` what is to be sent again.
void SinkRunner::take_stock(const Delivery& delivery, std::vector<Message>& pending) {
  std::vector<Message> again;
  std::uint64_t refused = 0;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    if (delivery.fates[i] == Fate::again) again.push_back(pending[i]);
    if (delivery.fates[i] == Fate::refused) ++refused;
  }
  if (refused > 0) note_refusal(refused, delivery.refusal);
  note_remark(delivery.remark);
  const std::lock_guard lock(mutex_);
  counters_.refused += refused;
  counters_.retried += again.size();
  counters_.sent += pending.size() - refused - again.size();
  if (!again.empty() || delivery.resend_from) ++counters_.failures;
  pending.swap(again);
}

/// Part of a batch has arrived; `first_open` has not. What a broken stream held in doubt is no longer the receiver's to
/// tell, but must not be passed either: it is read from the store again, by whoever runs the sink then.
void SinkRunner::confirm_before(const Message& first_open, const Delivery& delivery) {
  Sequence open = first_open.record->sequence;
  if (delivery.resend_from) open = std::min(open, *delivery.resend_from);
  confirm(open - 1);
}

void SinkRunner::confirm(Sequence through) {
  if (const auto doubtful = receiver_->in_doubt()) through = std::min(through, *doubtful - 1);
  if (through <= confirmed_) return;
  confirmed_ = through;
  store_.confirm(options_.name, through);
  const std::lock_guard lock(mutex_);
  counters_.confirmed = through;
  while (!waiting_.empty() && waiting_.front().through <= through) waiting_.pop_front();
}

void SinkRunner::note_trouble(const std::string& trouble, milliseconds wait) {
  const auto now = Clock::now();
  const bool new_trouble = trouble_.empty();
  if (new_trouble) trouble_since_ = now;
  if (trouble != trouble_ || now - trouble_told_ >= kTellAgain) {
    trouble_ = trouble;
    trouble_told_ = now;
    notice_(NoticeLevel::warning, fmt::format("sink {}: {}; tried again in {:.1f} s, records wait in the store",
                                              options_.name, trouble, seconds(wait)));
  }
  const std::lock_guard lock(mutex_);
  counters_.trouble = trouble;
}

/// Current records go on meanwhile, so it is no trouble of the sink.
void SinkRunner::note_resend_trouble(const std::string& trouble) {
  const auto now = Clock::now();
  if (!trouble.empty() && (trouble != resend_trouble_ || now - resend_trouble_told_ >= kTellAgain)) {
    resend_trouble_told_ = now;
    notice_(NoticeLevel::warning,
            fmt::format("sink {}: records that are to be sent once more wait: {}", options_.name, trouble));
  }
  resend_trouble_ = trouble;
}

void SinkRunner::note_refusal(std::uint64_t records, const std::string& reason) {
  store_.note_refused(options_.name, records);
  refusals_untold_ += records;
  const auto now = Clock::now();
  if (now < tell_refusals_again_) return;
  notice_(NoticeLevel::error,
          fmt::format("sink {}: records refused for good: {}, the latest with: {}; they stay in the "
                      "store, further ones are told each minute",
                      options_.name, refusals_untold_, reason));
  refusals_untold_ = 0;
  tell_refusals_again_ = now + kTellAgain;
}

/// Nothing is held up by it, so it is told anew seldom while it lasts.
void SinkRunner::note_remark(const std::string& remark) {
  const auto now = Clock::now();
  if (!remark.empty() && (remark != remark_ || now - remark_told_ >= kRemarkAgain)) {
    remark_told_ = now;
    notice_(NoticeLevel::warning, fmt::format("sink {}: {}", options_.name, remark));
  }
  remark_ = remark;
}

void SinkRunner::note_recovery() {
  backoff_.reset();
  if (trouble_.empty()) return;
  trouble_.clear();
  notice_(NoticeLevel::info,
          fmt::format("sink {}: delivers again after {:.1f} s", options_.name, seconds(Clock::now() - trouble_since_)));
  const std::lock_guard lock(mutex_);
  counters_.trouble.clear();
}

void SinkRunner::pause(const std::stop_token& stop, milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace doorslam::sink
