#include <gtest/gtest.h>

#include <variant>

#include "config/loader.h"
#include "config/sink_options.h"

/// The list of sinks: read from YAML or --set, checked, printed, turned into options.
namespace doorslam::config {
namespace {

Result<Settings> with_sinks(const std::string& sinks) {
  return load_settings(std::nullopt, std::vector<std::string>{"store.path=/x/alerts.db", "sinks=" + sinks});
}

std::string refusal(const std::string& sinks) {
  const auto settings = with_sinks(sinks);
  return settings ? std::string("nothing was refused") : settings.error().message;
}

template <class Options>
Options only_receiver(const std::string& sinks) {
  const auto settings = with_sinks(sinks);
  EXPECT_TRUE(settings.has_value()) << (settings ? "" : settings.error().message);
  const auto options = sink_options(*settings);
  return std::get<Options>(options->at(0).receiver);
}

TEST(Sinks, AreReadWithTheirDefaults) {
  const auto settings = with_sinks("[{name: archive, type: file, path: /x/alerts.ndjson}]");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  const auto options = sink_options(*settings);
  ASSERT_EQ(options->size(), 1U);
  const sink::SinkOptions defaults;
  const sink::RunnerOptions& runner = options->front().runner;
  EXPECT_EQ(runner.name, "archive");
  EXPECT_EQ(runner.format, format::Format::ecs);
  EXPECT_EQ(runner.batch.records, defaults.runner.batch.records);
  EXPECT_EQ(runner.backoff.first, defaults.runner.backoff.first);
  EXPECT_EQ(runner.backoff.most, defaults.runner.backoff.most);
  EXPECT_TRUE(runner.filter.alerts);
  EXPECT_FALSE(runner.filter.flows);
  const auto& file = std::get<sink::FileOptions>(options->front().receiver);
  EXPECT_EQ(file.path, "/x/alerts.ndjson");
  EXPECT_EQ(file.rotate_octets, sink::FileOptions().rotate_octets);
  EXPECT_EQ(file.rotate_after, sink::FileOptions().rotate_after);
  EXPECT_EQ(file.keep, sink::FileOptions().keep);
}

TEST(Sinks, KeepTheDefaultsOfEveryType) {
  const auto syslog = only_receiver<sink::SyslogOptions>("[{name: a, type: syslog, address: siem.example}]");
  EXPECT_EQ(syslog.transport, sink::SyslogOptions().transport);
  EXPECT_EQ(syslog.target.text(), "siem.example:6514");
  EXPECT_EQ(syslog.identity.facility, sink::SyslogIdentity().facility);
  EXPECT_EQ(syslog.timeout, sink::SyslogOptions().timeout);
  EXPECT_EQ(syslog.resend_octets, sink::SyslogOptions().resend_octets);
  const auto elastic = only_receiver<sink::ElasticOptions>("[{name: a, type: elasticsearch, url: 'http://e:9200'}]");
  EXPECT_EQ(elastic.index, sink::ElasticOptions().index);
  EXPECT_EQ(elastic.http.timeout, sink::HttpOptions().timeout);
  const auto tables = only_receiver<sink::ClickHouseOptions>("[{name: a, type: clickhouse, url: 'http://c:8123'}]");
  EXPECT_EQ(tables.database, sink::ClickHouseOptions().database);
  EXPECT_EQ(tables.alert_table, sink::ClickHouseOptions().alert_table);
  EXPECT_EQ(tables.flow_table, sink::ClickHouseOptions().flow_table);
  const auto kafka = only_receiver<sink::KafkaOptions>("[{name: a, type: kafka, brokers: [k:9092]}]");
  EXPECT_EQ(kafka.topic, sink::KafkaOptions().topic);
}

TEST(Sinks, TakeTheirFilters) {
  const auto settings = with_sinks(
      "[{name: a, type: file, path: x, records: all, causes: [acl_denied, app_crash], min_severity: 47,"
      " servers: [192.0.2.0/24, '2001:db8::/32'], format: cef}]");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  const sink::RunnerOptions runner = sink_options(*settings)->front().runner;
  EXPECT_TRUE(runner.filter.alerts && runner.filter.flows);
  EXPECT_EQ(runner.filter.causes.size(), 2U);
  EXPECT_EQ(runner.filter.least_severity, 47);
  EXPECT_EQ(runner.filter.servers.size(), 2U);
  EXPECT_EQ(runner.format, format::Format::cef);
}

TEST(Sinks, RefuseMistakesWithALine) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"{}", "list of entries"},
      {"[x]", "map of keys"},
      {"[{type: file, path: x}]", "needs a name"},
      {"[{name: 'a b', type: file, path: x}]", "needs a name"},
      {"[{name: a, path: x}]", "type is missing"},
      {"[{name: a, type: pigeon}]", "pigeon"},
      {"[{name: a, type: file}]", "path is missing"},
      {"[{name: a, type: file, path: x, facility: mail}]", "facility is for sinks of type syslog"},
      {"[{name: a, type: file, path: x, pth: y}]", "no key pth"},
      {"[{name: a, type: file, path: x, path: y}]", "twice"},
      {"[{name: a, type: file, path: x}, {name: a, type: file, path: y}]", "two sinks are called a"},
      {"[{name: a, type: file, path: x}, {name: b, type: file, path: ./x}]", "another sink writes to"},
      {"[{name: a, type: file, path: x, causes: [nonsense]}]", "nonsense"},
      {"[{name: a, type: file, path: x, servers: [10.0.0.0/40]}]", "10.0.0.0/40"},
      {"[{name: a, type: file, path: x, min_severity: 100}]", "0 to 99"},
      {"[{name: a, type: file, path: x, retry_first_seconds: 1m}]", "retry_most_seconds"},
      {"[{name: a, type: syslog}]", "address is missing"},
      {"[{name: a, type: syslog, address: 'siem:99999'}]", "port from 1 to 65535"},
      {"[{name: a, type: elasticsearch}]", "url is missing"},
      {"[{name: a, type: elasticsearch, url: 'ftp://x'}]", "http://"},
      {"[{name: a, type: elasticsearch, url: 'http://me:secret@x'}]", "before the @"},
      {"[{name: a, type: elasticsearch, url: 'http://x', index: 'a/../b'}]", "index"},
      {"[{name: a, type: elasticsearch, url: 'http://x', format: leef}]", "takes JSON"},
      {"[{name: a, type: splunk, url: 'http://x'}]", "token is missing"},
      {"[{name: a, type: clickhouse, url: 'http://x', database: 'x;drop'}]", "database"},
      {"[{name: a, type: kafka}]", "brokers is missing"},
  };
  for (const auto& [sinks, words] : mistakes) {
    EXPECT_NE(refusal(sinks).find(words), std::string::npos) << sinks << ": " << refusal(sinks);
    EXPECT_EQ(refusal(sinks).find('\n'), std::string::npos);
  }
}

