#include "pipeline/alert/evidence/evidence_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/base/thread.h"
#include "pipeline/base/thread_rights.h"

namespace doorslam::trace_files {

using alert::AlertEvent;

namespace {

/// Files that go to the disk together. An alert waits for all of them.
constexpr std::size_t kMostAtOnce = 64;

}  // namespace

/// An alert that waits for its file.
struct EvidenceWriter::Job {
  AlertEvent alert;
  bool payload = true;
  Clock::time_point due;
  // Under Desk::mutex:
  bool written = false;  ///< the thread is done with it, and its file is at `path`, if there is one
  std::string path{};
};

struct EvidenceWriter::Desk {
  std::optional<EvidenceFolder> folder{};  ///< the thread's, once it runs
  Notice notice{};

  mutable std::mutex mutex{};
  // Under mutex:
  std::condition_variable wake{};     ///< the thread
  std::condition_variable changed{};  ///< who waits for files
  std::deque<Job*> queue{};           ///< alive until they are written, or out of it
  std::uint64_t done = 0;             ///< jobs
  EvidenceFileCounters counters{};
  bool stopping = false;
  bool abandoned = false;                    ///< by one who could not wait any longer
  std::vector<std::unique_ptr<Job>> left{};  ///< by that one: the thread has a hand on one of them
};

Result<std::unique_ptr<EvidenceWriter>> EvidenceWriter::open(const EvidenceFolderOptions& folder,
                                                             const EvidenceWriterOptions& options, Notice notice) {
  auto desk = std::make_shared<Desk>();
  desk->notice = std::move(notice);
  auto opened = EvidenceFolder::open(folder, [desk = desk.get()](NoticeLevel level, const std::string& line) {
    const std::lock_guard lock(desk->mutex);
    if (!desk->abandoned) desk->notice(level, line);
  });
  if (!opened) return tl::unexpected(opened.error());
  desk->folder.emplace(std::move(*opened));
  desk->counters = desk->folder->counters();
  std::unique_ptr<EvidenceWriter> writer(new EvidenceWriter(desk, folder, options));
  auto thread = start_thread("the thread that writes evidence", [desk = std::move(desk)] { work(*desk); });
  if (!thread) return tl::unexpected(thread.error());
  writer->thread_ = std::move(*thread);
  return writer;
}

EvidenceWriter::EvidenceWriter(std::shared_ptr<Desk> desk, const EvidenceFolderOptions& folder,
                               const EvidenceWriterOptions& options)
    : options_(options), folder_(folder.folder), payload_(folder.file.payload), desk_(std::move(desk)) {}

EvidenceWriter::~EvidenceWriter() {
  bool abandoned = false;
  {
    const std::lock_guard lock(desk_->mutex);
    desk_->stopping = true;
    desk_->queue.clear();
    abandoned = desk_->abandoned;
  }
  desk_->wake.notify_one();
  if (abandoned) thread_.detach();
}

/// Where they are; empty: there is none.
std::vector<std::string> EvidenceWriter::write_files(EvidenceFolder& folder, const std::vector<Job*>& jobs) {
  std::vector<std::string> paths;
  for (const Job* job : jobs) {
    folder.show_payload(job->payload);
    paths.push_back(folder.keep(job->alert.incident, job->alert.action));
  }
  if (!folder.settle()) paths.assign(jobs.size(), {});
  return paths;
}

void EvidenceWriter::work(Desk& desk) {
  block_signals();
  std::unique_lock lock(desk.mutex);
  while (true) {
    desk.wake.wait(lock, [&] { return !desk.queue.empty() || desk.stopping || desk.abandoned; });
    if (desk.queue.empty()) return;
    const auto end = desk.queue.begin() + static_cast<std::ptrdiff_t>(std::min(desk.queue.size(), kMostAtOnce));
    const std::vector<Job*> jobs(desk.queue.begin(), end);
    desk.queue.erase(desk.queue.begin(), end);
    lock.unlock();
    std::vector<std::string> paths = write_files(*desk.folder, jobs);
    lock.lock();
    if (desk.abandoned) {
      // What it still borrows is memory of those who are gone by now, so nothing of it is given back.
      lock.unlock();
      while (true) ::pause();
    }
    const std::uint64_t late = desk.counters.late;
    const std::uint64_t waiting = desk.counters.waiting;
    desk.counters = desk.folder->counters();
    desk.counters.late = late;
    desk.counters.waiting = waiting;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i]->path = std::move(paths[i]);
      jobs[i]->written = true;
    }
    desk.done += jobs.size();
    desk.changed.notify_one();
  }
}

