#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small reads of the kernel's text files. Absent and unreadable are the same: empty.
namespace doorslam::host {

/// The whole file (at most 1 MiB) without its final blanks.
std::string read_text(const std::filesystem::path& path);
std::optional<std::uint64_t> read_number(const std::filesystem::path& path);
/// Names in a folder, sorted; none where it cannot be listed.
std::vector<std::string> names_in(const std::filesystem::path& folder);
/// The last part of a symbolic link's target; empty where it is none.
std::string link_name(const std::filesystem::path& link);

std::optional<std::uint64_t> number_of(std::string_view text, int base = 10);
std::vector<std::string> words_of(std::string_view text);
std::vector<std::string> lines_of(std::string_view text);
/// The first number after "NAME:" at a line's beginning, as in /proc/meminfo and /proc/self/status.
std::optional<std::uint64_t> field_of(std::string_view text, std::string_view name);
/// The text after "NAME" and a colon at a line's beginning, blanks around it left out.
std::string text_field_of(std::string_view text, std::string_view name);

}  // namespace doorslam::host
