#include "pipeline/app/top_command.h"

// Its macros are named like half of the standard library.
#define NCURSES_NOMACROS
#include <curses.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "pipeline/app/output_file.h"
#include "pipeline/app/telemetry_client.h"
#include "pipeline/app/top_view.h"

namespace doorslam::app {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

Result<TopSample> take_sample(const TelemetryClient& sensor) {
  TopSample sample;
  const std::array<std::pair<const char*, nlohmann::json*>, 5> parts = {{{"/doorslam/stats", &sample.stats},
                                                                         {"/doorslam/workers", &sample.workers},
                                                                         {"/doorslam/ports", &sample.ports},
                                                                         {"/doorslam/servers", &sample.servers},
                                                                         {"/doorslam/alerts", &sample.alerts}}};
  for (const auto& [command, part] : parts) {
    auto answer = sensor.ask(command);
    if (!answer) return tl::unexpected(answer.error());
    *part = std::move(*answer);
  }
  return sample;
}

/// The terminal as ncurses draws on it, until the end of the scope.
class Screen {
 public:
  /// Null where the terminal cannot be drawn on (TERM is dumb, or unknown here).
  static std::unique_ptr<Screen> open() {
    std::setlocale(LC_ALL, "");
    SCREEN* const screen = newterm(nullptr, stdout, stdin);
    if (screen == nullptr) return nullptr;
    return std::unique_ptr<Screen>(new Screen(screen));
  }
  ~Screen() {
    endwin();
    delscreen(screen_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void draw(const TopSample& before, const TopSample& now) const {
    werase(stdscr);
    const int rows = getmaxy(stdscr);
    const int columns = getmaxx(stdscr);
    if (rows < 1 || columns < 1) return;
    const auto lines = top_view(before, now, static_cast<std::size_t>(columns), static_cast<std::size_t>(rows));
    int row = 0;
    for (const TopLine& line : lines) {
      wattrset(stdscr, static_cast<int>(look_of(line.tone)));
      mvwaddnstr(stdscr, row++, 0, line.text.c_str(), columns);
    }
    wrefresh(stdscr);
  }

  /// Waits so long for a key; ERR where none came.
  static int key(milliseconds wait) {
    wtimeout(stdscr, static_cast<int>(std::max<milliseconds::rep>(wait.count(), 0)));
    return wgetch(stdscr);
  }

 private:
  explicit Screen(SCREEN* screen) : screen_(screen) {
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, true);
    if (!has_colors()) return;
    start_color();
    use_default_colors();
    coloured_ = true;
    constexpr short kOwnBackground = -1;
    init_pair(1, COLOR_GREEN, kOwnBackground);
    init_pair(2, COLOR_YELLOW, kOwnBackground);
    init_pair(3, COLOR_RED, kOwnBackground);
  }

  chtype look_of(TopTone tone) const {
    const auto pair = [this](int number) { return coloured_ ? static_cast<chtype>(COLOR_PAIR(number)) : A_NORMAL; };
    switch (tone) {
      case TopTone::plain:
        return A_NORMAL;
      case TopTone::heading:
        return A_REVERSE;
      case TopTone::good:
        return pair(1);
      case TopTone::warning:
        return pair(2);
      case TopTone::bad:
        return pair(3) | A_BOLD;
    }
    return A_NORMAL;
  }

  SCREEN* screen_;
  bool coloured_ = false;
};

/// Until q is pressed. Errors (data): the sensor does not answer any more.
Result<int> watch(const Screen& screen, const TelemetryClient& sensor, milliseconds interval, TopSample before) {
  TopSample now = before;
  auto due = Clock::now() + interval;
  while (true) {
    screen.draw(before, now);
    const int key = Screen::key(std::chrono::duration_cast<milliseconds>(due - Clock::now()));
    if (key == 'q' || key == 'Q') return 0;
    if (Clock::now() < due) continue;  // another key, or another size
    auto sample = take_sample(sensor);
    if (!sample) return tl::unexpected(sample.error());
    before = std::exchange(now, std::move(*sample));
    due = Clock::now() + interval;
  }
}

Result<int> print_once(const TelemetryClient& sensor, milliseconds interval, const TopSample& before) {
  std::this_thread::sleep_for(interval);
  const auto now = take_sample(sensor);
  if (!now) return tl::unexpected(now.error());
  constexpr std::size_t kAnyWidth = 4096;
  std::string text;
  for (const TopLine& line : top_view(before, *now, kAnyWidth, 0)) text += line.text + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (const auto flushed = flush_standard_output(); !flushed) return tl::unexpected(flushed.error());
  return 0;
}

}  // namespace

Result<int> watch_sensor(const CommandLine& line) {
  const auto sensor = TelemetryClient::find(line.file_prefix);
  if (!sensor) return tl::unexpected(sensor.error());
  const milliseconds interval(static_cast<std::int64_t>(line.interval_seconds * 1e3));
  auto first = take_sample(*sensor);
  if (!first) return tl::unexpected(first.error());
  const bool plain = line.once || isatty(STDOUT_FILENO) == 0 || isatty(STDIN_FILENO) == 0;
  const std::unique_ptr<Screen> screen = plain ? nullptr : Screen::open();
  if (!screen) return print_once(*sensor, interval, *first);
  return watch(*screen, *sensor, interval, std::move(*first));
}

}  // namespace doorslam::app
