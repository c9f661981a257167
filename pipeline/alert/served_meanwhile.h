#pragma once

#include <array>
#include <cstdint>

#include "flowtable/time.h"

/// How many connections were served while a server refused, told from those that were served since it stopped.
///
/// Theory of operation. Refusals are judged later than what is served is known, so a served connection may turn out to
/// lie before the last refusal. Those after it are counted by tenths of a second, as far back as a judgement may wait;
/// what is older waits in one sum for a refusal after all of it. To within a tenth of a second; not thread-safe.
namespace doorslam::alert {

class ServedMeanwhile {
 public:
  /// `count` connections that began then.
  void add(flowtable::TimeNs start_ns, std::uint64_t count = 1) noexcept;
  /// There were refusals until then.
  void reach(flowtable::TimeNs until_ns) noexcept;
  /// Takes over what the other has counted.
  void absorb(const ServedMeanwhile& other) noexcept;

  std::uint64_t meanwhile() const noexcept { return meanwhile_; }
  /// Since the last refusal so far.
  std::uint64_t afterwards() const noexcept { return afterwards_; }

 private:
  static constexpr flowtable::DurationNs kBinNs = 100 * flowtable::kMillisecondNs;
  static constexpr std::size_t kBins = 256;

  struct Bin {
    flowtable::TimeNs number = 0;  ///< of bins since 1970
    std::uint64_t count = 0;
  };

  flowtable::TimeNs reached_ = -1;  ///< the bin of the last refusal; so is what follows counted in bins
  flowtable::TimeNs waiting_until_ = 0;
  std::uint64_t meanwhile_ = 0;
  std::uint64_t afterwards_ = 0;  ///< all that is in bins or waits
  std::uint64_t waiting_ = 0;     ///< for a refusal after waiting_until_
  std::array<Bin, kBins> bins_;   ///< by number
};

}  // namespace doorslam::alert
