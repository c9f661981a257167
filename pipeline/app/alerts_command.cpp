#include "pipeline/app/alerts_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "config/sink_options.h"
#include "pipeline/alert/store/store_reader.h"
#include "pipeline/app/alert_feed.h"
#include "pipeline/app/alerts_page.h"
#include "pipeline/app/complain.h"
#include "pipeline/app/feed_options.h"
#include "pipeline/app/output_file.h"
#include "pipeline/app/set_up.h"
#include "pipeline/base/address_prefix.h"
#include "pipeline/base/printable.h"
#include "pipeline/base/text.h"

namespace doorslam::app {

namespace {

using store::Record;
using store::StoreReader;

Result<store::Filter> filter_of(const AlertsQuestion& question) {
  store::Filter filter;
  filter.flows = question.flows;
  filter.least_severity = question.least_severity;
  for (const std::string& name : question.causes) {
    const auto cause = diagnose::cause_named(name);
    if (!cause) {
      return usage_error(
          fmt::format("--cause: no cause is called '{}'; doorslam explain lists them", printable(name, 60)));
    }
    filter.causes.push_back(*cause);
  }
  for (const std::string& network : question.servers) {
    const auto prefix = parse_prefix(network);
    if (!prefix) return usage_error("--server: " + prefix.error().message);
    filter.servers.push_back(*prefix);
  }
  return filter;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// The one record whose event.id begins so.
Result<Record> find_one(StoreReader& reader, const std::string& id) {
  auto found = reader.find(id);
  if (!found) return tl::unexpected(found.error());
  if (found->empty()) {
    return usage_error(
        fmt::format("no record's event.id begins with '{}'; doorslam alerts lists them", printable(id, 64)));
  }
  if (found->size() > 1) {
    return usage_error(fmt::format("more than one record's event.id begins with '{}'; give more of it", id));
  }
  return std::move(found->front());
}

/// Calls `each` with the records that were asked for, newest first.
Result<void> for_each_chosen(StoreReader& reader, const AlertsQuestion& question,
                             const std::function<void(const Record&)>& each) {
  if (!question.id.empty()) return find_one(reader, question.id).map(each);
  const auto filter = filter_of(question);
  if (!filter) return tl::unexpected(filter.error());
  std::size_t count = 0;
  return reader.newest_first(*filter, [&](const Record& record) {
    each(record);
    return question.limit == 0 || ++count < question.limit;
  });
}

Result<int> list_sinks(StoreReader& reader) {
  const auto cursors = reader.cursors();
  if (!cursors) return tl::unexpected(cursors.error());
  const auto latest = reader.latest();
  if (!latest) return tl::unexpected(latest.error());
  constexpr auto kLine = "{:<24}{:>14}{:>14}{:>14}{:>14}{:>14}\n";
  print(fmt::format(kLine, "sink", "sent up to", "behind", "lost", "refused", "to resend"));
  for (const store::CursorLine& cursor : *cursors) {
    print(fmt::format(kLine, printable(cursor.sink), cursor.through,
                      std::max<store::Sequence>(*latest - cursor.through, 0), cursor.lost, cursor.refused,
                      cursor.to_resend));
  }
  return 0;
}

/// Sends what is asked for where no other doorslam does.
Result<int> deliver(const CommandLine& line, const config::Settings& settings, std::size_t records) {
  const std::string& sink = line.question.resend;
  auto options = feed_options(line, settings);
  if (!options) return tl::unexpected(options.error());
  const bool known = std::any_of(options->sinks.begin(), options->sinks.end(),
                                 [&](const sink::SinkOptions& one) { return one.runner.name == sink; });
  const std::string noted = fmt::format("{} to be sent again by sink {}", counted(records, "record"), sink);
  if (!known) {
    print(noted + ": by the doorslam that has this sink, now or when it starts\n");
    return 0;
  }
  auto feed = AlertFeed::open(*options, [](NoticeLevel, const std::string& what) { complain(what); });
  if (!feed) {
    print(fmt::format("{}: by the doorslam that uses the store ({})\n", noted, feed.error().message));
    return 0;
  }
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(settings.number("store.drain_seconds"));
  const bool complete = (*feed)->close(deadline);
  std::uint64_t resent = 0;
  for (const sink::SinkCounters& counters : (*feed)->counters().sinks) {
    if (counters.name == sink) resent = counters.resent;
  }
  print(fmt::format("{}: {} sent\n", noted, resent));
  return complete && resent >= records ? 0 : 1;
}

/// A sink of this configuration, or one that has read this store: another doorslam may have it.
Result<void> check_sink(const CommandLine& line, const config::Settings& settings, StoreReader& reader) {
  const auto options = feed_options(line, settings);
  if (!options) return tl::unexpected(options.error());
  const auto cursors = reader.cursors();
  if (!cursors) return tl::unexpected(cursors.error());
  std::set<std::string> names;
  for (const sink::SinkOptions& one : options->sinks) names.insert(one.runner.name);
  for (const store::CursorLine& cursor : *cursors) names.insert(printable(cursor.sink));
  if (names.contains(line.question.resend)) return {};
  return usage_error(fmt::format("--resend: no sink is called '{}'; {}", printable(line.question.resend, 60),
                                 names.empty() ? "there is none, see sinks in the configuration"
                                               : fmt::format("there are {}", fmt::join(names, ", "))));
}

Result<int> resend(const CommandLine& line, const config::Settings& settings, StoreReader& reader) {
  if (const auto known = check_sink(line, settings, reader); !known) return tl::unexpected(known.error());
  std::vector<store::Sequence> sequences;
  auto chosen =
      for_each_chosen(reader, line.question, [&](const Record& record) { sequences.push_back(record.sequence); });
  if (!chosen) return tl::unexpected(chosen.error());
  if (auto noted = store::ask_to_resend(settings.text("store.path"), line.question.resend, sequences); !noted) {
    return tl::unexpected(noted.error());
  }
  return deliver(line, settings, sequences.size());
}

Result<int> answer(const CommandLine& line, const config::Settings& settings) {
  const AlertsQuestion& question = line.question;
  auto reader = StoreReader::open(settings.text("store.path"));
  if (!reader) return tl::unexpected(reader.error());
  if (question.sinks) return list_sinks(*reader);
  if (!question.resend.empty()) return resend(line, settings, *reader);
  auto told = for_each_chosen(*reader, question, [&](const Record& record) {
    if (question.json) {
      print(record.body + '\n');
    } else {
      print(question.id.empty() ? alert_line(record) : alert_page(record));
    }
  });
  if (!told) return tl::unexpected(told.error());
  return 0;
}

}  // namespace

Result<int> show_alerts(const CommandLine& line) {
  const auto settings = settings_of(line);
  if (!settings) return tl::unexpected(settings.error());
  if (settings->text("store.path").empty()) {
    return usage_error("which store? name it with --store FILE, or a configuration that has store.path with -c FILE");
  }
  auto code = answer(line, *settings);
  if (!code) return code;
  if (const auto flushed = flush_standard_output(); !flushed) return tl::unexpected(flushed.error());
  return code;
}

}  // namespace doorslam::app
