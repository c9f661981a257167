#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "pipeline/base/result.h"

namespace doorslam::config {

/// The settings that a run goes by: the defaults, changed by the file, changed by the overrides ("key=value"), checked
/// together. Errors (usage): one line with the place (file:line:column, or --set), what is wrong and how to mend it.
Result<Settings> load_settings(const std::optional<std::filesystem::path>& file,
                               std::span<const std::string> overrides);

/// The settings as far as they are right, and everything that load_settings would refuse (at most 100 mistakes of the
/// file), in the order of the text.
struct InspectedSettings {
  Settings settings;
  std::vector<Error> mistakes;
};
InspectedSettings inspect_settings(const std::optional<std::filesystem::path>& file,
                                   std::span<const std::string> overrides);

/// Applies the text of a YAML file. `file` names it in messages; relative paths in it start at its folder.
Result<void> apply_yaml(Settings& settings, std::string_view text, const std::filesystem::path& file);

}  // namespace doorslam::config
