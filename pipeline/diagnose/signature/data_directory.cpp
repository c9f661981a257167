#include "pipeline/diagnose/signature/data_directory.h"

#include <algorithm>
#include <system_error>

namespace doorslam::diagnose {
namespace fs = std::filesystem;

namespace {

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace

DataPlaces data_places_of(const fs::path& program) {
  if (lies_in(program, DOORSLAM_BUILD_ROOT)) {
    return {DOORSLAM_SIGNATURE_SOURCE_DIRECTORY, DOORSLAM_SIGNATURE_BUILD_DIRECTORY};
  }
  // From <prefix>/bin/doorslam to <prefix>/share/doorslam, by the folders' names at configuration.
  const fs::path beside =
      (program.parent_path() / fs::path(DOORSLAM_DATA_DIRECTORY).lexically_relative(DOORSLAM_BIN_DIRECTORY))
          .lexically_normal();
  std::error_code absent;
  const fs::path data = fs::is_directory(beside / "signatures", absent) ? beside : fs::path(DOORSLAM_DATA_DIRECTORY);
  return {data / "signatures", data};
}

DataPlaces data_places() {
  std::error_code unreadable;
  return data_places_of(fs::read_symlink("/proc/self/exe", unreadable));
}

}  // namespace doorslam::diagnose
