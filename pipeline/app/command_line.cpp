#include "pipeline/app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <filesystem>

#include "pipeline/base/printable.h"
#include "pipeline/base/text.h"

namespace doorslam::app {

namespace {

constexpr const char* kAbout =
    "doorslam reads TCP connections off a capture and says why servers refused them.\n\n"
    "A client completes the handshake and the server hangs up: was it an access list, a connection limit, a crash,\n"
    "a firewall? doorslam weighs what the packets show and what else the server was doing at that moment.";

constexpr const char* kExamples =
    "\nExamples:\n"
    "  doorslam read office.pcap                        a report for a person\n"
    "  doorslam read tap0.pcap tap1.pcapng              several captures, merged by time\n"
    "  tcpdump -w - -i eth0 tcp | doorslam read -       from a pipe, until it ends or Ctrl-C\n"
    "  doorslam read big.pcap --quiet --flows flows.ndjson --alerts alerts.ndjson\n"
    "                                                   records for a SIEM (ECS, one JSON object a line)\n"
    "  doorslam read x.pcap --flows - --quiet | jq 'select(.doorslam.cause == \"acl_denied\")'\n"
    "  doorslam read x.pcap --filter 'host 10.61.0.14'   of a capture these packets alone\n"
    "  doorslam run --vdev net_af_packet0,iface=eth1 --no-huge --alerts -\n"
    "                                                   live, on an interface of the kernel\n"
    "  doorslam top                                     watch the sensor that runs\n"
    "  doorslam check -c doorslam.yaml                  is the configuration right, and the host fit for it?\n"
    "  doorslam alerts -c doorslam.yaml --cause app_crash\n"
    "                                                   what is in the store of alerts\n"
    "  doorslam explain connection_limit                what a cause means and what to do about it\n"
    "\nExit codes: 0 done; 1 something could not be read or written (the rest was); 2 wrong usage or "
    "configuration.";

constexpr const char* kReadExamples =
    "\nExamples:\n"
    "  doorslam read office.pcap                        a report for a person\n"
    "  doorslam read tap0.pcap tap1.pcapng              several captures, merged by time\n"
    "  tcpdump -w - -i eth0 tcp | doorslam read -       from a pipe, until it ends or Ctrl-C\n"
    "  doorslam read x.pcap --filter 'tcp port 443 or (vlan and tcp port 443)'\n"
    "                                                   these packets alone, with a VLAN tag as well\n"
    "\nExit codes: 0 done; 1 something could not be read or written (the rest was); 2 wrong usage or configuration.";

void add_settings(CLI::App& command, CommandLine& line) {
  command.add_option("-c,--config", line.config_file, "Configuration file (YAML)")->type_name("FILE");
  command.add_option("--set", line.settings, "One setting, over the configuration file's; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

/// `puts`: what is done to a file that is there already.
void add_outputs(CLI::App& command, CommandLine& line, const std::string& puts) {
  command
      .add_option("--flows", line.flows,
                  puts + " a record of every connection (NDJSON, ECS) to FILE; - is standard output")
      ->type_name("FILE");
  command.add_option("--alerts", line.alerts, puts + " the alerts (NDJSON, ECS) to FILE; - is standard output")
      ->type_name("FILE");
  command
      .add_option("--evidence", line.evidence,
                  "Write the packets of some refused connections of each incident (pcapng) into the folder DIR")
      ->type_name("DIR");
}

void add_read(CLI::App& app, CommandLine& line) {
  CLI::App* read = app.add_subcommand("read", "Read captures and report refused connections");
  read->add_option("captures", line.captures, "pcap or pcapng files; - is standard input")->type_name("CAPTURE");
  read->add_option("--filter", line.filter,
                   "Take only packets that this filter lets through, as tcpdump's (pcap-filter(7)); what the rest of a "
                   "server did is then unknown, and counts for nothing")
      ->type_name("EXPRESSION");
  add_outputs(*read, line, "Write");
  read->add_flag("-q,--quiet", line.quiet, "No report, no progress bar");
  read->add_option("-w,--workers", line.workers,
                   "Worker threads, 1 to 64; the records are the same with any number while evidence.capacity lasts")
      ->type_name("N");
  read->add_flag("-C,--ignore-checksums", line.ignore_checksums,
                 "Take packets with wrong checksums (captures made where the card computes them)");
  add_settings(*read, line);
  read->footer(kReadExamples);
  read->callback([&line] { line.command = CommandLine::Command::read; });
}

void add_run(CLI::App& app, CommandLine& line) {
  CLI::App* run = app.add_subcommand("run", "Listen on ports and report refused connections as they happen");
  run->add_option("--port", line.ports, "PCI address of a port to listen on; several form one port group, as a tap's")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  run->add_option("--vdev", line.vdevs, "DPDK virtual device to listen on (net_af_packet0,iface=eth1); may be repeated")
      ->type_name("SPEC")
      ->allow_extra_args(false);
  run->add_option("-w,--workers", line.workers, "Worker threads, 1 to 64")->type_name("N");
  run->add_option("--lcores", line.lcores, "CPUs for the workers, then for receiving threads: 2-5,8")
      ->type_name("LIST");
  run->add_option("--filter", line.filter,
                  "Take only packets that this filter lets through, as tcpdump's (pcap-filter(7))")
      ->type_name("EXPRESSION");
  run->add_flag("--no-huge", line.no_huge, "Do without huge pages (virtual devices only)");
  add_outputs(*run, line, "Append");
  run->add_option("--stop-when-idle", line.stop_when_idle, "End after so long without a packet")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
  run->add_flag("-q,--quiet", line.quiet, "Log warnings and errors only");
  run->add_flag("-C,--ignore-checksums", line.ignore_checksums, "Take packets with wrong checksums");
  add_settings(*run, line);
  run->footer(
      "\nSIGTERM and SIGINT drain and end; SIGHUP reads settings and signatures again; SIGUSR1 opens the output files "
      "again.\nExit codes: 0 done; 1 a port, an output or the host failed; 2 wrong usage or configuration.");
  run->callback([&line] { line.command = CommandLine::Command::run; });
}

void add_top(CLI::App& app, CommandLine& line) {
  constexpr double kLeastSeconds = 0.1;
  constexpr double kMostSeconds = 3600.0;
  CLI::App* top = app.add_subcommand("top", "Watch a running sensor: rates, losses, table, refusals, worst servers");
  top->add_option("--file-prefix", line.file_prefix, "The sensor's run.file_prefix, where several run")
      ->type_name("NAME");
  top->add_option("--interval", line.interval_seconds, "Between two looks, 0.1 to 3600 (default 1)")
      ->type_name("SECONDS")
      ->check(CLI::Range(kLeastSeconds, kMostSeconds));
  top->add_flag("--once", line.once, "Print plain text once and end, as without a terminal");
  top->footer("\nq quits. Needs the permission to reach the sensor's telemetry socket: its user, or root.");
  top->callback([&line] { line.command = CommandLine::Command::top; });
}

void add_check(CLI::App& app, CommandLine& line) {
  CLI::App* check = app.add_subcommand("check",
                                       "Check the configuration, the signatures and the host, and say how to "
                                       "mend what is wrong");
  add_settings(*check, line);
  check->add_option("--json", line.json, "Write the findings (JSON) to FILE; - is standard output")->type_name("FILE");
  check->add_flag("-q,--quiet", line.quiet, "Print nothing; the exit code tells");
  check->footer(
      "\nEach line says fine, skipped, should or must. Exit codes: 0 nothing must be mended; 1 something must; "
      "2 wrong usage.");
  check->callback([&line] { line.command = CommandLine::Command::check; });
}

void add_alerts(CLI::App& app, CommandLine& line) {
  AlertsQuestion& question = line.question;
  CLI::App* alerts = app.add_subcommand("alerts", "List and show stored alerts, have them sent once more");
  alerts->add_option("id", question.id, "Show the record whose event.id begins so, with its ladder")->type_name("ID");
  alerts->add_option("--store", question.store, "The store, in place of the configuration's store.path")
      ->type_name("FILE");
  alerts->add_option("--cause", question.causes, "Only of this cause; may be repeated")
      ->type_name("CAUSE")
      ->allow_extra_args(false);
  alerts->add_option("--server", question.servers, "Only about servers in this network; may be repeated")
      ->type_name("NETWORK")
      ->allow_extra_args(false);
  alerts->add_option("--min-severity", question.least_severity, "Only of this severity at least: 21, 47, 73, 99")
      ->type_name("N")
      ->check(CLI::Range(0, 99));
  alerts->add_option("-n,--limit", question.limit, "So many, the newest; 0: all")->type_name("N");
  alerts->add_flag("--flows", question.flows, "Flow records as well");
  alerts->add_flag("--json", question.json, "The records as they are (NDJSON, ECS)");
  CLI::Option* sinks = alerts->add_flag("--sinks", question.sinks, "How far each sink is");
  alerts->add_option("--resend", question.resend, "Have what is chosen sent once more by this sink")
      ->type_name("SINK")
      ->excludes(sinks);
  add_settings(*alerts, line);
  alerts->footer(
      "\nExit codes: 0 done; 1 there is no store, or not all could be sent; 2 wrong usage or configuration.");
  alerts->callback([&line] { line.command = CommandLine::Command::alerts; });
}

void add_explain(CLI::App& app, CommandLine& line, std::string& cause) {
  CLI::App* explain = app.add_subcommand("explain", "What a cause means, looks like, and whom to ask");
  CLI::Option* one =
      explain->add_option("cause", cause, "One of the causes; without it, all are listed")->type_name("CAUSE");
  explain->add_flag("--markdown", line.markdown, "All of them in full, as in docs/causes.md")->excludes(one);
  explain->callback([&line] { line.command = CommandLine::Command::explain; });
}

void add_print_config(CLI::App& app, CommandLine& line) {
  CLI::App* print =
      app.add_subcommand("print-config", "Print all settings with their meaning, as a configuration file");
  add_settings(*print, line);
  print->callback([&line] { line.command = CommandLine::Command::print_config; });
}

/// What is wrong with the word that stands where a command should; nothing: it is one, or there is none.
std::string wrong_command(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  std::string names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == argv[1]) return {};
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  return "'" + printable(argv[1]) + "' is no command; there are " + names;
}

constexpr const char* kSeeHelp = "; doorslam --help shows what is possible";

/// The help of the command that was used wrongly.
std::string where_help_is(const CLI::App& app, int argc, const char* const* argv) {
  const bool of_command = argc >= 2 && argv[1][0] != '-' && wrong_command(app, argc, argv).empty();
  return of_command ? fmt::format("; doorslam {} --help shows what is possible", argv[1]) : kSeeHelp;
}

std::string all_causes() {
  std::string names;
  for (const std::string_view name : diagnose::kCauseNames) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

/// The cause that a person means who types capitals or hyphens.
std::optional<diagnose::Cause> cause_meant(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return diagnose::cause_named(name);
}

/// "did you mean app_crash?" where a cause's name is near, else all of them.
std::string suggestion_for(const std::string& name) {
  constexpr std::size_t kLongest = 60;
  constexpr std::size_t kNear = 3;
  std::string_view nearest;
  std::size_t distance = kNear + 1;
  for (const std::string_view candidate : diagnose::kCauseNames) {
    const std::size_t found = name.size() > kLongest ? kNear + 1 : edit_distance(name, candidate);
    if (found >= distance) continue;
    distance = found;
    nearest = candidate;
  }
  return nearest.empty() ? "there are " + all_causes() : fmt::format("did you mean {}?", nearest);
}

/// Two names for one file that a record could overwrite; a device takes what it is given.
bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code absent;
  if (std::filesystem::exists(a, absent) && !std::filesystem::is_regular_file(a, absent)) return false;
  const auto plain = [&](const auto& path) {
    return std::filesystem::weakly_canonical(absolute(path, absent), absent);
  };
  return plain(a) == plain(b) || std::filesystem::equivalent(a, b, absent);
}

Result<void> check_outputs(const CommandLine& line) {
  if (line.flows == "-" && line.alerts == "-") {
    return usage_error("--flows and --alerts both go to standard output; give one of them a file");
  }
  if (!line.flows.empty() && !line.alerts.empty() && same_file(line.flows, line.alerts)) {
    return usage_error("--flows and --alerts both go to " + line.flows + "; give each a file of its own");
  }
  for (const std::string& output : {line.flows, line.alerts}) {
    for (const std::string& capture : line.captures) {
      if (output.empty() || output == "-" || capture == "-" || !same_file(output, capture)) continue;
      return usage_error(output + ": is a capture to be read and would be overwritten; name another file");
    }
  }
  return {};
}

/// Checks what no option can check alone, and fills in what follows from it.
Result<void> complete(CommandLine& line, const std::string& cause) {
  if (auto outputs = check_outputs(line); !outputs) return outputs;
  if (line.json == "-") line.quiet = true;
  if (!line.json.empty() && !line.config_file.empty() && same_file(line.json, line.config_file)) {
    return usage_error(line.json + ": is the configuration file and would be overwritten; name another file");
  }
  const bool to_standard_output = line.flows == "-" || line.alerts == "-";
  if (to_standard_output && line.command == CommandLine::Command::read) line.quiet = true;
  if (line.workers && (*line.workers < 1 || *line.workers > 64)) {
    return usage_error("--workers: 1 to 64 are possible");
  }
  if (!cause.empty()) {
    line.cause = cause_meant(cause);
    if (!line.cause) {
      return usage_error(fmt::format("explain: no cause is called '{}'; {}", printable(cause), suggestion_for(cause)));
    }
  }
  return {};
}

}  // namespace

Result<std::optional<CommandLine>> parse_command_line(int argc, const char* const* argv) {
  CLI::App app{kAbout, "doorslam"};
  app.set_version_flag("--version", std::string("doorslam ") + DOORSLAM_VERSION);
  app.require_subcommand(1);
  CommandLine line;
  std::string cause;
  add_read(app, line);
  add_run(app, line);
  add_top(app, line);
  add_check(app, line);
  add_alerts(app, line);
  add_explain(app, line, cause);
  add_print_config(app, line);
  app.footer(kExamples);  // after the commands, which would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    app.exit(success);
    return std::optional<CommandLine>();
  } catch (const CLI::ParseError& error) {
    const std::string wrong = wrong_command(app, argc, argv);
    return usage_error((wrong.empty() ? error.what() + where_help_is(app, argc, argv) : wrong + kSeeHelp));
  }
  if (line.command == CommandLine::Command::read && line.captures.empty()) {
    return usage_error("name a capture to read: a pcap or pcapng file, or - for standard input" +
                       where_help_is(app, argc, argv));
  }
  if (const auto completed = complete(line, cause); !completed) return tl::unexpected(completed.error());
  return line;
}

}  // namespace doorslam::app
