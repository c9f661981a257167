#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Lists of CPU numbers as the kernel writes them: "0-3,8,10-11".
namespace doorslam::host {

/// Ascending, none twice.
using CpuList = std::vector<unsigned>;

/// The CPUs of a list; blanks and the final line end do not count. Nothing where the text is no such list; an empty
/// text is an empty list.
std::optional<CpuList> parse_cpu_list(std::string_view text);
/// "2-5,8", as taskset, cpupower and the kernel's command line take it.
std::string text_of(const CpuList& cpus);

bool contains(const CpuList& cpus, unsigned cpu) noexcept;
/// What of `cpus` is not in `others`.
CpuList without(const CpuList& cpus, const CpuList& others);

}  // namespace doorslam::host
