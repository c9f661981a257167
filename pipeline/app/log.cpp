#include "pipeline/app/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace doorslam::app {

namespace {

constexpr std::size_t kMessagesWaiting = 1024;

}  // namespace

Log::Log(bool quiet) {
  spdlog::init_thread_pool(kMessagesWaiting, 1);
  logger_ =
      std::make_shared<spdlog::async_logger>("doorslam", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(),
                                             spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ doorslam %^%l%$: %v", spdlog::pattern_time_type::utc);
  logger_->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
  logger_->flush_on(spdlog::level::warn);
}

Log::~Log() {
  logger_->flush();
  logger_.reset();
  spdlog::shutdown();
}

}  // namespace doorslam::app