void EvidenceWriter::exchange(std::vector<AlertEvent>& alerts) {
  if (alerts.empty() && jobs_.empty() && late_.empty()) return;
  const Clock::time_point now = Clock::now();
  const auto due = endlessly_patient() ? Clock::time_point::max() : now + options_.patience;
  std::unique_lock lock(desk_->mutex);
  const std::uint64_t late_before = desk_->counters.late;
  for (AlertEvent& alert : alerts) submit(std::move(alert), due);
  alerts.clear();
  desk_->wake.notify_one();
  if (endlessly_patient()) desk_->changed.wait(lock, [this] { return all_written(); });
  std::erase_if(late_, [](const auto& job) { return job->written; });
  bool in_time = false;
  while (!jobs_.empty() && (jobs_.front()->written || jobs_.front()->due <= now)) in_time |= hand_back(alerts);
  desk_->counters.waiting = jobs_.size();
  const bool late = desk_->counters.late != late_before;
  lock.unlock();
  if (late || in_time) tell(late);
}

/// Under Desk::mutex.
void EvidenceWriter::submit(AlertEvent&& alert, Clock::time_point due) {
  Job& job =
      *jobs_.emplace_back(std::make_unique<Job>(Job{.alert = std::move(alert), .payload = payload_, .due = due}));
  if (endlessly_patient() || desk_->queue.size() < options_.most_waiting) {
    desk_->queue.push_back(&job);
  } else {
    desk_->counters.late += job.alert.incident.frame_samples.empty() ? 0 : 1;
    job.written = true;
  }
}

/// Under Desk::mutex.
bool EvidenceWriter::all_written() const noexcept {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->written; });
}

/// The first one. Whether it names a file. Under Desk::mutex.
bool EvidenceWriter::hand_back(std::vector<AlertEvent>& out) {
  std::unique_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  AlertEvent& alert = out.emplace_back();
  if (job->written) {
    alert = std::move(job->alert);
    alert.incident.evidence_file = std::move(job->path);
  } else {
    alert = job->alert;
    desk_->counters.late += alert.incident.frame_samples.empty() ? 0 : 1;
    late_.push_back(std::move(job));
  }
  alert.incident.frame_samples.clear();
  return !alert.incident.evidence_file.empty();
}

void EvidenceWriter::drain(std::vector<AlertEvent>& alerts, Clock::time_point deadline) {
  const bool endless = deadline > Clock::time_point::max() - options_.last_patience;
  const Clock::time_point latest = endless ? deadline : deadline + options_.last_patience;
  std::unique_lock lock(desk_->mutex);
  // Alerts that did not wait for their file have one under way all the same.
  const auto are_late_written = [this] {
    return std::ranges::all_of(late_, [](const auto& job) { return job->written; });
  };
  while ((!all_written() || !are_late_written()) && !desk_->abandoned) {
    const std::uint64_t done = desk_->done;
    const auto until = std::min(latest, std::max(deadline, Clock::now() + options_.last_patience));
    desk_->abandoned = !desk_->changed.wait_until(lock, until, [&] { return desk_->done != done; });
  }
  while (!jobs_.empty()) hand_back(alerts);
  desk_->counters.waiting = 0;
  if (!desk_->abandoned) return;
  desk_->queue.clear();
  desk_->left = std::move(late_);
}

Result<void> EvidenceWriter::probe() const { return check_folder(folder_); }

EvidenceFileCounters EvidenceWriter::counters() const {
  const std::lock_guard lock(desk_->mutex);
  return desk_->counters;
}

/// Once when it begins to take too long, and once when it no longer does.
void EvidenceWriter::tell(bool late) {
  if (late == in_trouble_) return;
  in_trouble_ = late;
  if (late) {
    desk_->notice(
        NoticeLevel::error,
        fmt::format("{}: evidence takes too long to be written, is the disk well?; alerts that have waited {} "
                    "ms for their file name none meanwhile",
                    folder_.native(), options_.patience.count()));
  } else {
    desk_->notice(NoticeLevel::info, fmt::format("{}: evidence is written in time again", folder_.native()));
  }
}

}  // namespace doorslam::trace_files
