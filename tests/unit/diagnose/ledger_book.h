#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "pipeline/diagnose/ledger/ledger.h"
#include "tests/support/segment_scenario.h"

/// For the tests of the ledger and of what it says beside a refusal.
namespace doorslam::diagnose::test {

using namespace doorslam::test;
using flowtable::Endpoint;

inline const Endpoint kServer{address4(200), 5000};
inline constexpr std::uint32_t kWords = 77;

inline TimeNs at(double seconds) { return kStart + static_cast<TimeNs>(seconds * kSecondNs); }

/// One book of connections, numbered as they come.
class LedgerBook : public testing::Test {
 protected:
  LedgerBook() { use({}); }
  void use(const LedgerOptions& options) { ledger_ = std::make_unique<Ledger>(options); }
  void use_window(double seconds) { ledger_->set_window(static_cast<flowtable::DurationNs>(seconds * kSecondNs)); }

  tcp::ConnectionSummary& accept(int client, double seconds, const Endpoint& server = kServer) {
    tcp::ConnectionSummary& one = connections_.emplace_back();
    one.id = connections_.size();
    one.originator = {address4(static_cast<std::uint8_t>(client), 1), 40000};
    one.responder = server;
    one.start_ns = at(seconds);
    ledger_->accepted(one, at(seconds));
    return one;
  }
  void end(const tcp::ConnectionSummary& one, Outcome outcome, double seconds, bool cut_short = false,
           std::uint32_t words = 0, bool hung_up_soon = false) {
    ledger_->ended(one, EndedNote{.outcome = outcome,
                                  .closed_ns = at(seconds),
                                  .cut = cut_short ? Cut::in_midst : Cut::none,
                                  .words = words,
                                  .hung_up_soon = hung_up_soon});
  }
  tcp::ConnectionSummary& serve(int client, double seconds, double lasting = 1.0) {
    tcp::ConnectionSummary& one = accept(client, seconds);
    end(one, Outcome::served, seconds + lasting, false, kWords);
    return one;
  }
  tcp::ConnectionSummary& refuse(int client, double seconds) {
    tcp::ConnectionSummary& one = accept(client, seconds);
    end(one, Outcome::refused_silently, seconds);
    return one;
  }
  Contrast contrast(const tcp::ConnectionSummary& one, double closed, std::uint32_t words = 0) {
    return ledger_->contrast(Subject{.server = one.responder,
                                     .client = one.originator.address,
                                     .connection_id = one.id,
                                     .accepted_ns = one.start_ns,
                                     .closed_ns = at(closed),
                                     .words = words});
  }

  std::unique_ptr<Ledger> ledger_;
  std::deque<tcp::ConnectionSummary> connections_;
};

}  // namespace doorslam::diagnose::test
