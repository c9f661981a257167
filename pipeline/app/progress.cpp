#include "pipeline/app/progress.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string_view>

namespace doorslam::app {

namespace {

constexpr std::int64_t kRedrawMs = 100;
constexpr std::size_t kBarColumns = 32;

std::int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

/// The terminal may be gone by now: nothing comes of that.
void draw(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

void Progress::show(std::uint64_t octets, std::optional<std::uint64_t> total, std::uint64_t packets) {
  if (!shown_) return;
  const std::int64_t now = steady_ms();
  if (now < next_draw_ms_) return;
  next_draw_ms_ = now + kRedrawMs;
  drawn_ = true;
  const double mib = static_cast<double>(octets) / (1 << 20);
  if (!total || *total == 0) {
    draw(fmt::format("\r\033[Kreading  {:.1f} MiB, {} packets", mib, packets));
  } else {
    const double share = std::min(1.0, static_cast<double>(octets) / static_cast<double>(*total));
    const auto full = static_cast<std::size_t>(share * kBarColumns);
    draw(fmt::format("\r\033[Kreading  [{:=<{}}{: <{}}] {:3.0f} %  {:.1f} MiB, {} packets", "", full, "",
                     kBarColumns - full, share * 100, mib, packets));
  }
}

void Progress::clear() {
  if (!drawn_) return;
  drawn_ = false;
  draw("\r\033[K");
}

}  // namespace doorslam::app
