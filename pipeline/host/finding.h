#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace doorslam::host {

enum class Level : std::uint8_t {
  fine,
  skipped,  ///< not looked at, and the text says why
  should,   ///< it runs, but loses packets or precision under load
  must,     ///< it cannot run, or not as configured
};

std::string_view name_of(Level level) noexcept;

/// One thing that was looked at.
struct Finding {
  Level level = Level::fine;
  std::string topic;    ///< "huge pages", "port 0000:3b:00.0": what, in a word or two
  std::string text;     ///< how it stands, with its figures
  std::string command;  ///< what a root shell takes to mend it; empty where nothing is to be mended

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// Findings in the order in which they were made.
class Findings {
 public:
  void fine(std::string topic, std::string text) { add(Level::fine, std::move(topic), std::move(text), {}); }
  void skipped(std::string topic, std::string why) { add(Level::skipped, std::move(topic), std::move(why), {}); }
  void should(std::string topic, std::string text, std::string command) {
    add(Level::should, std::move(topic), std::move(text), std::move(command));
  }
  void must(std::string topic, std::string text, std::string command) {
    add(Level::must, std::move(topic), std::move(text), std::move(command));
  }

  const std::vector<Finding>& all() const noexcept { return all_; }
  std::size_t count(Level level) const noexcept;

 private:
  void add(Level level, std::string topic, std::string text, std::string command) {
    all_.push_back({level, std::move(topic), std::move(text), std::move(command)});
  }

  std::vector<Finding> all_;
};

}  // namespace doorslam::host
