#include "pipeline/app/check_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>

#include "config/loader.h"
#include "config/options.h"
#include "pipeline/app/check_devices.h"
#include "pipeline/app/check_report.h"
#include "pipeline/app/host_needs.h"
#include "pipeline/app/output_file.h"
#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/host/judge.h"

namespace doorslam::app {
namespace {

using host::Findings;
using host::Level;

void note_all(const std::vector<Error>& mistakes, const std::string& topic, const std::string& command, Findings& out) {
  for (const Error& mistake : mistakes) out.must(topic, mistake.message, command);
}

config::Settings check_settings(const CommandLine& line, Findings& out) {
  std::optional<std::filesystem::path> file;
  if (!line.config_file.empty()) file = line.config_file;
  config::InspectedSettings inspected = config::inspect_settings(file, line.settings);
  note_all(inspected.mistakes, "settings", "doorslam print-config shows all keys and what they allow", out);
  if (inspected.mistakes.empty()) {
    const config::Settings defaults;
    const auto keys = config::keys();
    const auto changed = std::count_if(keys.begin(), keys.end(), [&](const config::Key& key) {
      return inspected.settings.value(key) != defaults.value(key);
    });
    out.fine("settings", fmt::format("{}: {} keys, {} changed", file ? file->string() : "no configuration file",
                                     keys.size(), changed));
  }
  return std::move(inspected.settings);
}

void check_signatures(const config::Settings& settings, Findings& out) {
  const std::vector<std::filesystem::path> paths = config::signature_paths(settings);
  const auto database = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
  if (!database) {
    return note_all(diagnose::signature_mistakes(paths), "signatures", "mend the place that is named", out);
  }
  std::set<std::string> files;
  std::size_t enabled = 0;
  for (const diagnose::Signature& signature : database->signatures()) {
    files.insert(signature.file);
    enabled += signature.enabled ? 1 : 0;
  }
  out.fine("signatures", fmt::format("{} in {} files, {} switched off; the first of {}", enabled, files.size(),
                                     database->signatures().size() - enabled, paths.front().string()));
}

void check_evidence(const config::Settings& settings, Findings& out) {
  const std::filesystem::path folder = config::evidence_options(settings, DOORSLAM_VERSION).folder;
  if (folder.empty()) return;
  if (const auto usable = trace_files::check_folder(folder); !usable) {
    return out.must("evidence", usable.error().message,
                    fmt::format("install -d -o doorslam -g doorslam -m 750 {}", folder.string()));
  }
  out.fine("evidence", fmt::format("{} can be written by who asks now", folder.string()));
}

Result<void> write_json(const std::string& file, const std::string& json) {
  auto output = OutputFile::open(file);
  if (!output) return tl::unexpected(output.error());
  output->write(json);
  return output->close();
}

}  // namespace

Result<int> check(const CommandLine& line) {
  Findings findings;
  const config::Settings settings = check_settings(line, findings);
  check_signatures(settings, findings);
  check_evidence(settings, findings);
  host::Facts facts = host::read_facts("/");
  facts.system.time_synchronised = host::clock_is_synchronised();
  const ethdev::LiveOptions options = config::live_options(settings);
  const host::Needs needs = host_needs(options, config::analysis_options(settings).frame_memory, facts);
  host::judge(facts, needs, findings);
  check_devices(options, needs, findings);

  if (!line.json.empty()) {
    if (auto written = write_json(line.json, findings_json(findings, DOORSLAM_VERSION)); !written) {
      return tl::unexpected(written.error());
    }
  }
  if (!line.quiet) {
    const bool colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    const std::string text = findings_text(findings, colour);
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (auto flushed = flush_standard_output(); !flushed) return tl::unexpected(flushed.error());
  }
  return findings.count(Level::must) > 0 ? 1 : 0;
}

}  // namespace doorslam::app
