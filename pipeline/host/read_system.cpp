#include <sys/timex.h>

#include <algorithm>

#include "pipeline/host/facts.h"
#include "pipeline/host/tree.h"

namespace doorslam::host {
namespace fs = std::filesystem;

bool SystemFacts::runs(std::string_view command) const {
  return std::binary_search(commands.begin(), commands.end(), command);
}

ProcessFacts read_process(const fs::path& root) {
  ProcessFacts facts;
  const std::string status = read_text(root / "proc/self/status");
  const std::vector<std::string> uids = words_of(text_field_of(status, "Uid"));  // real, effective, saved, file system
  if (uids.size() >= 2) facts.uid = static_cast<unsigned>(number_of(uids[1]).value_or(0));
  facts.effective_capabilities = number_of(text_field_of(status, "CapEff"), 16).value_or(0);
  for (const std::string& line : lines_of(read_text(root / "proc/self/limits"))) {
    if (!line.starts_with("Max locked memory")) continue;
    const std::vector<std::string> words = words_of(line);  // Max locked memory SOFT HARD bytes
    if (words.size() >= 4) facts.memlock_octets = number_of(words[3]);
  }
  std::error_code error;
  facts.program = fs::read_symlink(root / "proc/self/exe", error).string();
  return facts;
}

SystemFacts read_system(const fs::path& root) {
  SystemFacts facts;
  facts.kernel_release = read_text(root / "proc/sys/kernel/osrelease");
  const fs::path clock = root / "sys/devices/system/clocksource/clocksource0";
  facts.clock_source = read_text(clock / "current_clocksource");
  facts.clock_sources = words_of(read_text(clock / "available_clocksource"));
  const std::vector<std::string> flags = words_of(text_field_of(read_text(root / "proc/cpuinfo"), "flags"));
  facts.hypervisor = std::find(flags.begin(), flags.end(), "hypervisor") != flags.end();
  for (const std::string& name : names_in(root / "proc")) {
    if (!number_of(name)) continue;
    std::string command = read_text(root / "proc" / name / "comm");
    if (!command.empty()) facts.commands.push_back(std::move(command));
  }
  std::sort(facts.commands.begin(), facts.commands.end());
  facts.commands.erase(std::unique(facts.commands.begin(), facts.commands.end()), facts.commands.end());
  return facts;
}

std::optional<bool> clock_is_synchronised() {
  timex state{};
  const int result = ::adjtimex(&state);
  if (result < 0) return std::nullopt;
  return result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

Facts read_facts(const fs::path& root) {
  Facts facts;
  facts.memory = read_memory(root);
  facts.cpu = read_cpus(root);
  facts.devices = read_devices(root);
  facts.process = read_process(root);
  facts.system = read_system(root);
  return facts;
}

}  // namespace doorslam::host
