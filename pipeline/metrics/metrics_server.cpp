#include "pipeline/metrics/metrics_server.h"

#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <exception>
#include <utility>

#include "pipeline/metrics/families.h"

namespace doorslam::metrics {

namespace {

constexpr std::size_t kThreads = 2;

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(Observe observe) : observe_(std::move(observe)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return families(observe_()); }

 private:
  Observe observe_;
};

}  // namespace

class MetricsServer::Impl {
 public:
  explicit Impl(const ListenAddress& address) : exposer_(address.text(), kThreads) {}

  void answer(Observe observe) {
    collector_ = std::make_shared<Collector>(std::move(observe));
    exposer_.RegisterCollectable(collector_);
  }

 private:
  std::shared_ptr<Collector> collector_;
  prometheus::Exposer exposer_;  ///< declared last: its threads end before what they ask is gone
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsServer::~MetricsServer() = default;

void MetricsServer::answer(Observe observe) { impl_->answer(std::move(observe)); }

Result<std::unique_ptr<MetricsServer>> MetricsServer::listen(const ListenAddress& address) {
  try {
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::make_unique<Impl>(address)));
  } catch (const std::exception&) {  // which says no more than that it failed
    return data_error(fmt::format(
        "run.metrics_address: cannot listen on {}; is another program there (`ss -ltnp`), or is it no address of this "
        "host?",
        address.text()));
  }
}

}  // namespace doorslam::metrics
