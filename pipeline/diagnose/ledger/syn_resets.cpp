#include "pipeline/diagnose/ledger/syn_resets.h"

#include <algorithm>

namespace doorslam::diagnose {

bool SynResetLog::note(const flowtable::IpAddress& client, flowtable::TimeNs time_ns) noexcept {
  const auto known = clients_.begin() + static_cast<std::ptrdiff_t>(count_);
  auto found = std::find_if(clients_.begin(), known, [&](const SynResets& one) { return one.client == client; });
  const bool is_new = found == known;
  const bool forgets = is_new && count_ == kMost;
  if (is_new) {
    if (!forgets) {
      ++count_;
    } else {
      found = std::min_element(clients_.begin(), clients_.end(),
                               [](const SynResets& a, const SynResets& b) { return a.last_ns < b.last_ns; });
    }
    *found = {.client = client, .first_ns = time_ns, .last_ns = time_ns};
  }
  ++found->times;
  // They are told when their connections are over, which need not be in their order.
  found->first_ns = std::min(found->first_ns, time_ns);
  found->last_ns = std::max(found->last_ns, time_ns);
  return forgets;
}

const SynResets* SynResetLog::of(const flowtable::IpAddress& client) const noexcept {
  const auto resets = all();
  const auto found = std::ranges::find(resets, client, &SynResets::client);
  return found == resets.end() ? nullptr : &*found;
}

}  // namespace doorslam::diagnose
