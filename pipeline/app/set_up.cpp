#include "pipeline/app/set_up.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "config/key.h"
#include "config/loader.h"
#include "config/options.h"

namespace doorslam::app {

Result<config::Settings> settings_of(const CommandLine& line) {
  std::optional<std::filesystem::path> file;
  if (!line.config_file.empty()) file = line.config_file;
  std::vector<std::string> overrides = line.settings;
  if (line.ignore_checksums) overrides.emplace_back("decode.verify_checksums=false");
  if (line.workers) overrides.push_back(fmt::format("workers={}", *line.workers));
  if (!line.lcores.empty()) overrides.push_back("run.lcores=" + line.lcores);
  // That of `read` is for captures of any link type.
  if (line.command == CommandLine::Command::run && !line.filter.empty())
    overrides.push_back("run.filter=" + line.filter);
  if (!line.evidence.empty()) overrides.push_back("evidence.folder=" + line.evidence);
  if (!line.question.store.empty()) overrides.push_back("store.path=" + line.question.store);
  if (line.no_huge) overrides.emplace_back("run.huge_pages=false");
  return config::load_settings(file, overrides);
}

Result<diagnose::SignatureScanner> make_scanner(const config::Settings& settings) {
  const std::vector<std::filesystem::path> paths = config::signature_paths(settings);
  const auto database = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
  if (!database) return tl::unexpected(database.error());
  return diagnose::SignatureScanner::create(*database);
}

std::vector<std::string> keys_that_need_a_restart(const config::Settings& old, const config::Settings& now) {
  std::vector<std::string> keys;
  for (const config::Key& key : config::keys()) {
    if (!key.reloads && old.value(key) != now.value(key)) keys.emplace_back(key.name);
  }
  if (old.sinks() != now.sinks()) keys.emplace_back("sinks");
  return keys;
}

}  // namespace doorslam::app
