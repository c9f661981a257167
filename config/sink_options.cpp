#include "config/sink_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "pipeline/base/printable.h"

namespace doorslam::config {
namespace {

using std::chrono::milliseconds;

/// Octets of a flow record in ECS; an alert has two or three times as many.
constexpr std::size_t kUsualRecord = 2'048;

milliseconds duration(const SinkSettings& sink, std::string_view name) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(sink.number(name)));
}

std::size_t count(const SinkSettings& sink, std::string_view name) {
  return static_cast<std::size_t>(sink.number(name));
}

/// Place of `name` among `names`; a choice is always one of them.
template <class Enum, std::size_t kCount>
Enum choice_of(std::string_view name, const std::array<std::string_view, kCount>& names) {
  return static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
}

Result<store::Filter> filter_of(const SinkSettings& sink) {
  store::Filter filter;
  const std::string& records = sink.text("records");
  filter.alerts = records != "flows";
  filter.flows = records != "alerts";
  filter.least_severity = static_cast<int>(sink.number("min_severity"));
  for (const std::string& name : sink.words("causes")) {
    const auto cause = diagnose::cause_named(name);
    if (!cause) {
      return usage_error(
          fmt::format("causes: no cause is called \"{}\"; `doorslam explain` lists them", printable(name, 60)));
    }
    filter.causes.push_back(*cause);
  }
  for (const std::string& network : sink.words("servers")) {
    const auto prefix = parse_prefix(network);
    if (!prefix) return usage_error("servers: " + prefix.error().message);
    filter.servers.push_back(*prefix);
  }
  return filter;
}

Result<sink::RunnerOptions> runner_options(const SinkSettings& sink) {
  sink::RunnerOptions options;
  options.name = sink.text("name");
  auto filter = filter_of(sink);
  if (!filter) return tl::unexpected(filter.error());
  options.filter = std::move(*filter);
  options.format = choice_of<format::Format>(sink.text("format"), format::kFormatNames);
  options.batch.records = count(sink, "batch");
  // Room for so many of usual size: a large batch is asked for where each request is dear.
  options.batch.octets = std::max(options.batch.octets, options.batch.records * kUsualRecord);
  options.backoff.first = duration(sink, "retry_first_seconds");
  options.backoff.most = duration(sink, "retry_most_seconds");
  if (options.backoff.first > options.backoff.most) {
    return usage_error("retry_first_seconds is more than retry_most_seconds; lower it");
  }
  return options;
}

Result<sink::FileOptions> file_options(const SinkSettings& sink) {
  sink::FileOptions options;
  options.path = sink.text("path");
  if (options.path.empty()) return usage_error("path is missing; name the file to write");
  options.rotate_octets = count(sink, "rotate_bytes");
  options.rotate_after = std::chrono::duration_cast<std::chrono::seconds>(duration(sink, "rotate_seconds"));
  options.keep = static_cast<unsigned>(sink.number("keep"));
  return options;
}

sink::TlsOptions tls_options(const SinkSettings& sink) {
  sink::TlsOptions options;
  options.ca = sink.text("ca");
  options.certificate = sink.text("certificate");
  options.key = sink.text("key");
  return options;
}

Result<sink::SyslogOptions> syslog_options(const SinkSettings& sink) {
  using sink::SyslogTransport;
  sink::SyslogOptions options;
  const std::string& transport = sink.text("transport");
  options.transport = transport == "tls"   ? SyslogTransport::tls
                      : transport == "tcp" ? SyslogTransport::tcp
                      : transport == "udp" ? SyslogTransport::udp
                                           : SyslogTransport::local;
  if (options.transport == SyslogTransport::local) {
    if (!sink.text("path").empty()) options.path = sink.text("path");
  } else {
    const std::string_view port = transport == "tls" ? "6514" : transport == "tcp" ? "601" : "514";
    if (sink.text("address").empty()) return usage_error("address is missing; name the receiver as host:port");
    auto target = sink::parse_host_port(sink.text("address"), port);
    if (!target) return usage_error("address: " + target.error().message);
    options.target = std::move(*target);
  }
  options.identity.facility = static_cast<unsigned>(sink::facility_named(sink.text("facility")));
  options.identity.host = sink.text("hostname");
  options.tls = tls_options(sink);
  options.tls.server_name = sink.text("server_name");
  options.timeout = duration(sink, "timeout_seconds");
  options.resend_octets = count(sink, "resend_bytes");
  return options;
}

Result<sink::HttpOptions> http_options(const SinkSettings& sink) {
  sink::HttpOptions options;
  options.url = sink.text("url");
  if (options.url.empty()) return usage_error("url is missing; name the receiver as http://host:port or https://");
  if (auto checked = sink::check_url(options.url); !checked) return tl::unexpected(checked.error());
  options.tls = tls_options(sink);
  options.user = sink.text("user");
  options.password = sink.text("password");
  options.token = sink.text("token");
  options.timeout = duration(sink, "timeout_seconds");
  return options;
}

