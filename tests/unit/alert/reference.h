#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace doorslam::alert {

/// Where reference material lies that is not part of the repository: $DOORSLAM_SHARED, or `shared` beside the
/// repository. Tests that need it skip, and say so, where it is absent.
inline std::optional<std::filesystem::path> reference_file(const std::filesystem::path& name) {
  const char* from_environment = std::getenv("DOORSLAM_SHARED");
  const std::filesystem::path base = from_environment != nullptr ? from_environment : DOORSLAM_SHARED_DEFAULT;
  const std::filesystem::path path = base / "reference" / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

}  // namespace doorslam::alert
