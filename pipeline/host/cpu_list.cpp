#include "pipeline/host/cpu_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace doorslam::host {
namespace {

/// More CPUs than Linux supports; a range beyond it is a damaged text, not a machine.
constexpr unsigned kMostCpus = 8192;

std::optional<unsigned> number_of(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number >= kMostCpus) return std::nullopt;
  return number;
}

}  // namespace

std::optional<CpuList> parse_cpu_list(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  CpuList cpus;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::size_t dash = item.find('-');
    const auto first = number_of(item.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number_of(item.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    for (unsigned cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string text_of(const CpuList& cpus) {
  std::string out;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!out.empty()) out += ',';
    out += last == i ? fmt::format("{}", cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[last]);
    i = last + 1;
  }
  return out;
}

bool contains(const CpuList& cpus, unsigned cpu) noexcept { return std::binary_search(cpus.begin(), cpus.end(), cpu); }

CpuList without(const CpuList& cpus, const CpuList& others) {
  CpuList out;
  std::set_difference(cpus.begin(), cpus.end(), others.begin(), others.end(), std::back_inserter(out));
  return out;
}

}  // namespace doorslam::host