/// What becomes part of a URL or of SQL. Errors (usage): it holds something else than such names do.
Result<std::string> plain_name(const SinkSettings& sink, std::string_view key, std::string_view also) {
  const std::string& name = sink.text(key);
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain && also.find(c) == std::string_view::npos) {
      return usage_error(fmt::format("{}: \"{}\" is no such name", key, printable(name, 80)));
    }
  }
  return name;
}

Result<sink::ElasticOptions> elastic_options(const SinkSettings& sink) {
  sink::ElasticOptions options;
  auto http = http_options(sink);
  if (!http) return tl::unexpected(http.error());
  options.http = std::move(*http);
  const auto index = plain_name(sink, "index", "-.{}");
  if (!index) return tl::unexpected(index.error());
  if (!index->empty()) options.index = *index;
  const std::string& format = sink.text("format");
  if (format == "cef" || format == "leef") return usage_error("format: Elasticsearch takes JSON: ecs, ocsf or eve");
  return options;
}

Result<sink::SplunkOptions> splunk_options(const SinkSettings& sink) {
  sink::SplunkOptions options;
  auto http = http_options(sink);
  if (!http) return tl::unexpected(http.error());
  options.http = std::move(*http);
  if (options.http.token.empty())
    return usage_error("token is missing; name where HEC's stands: file:PATH or env:NAME");
  const auto index = plain_name(sink, "index", "-.");
  if (!index) return tl::unexpected(index.error());
  options.index = *index;
  options.ack_timeout = duration(sink, "ack_timeout_seconds");
  return options;
}

Result<sink::ClickHouseOptions> clickhouse_options(const SinkSettings& sink) {
  sink::ClickHouseOptions options;
  auto http = http_options(sink);
  if (!http) return tl::unexpected(http.error());
  options.http = std::move(*http);
  for (const auto& [key, place] : {std::pair<const char*, std::string*>{"database", &options.database},
                                   {"alert_table", &options.alert_table},
                                   {"flow_table", &options.flow_table}}) {
    auto name = plain_name(sink, key, "");
    if (!name || name->empty())
      return name ? usage_error(fmt::format("{} is empty", key)) : tl::unexpected(name.error());
    *place = std::move(*name);
  }
  return options;
}

Result<sink::KafkaOptions> kafka_options(const SinkSettings& sink) {
  sink::KafkaOptions options;
  options.brokers = sink.words("brokers");
  if (options.brokers.empty()) return usage_error("brokers is missing; name some as [host:port, ...]");
  options.topic = sink.text("topic");
  options.options = sink.words("options");
  options.timeout = duration(sink, "timeout_seconds");
  return options;
}

Result<sink::SinkOptions> one_sink(const SinkSettings& sink) {
  auto runner = runner_options(sink);
  if (!runner) return tl::unexpected(runner.error());
  const auto with = [&](auto receiver) -> Result<sink::SinkOptions> {
    if (!receiver) return tl::unexpected(receiver.error());
    return sink::SinkOptions{std::move(*runner), std::move(*receiver)};
  };
  const std::string& type = sink.text("type");
  if (type == "syslog") return with(syslog_options(sink));
  if (type == "elasticsearch") return with(elastic_options(sink));
  if (type == "splunk") return with(splunk_options(sink));
  if (type == "kafka") return with(kafka_options(sink));
  if (type == "clickhouse") {
    runner->format = format::Format::clickhouse;
    return with(clickhouse_options(sink));
  }
  return with(file_options(sink));
}

}  // namespace

store::StoreOptions store_options(const Settings& settings) {
  store::StoreOptions options;
  options.path = settings.text("store.path");
  options.most_octets = static_cast<std::uint64_t>(settings.number("store.max_bytes"));
  options.queue_records = static_cast<std::size_t>(settings.number("store.queue_records"));
  options.queue_octets = options.queue_records * kUsualRecord;
  return options;
}

Result<std::vector<sink::SinkOptions>> sink_options(const Settings& settings) {
  std::vector<sink::SinkOptions> all;
  std::set<std::string, std::less<>> names;
  std::set<std::string, std::less<>> files;
  for (const SinkSettings& sink : settings.sinks()) {
    const std::string& name = sink.text("name");
    auto options = one_sink(sink);
    if (!options) return usage_error(fmt::format("sink {}: {}", name, options.error().message));
    if (!names.insert(name).second) {
      return usage_error(fmt::format("two sinks are called {}; give each a name of its own", name));
    }
    const auto* file = std::get_if<sink::FileOptions>(&options->receiver);
    if (file != nullptr && !files.insert(file->path.lexically_normal().string()).second) {
      return usage_error(fmt::format("sink {}: another sink writes to {} already; name another file", name,
                                     printable(file->path.string(), 200)));
    }
    all.push_back(std::move(*options));
  }
  if (!all.empty() && settings.text("store.path").empty()) {
    return usage_error("sinks read from the store, and there is none; name its file in store.path");
  }
  return all;
}

}  // namespace doorslam::config
