#include "pipeline/alert/evidence/evidence_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "pipeline/alert/ecs_record.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/descriptor.h"
#include "pipeline/base/file_mode.h"
#include "pipeline/base/text.h"

namespace doorslam::trace_files {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "doorslam-";
constexpr std::string_view kSuffix = ".pcapng";
constexpr std::string_view kUnfinished = ".doorslam-";
/// Open incidents of which is known what was written; there are more only where nobody told that they closed.
constexpr std::size_t kMostRemembered = 16'384;
/// More files than these reach the disk faster together, with whatever else its file system has to write.
constexpr std::size_t kFewFiles = 8;

std::string reason(int error) { return std::generic_category().message(error); }

std::uint64_t on_disk(std::uint64_t octets) {
  constexpr std::uint64_t kBlock = 4096;
  return (octets + kBlock - 1) / kBlock * kBlock;
}

/// "doorslam-20261122T144842Z-connection_limit-95ba….pcapng"
std::string name_of_file(const alert::Incident& incident) {
  std::string time(alert::TimeText().of(incident.first_ns).substr(0, 19));
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("{}{}Z-{}-{}{}", kPrefix, time, name_of(incident.cause), alert::StableId().mix(incident.id).text(),
                     kSuffix);
}

/// Differs where the samples do.
std::uint64_t digest_of(const std::vector<alert::FrameSample>& samples) {
  alert::StableId digest;
  for (const alert::FrameSample& sample : samples) {
    digest.mix(sample.summary.id).mix(static_cast<std::uint64_t>(sample.summary.start_ns));
  }
  return digest.value();
}

/// What cannot be synchronised, as a FIFO or a folder of some network file systems, is left as it is. 0, or errno.
int synchronise(int file) { return ::fsync(file) == 0 || errno == EINVAL ? 0 : errno; }

/// 0, or errno.
int write_whole(const fs::path& path, const std::vector<std::uint8_t>& content, bool to_the_disk) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!file) return errno;
  std::size_t done = 0;
  int error = 0;
  while (done < content.size() && error == 0) {
    const ssize_t written = ::write(file.get(), content.data() + done, content.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR) {
      error = written == 0 ? ENOSPC : errno;
    }
  }
  if (error == 0 && to_the_disk) error = synchronise(file.get());
  if (!file.close() && error == 0) error = errno;
  return error;
}

/// 0, or errno.
int synchronise_file(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return errno == ENOENT ? 0 : errno;  // removed meanwhile, to make room
  return synchronise(file.get());
}

bool is_ours(const std::string& name) { return name.starts_with(kPrefix) && name.ends_with(kSuffix); }

}  // namespace

EvidenceFolder::EvidenceFolder(const EvidenceFolderOptions& options, Notice notice)
    : options_(options), notice_(std::move(notice)) {
  std::error_code ignored;
  if (fs::path absolute = fs::absolute(options.folder, ignored); !absolute.empty()) {
    options_.folder = absolute.lexically_normal();
  }
}

Result<EvidenceFolder> EvidenceFolder::open(const EvidenceFolderOptions& options, Notice notice) {
  EvidenceFolder folder(options, std::move(notice));
  if (auto usable = folder.probe(); !usable) return tl::unexpected(usable.error());
  folder.take_stock();
  folder.make_room();
  return folder;
}

Result<void> check_folder(const fs::path& folder) {
  const std::string& name = folder.native();
  std::error_code error;
  if (!fs::exists(folder, error)) {
    return usage_error(fmt::format("{}: there is no such folder for evidence; create it", name));
  }
  if (!fs::is_directory(folder, error)) {
    return usage_error(fmt::format("{}: is no folder; evidence needs one", name));
  }
  const fs::path trial = folder / fmt::format("{}probe-{}", kUnfinished, ::getpid());
  const int failed = write_whole(trial, {0}, true);
  ::unlink(trial.c_str());
  if (failed == 0) return {};
  return usage_error(fmt::format("{}: evidence cannot be written there ({}); mend that, or name another folder", name,
                                 reason(failed)));
}