TEST(Sinks, NeedAStore) {
  const auto settings = load_settings(std::nullopt, std::vector<std::string>{"sinks=[{name: a, type: file, path: x}]"});
  ASSERT_FALSE(settings.has_value());
  EXPECT_NE(settings.error().message.find("store.path"), std::string::npos);
}

TEST(Sinks, HavePathsThatStartAtTheFilesFolder) {
  Settings settings;
  const char* text = "sinks: [{name: a, type: elasticsearch, url: 'http://x', ca: ca.pem, password: 'file:secret'}]";
  ASSERT_TRUE(apply_yaml(settings, text, "/etc/doorslam/doorslam.yaml").has_value());
  EXPECT_EQ(settings.sinks()[0].text("ca"), "/etc/doorslam/ca.pem");
  EXPECT_EQ(settings.sinks()[0].text("password"), "file:/etc/doorslam/secret");
  Settings other;
  ASSERT_TRUE(apply_yaml(other, "sinks: [{name: a, type: splunk, url: 'http://x', token: 'env:T'}]",
                         "/etc/doorslam/doorslam.yaml")
                  .has_value());
  EXPECT_EQ(other.sinks()[0].text("token"), "env:T");
}

TEST(Sinks, ArePrintedAsTheyAreRead) {
  const auto settings = with_sinks(
      "[{name: a, type: syslog, address: 'x:1', transport: tcp, servers: [10.0.0.0/8]},"
      " {name: b, type: file, path: 'a \"b\"', rotate_bytes: 10MiB}]");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  Settings again;
  const auto read = apply_yaml(again, print_config(*settings), "doorslam.yaml");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(again, *settings);
}

TEST(Sinks, TellEveryMistakeOfAFile) {
  Settings settings;
  const InspectedSettings inspected = inspect_settings(
      std::nullopt, std::vector<std::string>{"store.path=/x", "sinks=[{name: a, type: file}]", "sinks=oops"});
  EXPECT_EQ(inspected.mistakes.size(), 2U);
}

}  // namespace
}  // namespace doorslam::config
