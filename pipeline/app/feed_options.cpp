#include "pipeline/app/feed_options.h"

#include "config/sink_options.h"

namespace doorslam::app {

Result<AlertFeedOptions> feed_options(const CommandLine& line, const config::Settings& settings) {
  auto sinks = config::sink_options(settings);
  if (!sinks) return tl::unexpected(sinks.error());
  AlertFeedOptions options;
  options.store = config::store_options(settings);
  options.sinks = std::move(*sinks);
  const std::string& flows = settings.text("store.flows");
  options.flows = flows == "all" ? StoredFlows::all : flows == "refused" ? StoredFlows::refused : StoredFlows::none;
  // So long without any room in the queue, and the disk is taken to be beyond help.
  constexpr std::chrono::seconds kPatience{30};
  if (line.command == CommandLine::Command::read) options.patience = kPatience;
  // Those of a sensor are for its ports; whoever sends by hand may have files where only root can write.
  for (sink::SinkOptions& sink : options.sinks) {
    sink.runner.without_privileges = line.command == CommandLine::Command::run;
  }
  return options;
}

}  // namespace doorslam::app
