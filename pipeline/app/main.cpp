#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>

#include "config/loader.h"
#include "pipeline/app/alerts_command.h"
#include "pipeline/app/check_command.h"
#include "pipeline/app/command_line.h"
#include "pipeline/app/complain.h"
#include "pipeline/app/output_file.h"
#include "pipeline/app/read_command.h"
#include "pipeline/app/run_command.h"
#include "pipeline/app/top_command.h"
#include "pipeline/base/descriptor.h"
#include "pipeline/diagnose/guide/guide.h"

namespace {

using doorslam::Error;
using doorslam::ErrorKind;
using doorslam::Result;
using doorslam::app::CommandLine;

int fail(const Error& error) {
  doorslam::app::complain(error.message);
  return error.kind == ErrorKind::usage ? 2 : 1;
}

int exit_code(const Result<int>& done) { return done ? *done : fail(done.error()); }

int print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  const auto flushed = doorslam::app::flush_standard_output();
  return flushed ? 0 : fail(flushed.error());
}

int explain(const CommandLine& line) {
  if (line.markdown) return print(doorslam::diagnose::explain_in_markdown());
  if (line.cause) return print(doorslam::diagnose::explain(*line.cause));
  std::string causes;
  for (std::size_t i = 0; i < doorslam::diagnose::kCauseCount; ++i) {
    const auto cause = static_cast<doorslam::diagnose::Cause>(i);
    causes += fmt::format("{:24}{}\n", name_of(cause), doorslam::diagnose::guide_entry(cause).sentence);
  }
  return print(causes);
}

int print_config(const CommandLine& line) {
  std::optional<std::filesystem::path> file;
  if (!line.config_file.empty()) file = line.config_file;
  const auto settings = doorslam::config::load_settings(file, line.settings);
  if (!settings) return fail(settings.error());
  return print(doorslam::config::print_config(*settings));
}

int run(const CommandLine& line) {
  switch (line.command) {
    case CommandLine::Command::explain:
      return explain(line);
    case CommandLine::Command::print_config:
      return print_config(line);
    case CommandLine::Command::check:
      return exit_code(doorslam::app::check(line));
    case CommandLine::Command::alerts:
      return exit_code(doorslam::app::show_alerts(line));
    case CommandLine::Command::run:
      return exit_code(doorslam::app::run_sensor(line));
    case CommandLine::Command::top:
      return exit_code(doorslam::app::watch_sensor(line));
    case CommandLine::Command::read:
      break;
  }
  return exit_code(doorslam::app::read_captures(line));
}

/// The number of a standard stream that is closed must not go to a file of ours, which would get what is told there. It
/// cannot be written either way.
void occupy_standard_streams() {
  doorslam::Descriptor opened(open("/dev/null", O_RDONLY));
  while (opened && opened.get() <= STDERR_FILENO) {
    opened.release();
    opened.reset(open("/dev/null", O_RDONLY));
  }
}

Error no_memory() {
  return {ErrorKind::data,
          "not enough memory: most of it is for flows.capacity, flows.capacity_ipv6, evidence.capacity and "
          "ledger.capacity_connections; lower them, or raise what limits this process (ulimit -v, MemoryMax= "
          "of its unit)"};
}

/// What a thread throws that has nobody to hand it to. Threads run still, so nothing is taken apart.
[[noreturn]] void end_at_once() {
  int code = 1;
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
    std::abort();
  } catch (const std::bad_alloc&) {
    code = fail(no_memory());
  } catch (const std::exception& error) {
    code = fail(Error{ErrorKind::data, error.what()});
  } catch (...) {
    std::abort();
  }
  std::_Exit(code);
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  std::set_terminate(end_at_once);
  try {
    const auto line = doorslam::app::parse_command_line(argc, argv);
    if (!line) return fail(line.error());
    return *line ? run(**line) : print("");  // the help has been printed
  } catch (const std::bad_alloc&) {
    return fail(no_memory());
  } catch (const std::exception& error) {
    return fail(Error{ErrorKind::data, error.what()});
  }
}
