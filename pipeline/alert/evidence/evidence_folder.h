#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/alert/evidence/evidence_file.h"
#include "pipeline/alert/incident.h"
#include "pipeline/base/notice.h"
#include "pipeline/base/result.h"

namespace doorslam::trace_files {

struct EvidenceFolderOptions {
  std::filesystem::path folder = {};
  std::uint64_t max_bytes = std::uint64_t{1} << 30U;  ///< of disk, for all evidence files in it
  EvidenceFileOptions file = {};
};

/// What became of the evidence files.
struct EvidenceFileCounters {
  std::uint64_t written = 0;    ///< files, each time that they were written
  std::uint64_t failed = 0;     ///< files that could not be written: their alerts name none
  std::uint64_t removed = 0;    ///< oldest files, because there were more than max_bytes
  std::uint64_t frameless = 0;  ///< incidents without a file when they closed: no frames of theirs were kept
  std::uint64_t files = 0;      ///< there now
  std::uint64_t octets = 0;     ///< of disk that they take now, in blocks of 4 KiB
  std::uint64_t late = 0;       ///< alerts that name no file because it would have taken too long (EvidenceWriter)
  std::uint64_t waiting = 0;    ///< alerts that wait for their file now (EvidenceWriter)
};

/// Whether evidence can be written into the folder with the rights that the process has now. Errors (usage): it cannot.
Result<void> check_folder(const std::filesystem::path& folder);

/// A folder of evidence files, one an incident, named doorslam-TIME-CAUSE-INCIDENT.pcapng.
///
/// A file is there, whole and on the disk, before the alert that names it: it is written beside its place and moved
/// there, and settle() makes sure of the disk for all that were written before. It is written again when the incident
/// has other samples. Together they take no more than `max_bytes`: the oldest go first, those of earlier runs among
/// them. Other files are left alone. One process at a time should use a folder. Not thread-safe.
class EvidenceFolder {
 public:
  /// Errors (usage): the folder is none, or no file can be written there. `notice` hears when that changes later on.
  static Result<EvidenceFolder> open(const EvidenceFolderOptions& options, Notice notice);

  /// See check_folder().
  Result<void> probe() const { return check_folder(options_.folder); }

  /// Writes the packets of the incident as it stands, unless that was done. Returns the file's absolute path, which may
  /// be told after settle(); empty: there is none.
  std::string keep(const alert::Incident& incident, alert::AlertAction action);

  /// What keep() has written is on the disk. False: it may not be, and the alerts must not name it; counted and told.
  bool settle();

  /// From now on with or without payload; what was written stays.
  void show_payload(bool payload) noexcept { options_.file.payload = payload; }
  const EvidenceFileCounters& counters() const noexcept { return counters_; }

 private:
  struct File {
    std::string name;
    std::uint64_t octets = 0;  ///< of disk
  };
  using Files = std::list<File>;
  /// What is written of an open incident.
  struct Written {
    std::string name;
    std::uint64_t samples = 0;  ///< tells them from others
  };

  EvidenceFolder(const EvidenceFolderOptions& options, Notice notice);
  void take_stock();
  bool write(const std::string& name, const std::vector<std::uint8_t>& content);
  void enter(const std::string& name, std::uint64_t octets);
  void forget(Files::iterator file);
  void make_room();
  void tell(bool failed, const std::string& why);

  EvidenceFolderOptions options_;
  Notice notice_;
  Files files_;  ///< oldest first
  std::unordered_map<std::string, Files::iterator> by_name_;
  std::unordered_map<std::uint64_t, Written> written_;  ///< by incident
  std::vector<std::string> unsettled_;                  ///< names of files that were written since settle()
  EvidenceFileCounters counters_;
  bool in_trouble_ = false;
};

}  // namespace doorslam::trace_files