/// What earlier runs have left.
void EvidenceFolder::take_stock() {
  using Clock = fs::file_time_type::clock;
  constexpr auto kAbandoned = std::chrono::minutes(1);
  std::vector<std::pair<fs::file_time_type, File>> found;
  std::error_code error;
  for (auto entry = fs::directory_iterator(options_.folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().native();
    std::error_code gone;
    if (!entry->is_regular_file(gone)) continue;
    const fs::file_time_type written = entry->last_write_time(gone);
    const std::uint64_t octets = gone ? 0 : entry->file_size(gone);
    if (gone) continue;
    if (is_ours(name)) found.emplace_back(written, File{name, octets});
    if (name.starts_with(kUnfinished) && Clock::now() - written > kAbandoned) fs::remove(entry->path(), gone);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.name) < std::pair(b.first, b.second.name);
  });
  for (const auto& [written, file] : found) enter(file.name, file.octets);
}

std::string EvidenceFolder::keep(const alert::Incident& incident, alert::AlertAction action) {
  const bool over = action == alert::AlertAction::closed;
  if (incident.frame_samples.empty()) {
    counters_.frameless += over ? 1 : 0;
    return {};
  }
  if (written_.size() > kMostRemembered) written_.clear();
  auto [written, first] = written_.try_emplace(incident.id);
  if (first) written->second.name = name_of_file(incident);
  const std::string name = written->second.name;
  const std::uint64_t samples = digest_of(incident.frame_samples);
  bool there = by_name_.contains(name);
  if (first || !there || written->second.samples != samples) {
    if (write(name, evidence_file(incident, options_.file))) {
      there = true;
      written->second.samples = samples;
    }
  }
  if (over) written_.erase(written);
  return there ? (options_.folder / name).native() : std::string();
}

bool EvidenceFolder::write(const std::string& name, const std::vector<std::uint8_t>& content) {
  const fs::path unfinished = options_.folder / fmt::format("{}{}", kUnfinished, name.substr(kPrefix.size()));
  // In place of a file that an alert names, nothing may stand that a power cut would empty.
  int error = write_whole(unfinished, content, by_name_.contains(name));
  if (error == 0 && ::rename(unfinished.c_str(), (options_.folder / name).c_str()) != 0) error = errno;
  tell(error != 0, reason(error));
  if (error != 0) {
    ::unlink(unfinished.c_str());
    ++counters_.failed;
    return false;
  }
  ++counters_.written;
  unsettled_.push_back(name);
  enter(name, content.size());
  make_room();
  return true;
}

bool EvidenceFolder::settle() {
  const std::vector<std::string> names = std::exchange(unsettled_, {});
  if (names.empty()) return true;
  const Descriptor folder(::open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // One that may be written to but not read cannot be synchronised, and is no reason to name no files.
  int error = !folder && errno != EACCES ? errno : 0;
  if (names.size() > kFewFiles && folder) {
    if (::syncfs(folder.get()) != 0) error = errno;
  } else {
    for (const std::string& name : names) {
      if (error == 0) error = synchronise_file(options_.folder / name);
    }
    if (error == 0 && folder) error = synchronise(folder.get());
  }
  if (error == 0) return true;
  counters_.failed += names.size();
  tell(true, reason(error));
  return false;
}

/// As the newest.
void EvidenceFolder::enter(const std::string& name, std::uint64_t octets) {
  if (const auto known = by_name_.find(name); known != by_name_.end()) forget(known->second);
  by_name_[name] = files_.insert(files_.end(), File{name, on_disk(octets)});
  counters_.octets += on_disk(octets);
  counters_.files = files_.size();
}

void EvidenceFolder::forget(Files::iterator file) {
  counters_.octets -= file->octets;
  by_name_.erase(file->name);
  files_.erase(file);
  counters_.files = files_.size();
}

void EvidenceFolder::make_room() {
  while (counters_.octets > options_.max_bytes && files_.size() > 1) {
    const auto oldest = files_.begin();
    const bool gone = ::unlink((options_.folder / oldest->name).c_str()) == 0 || errno == ENOENT;
    if (!gone) {
      notice_(NoticeLevel::error, fmt::format("{}/{}: old evidence cannot be removed ({}); it is not counted any more",
                                              options_.folder.native(), oldest->name, reason(errno)));
    }
    counters_.removed += gone ? 1 : 0;
    forget(oldest);
  }
}

/// Once when it begins to fail, and once when it works again.
void EvidenceFolder::tell(bool failed, const std::string& why) {
  if (failed == in_trouble_) return;
  in_trouble_ = failed;
  if (failed) {
    notice_(NoticeLevel::error, fmt::format("{}: evidence cannot be written ({}); alerts name no file meanwhile",
                                            options_.folder.native(), why));
  } else {
    notice_(NoticeLevel::info, fmt::format("{}: evidence is written again", options_.folder.native()));
  }
}

}  // namespace doorslam::trace_files
