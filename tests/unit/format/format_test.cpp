#include <gtest/gtest.h>

#include <map>

#include "pipeline/alert/format/formatter.h"
#include "pipeline/alert/format/scales.h"
#include "tests/unit/format/sample_event.h"

/// Round trips: what a format's own rules of reading give back must be what went in.
namespace doorslam::format {
namespace {

using nlohmann::json;

std::string formatted(Format format, const store::Record& record) {
  std::string room;
  return std::string(Formatter::make(format)->format(record, room));
}

TEST(AnyFormat, IsOneLineAndLeavesOutDamagedRecords) {
  for (const Format format : {Format::ocsf, Format::eve, Format::cef, Format::leef, Format::clickhouse}) {
    for (const store::Record& record : {record_of(sample_alert()), record_of(sample_flow(), store::RecordKind::flow)}) {
      const std::string line = formatted(format, record);
      EXPECT_FALSE(line.empty()) << name_of(format);
      EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << name_of(format);
    }
    store::Record damaged = record_of(sample_alert());
    damaged.body = "{";
    EXPECT_EQ(formatted(format, damaged), "") << name_of(format);
  }
}

TEST(Ecs, IsWhatWasStored) {
  const store::Record record = record_of(sample_alert());
  EXPECT_EQ(formatted(Format::ecs, record), record.body);
}

TEST(Ocsf, GivesADetectionFindingWithWhatItRequires) {
  const json event = json::parse(formatted(Format::ocsf, record_of(sample_alert())));
  EXPECT_EQ(event["class_uid"], 2004);
  EXPECT_EQ(event["category_uid"], 2);
  EXPECT_EQ(event["activity_id"], 3);
  EXPECT_EQ(event["type_uid"], 200403);
  EXPECT_EQ(event["severity_id"], 4);
  EXPECT_EQ(event["time"], 1'795'358'387'241);
  EXPECT_EQ(event["metadata"]["version"], "1.3.0");
  EXPECT_EQ(event["metadata"]["uid"], "31b293eaff0b30520cfda98397c70515");
  EXPECT_EQ(event["metadata"]["product"]["vendor_name"], "doorslam");
  EXPECT_EQ(event["finding_info"]["uid"], "95ba72dc4cf3735ad5b6b496f2edbf35");
  EXPECT_EQ(event["finding_info"]["title"], kNasty);
  EXPECT_EQ(event["evidences"][0]["dst_endpoint"]["port"], 21);
  EXPECT_EQ(event["evidences"][0]["file"]["path"], "/var/evidence/doorslam-a=b|c.pcapng");
  EXPECT_EQ(event["evidences"][0]["file"]["name"], "doorslam-a=b|c.pcapng");
  EXPECT_EQ(event["evidences"][0]["file"]["type_id"], 1);
  EXPECT_EQ(event["confidence_score"], 94);
  EXPECT_EQ(event["remediation"]["desc"], "First.\nThen " + kNasty);
  EXPECT_EQ(event["unmapped"]["doorslam"], sample_alert()["doorslam"]);
}

TEST(Ocsf, GivesANetworkActivityForAFlowRecord) {
  const json event = json::parse(formatted(Format::ocsf, record_of(sample_flow(), store::RecordKind::flow)));
  EXPECT_EQ(event["class_uid"], 4001);
  EXPECT_EQ(event["type_uid"], 400105);
  EXPECT_EQ(event["severity_id"], 1);
  EXPECT_EQ(event["src_endpoint"]["ip"], "2001:db8::7");
  EXPECT_EQ(event["dst_endpoint"]["ip"], "2001:db8::1");
  EXPECT_EQ(event["connection_info"]["protocol_ver_id"], 6);
  EXPECT_EQ(event["traffic"]["bytes_in"], 175);
  EXPECT_EQ(event["duration"], 2'000);
}

TEST(Eve, GivesAnAlertAndAFlow) {
  const json alert = json::parse(formatted(Format::eve, record_of(sample_alert())));
  EXPECT_EQ(alert["event_type"], "alert");
  EXPECT_EQ(alert["timestamp"], "2026-11-22T14:39:47.241477+0000");
  EXPECT_EQ(alert["src_ip"], "10.61.0.12");
  EXPECT_EQ(alert["dest_port"], 21);
  EXPECT_EQ(alert["proto"], "TCP");
  EXPECT_EQ(alert["alert"]["severity"], 1);
  EXPECT_EQ(alert["alert"]["signature_id"], 1'900'001);
  EXPECT_EQ(alert["message"], kNasty);
  EXPECT_EQ(alert["capture_file"], "/var/evidence/doorslam-a=b|c.pcapng");
  EXPECT_LT(alert["flow_id"].get<std::uint64_t>(), std::uint64_t{1} << 53);
  EXPECT_EQ(alert["doorslam"], sample_alert()["doorslam"]);
  const json flow = json::parse(formatted(Format::eve, record_of(sample_flow(), store::RecordKind::flow)));
  EXPECT_EQ(flow["event_type"], "flow");
  EXPECT_EQ(flow["flow"]["bytes_toclient"], 175);
  EXPECT_EQ(flow["flow"]["age"], 2);
}

TEST(ClickHouse, GivesRowsOfTheShippedTables) {
  const json alert = json::parse(formatted(Format::clickhouse, record_of(sample_alert())));
  EXPECT_EQ(alert["server"], "10.61.1.11");
  EXPECT_EQ(alert["time"], 1'795'358'387);
  EXPECT_EQ(alert["refused"], 7);
  EXPECT_EQ(json::parse(alert["record"].get<std::string>()), sample_alert());
  const json flow = json::parse(formatted(Format::clickhouse, record_of(sample_flow(), store::RecordKind::flow)));
  EXPECT_EQ(flow["client_bytes"], 66);
  EXPECT_EQ(flow["duration_ns"], 2'000'000'000);
}

/// Reads CEF as its specification says.
struct Cef {
  std::vector<std::string> header;
  std::map<std::string, std::string> extension;

  explicit Cef(const std::string& line) {
    std::size_t at = 0;
    std::string field;
    for (; at < line.size() && header.size() < 7; ++at) {
      if (line[at] == '\\') {
        field += line[++at];
      } else if (line[at] == '|') {
        header.push_back(std::exchange(field, {}));
      } else {
        field += line[at];
      }
    }
    // A key is the word before an unescaped '='.
    std::string key, value;
    for (; at < line.size(); ++at) {
      if (line[at] == '\\') {
        const char next = line[++at];
        value += next == 'n' ? '\n' : next == 'r' ? '\r' : next;
      } else if (line[at] == '=') {
        const std::size_t blank = value.rfind(' ');
        const std::string next_key = value.substr(blank == std::string::npos ? 0 : blank + 1);
        if (!key.empty()) extension[key] = value.substr(0, blank);
        key = next_key;
        value.clear();
      } else {
        value += line[at];
      }
    }
    extension[key] = value;
  }
};

TEST(Cef, CanBeReadBack) {
  const Cef cef(formatted(Format::cef, record_of(sample_alert())));
  EXPECT_EQ(cef.header, (std::vector<std::string>{"CEF:0", "doorslam", "doorslam", "0.1.0", "acl_denied",
                                                  "Refused by client address", "8"}));
  const std::map<std::string, std::string> expected = {
      {"rt", "1795358387241"},
      {"src", "10.61.0.12"},
      {"dst", "10.61.1.11"},
      {"spt", "42148"},
      {"dpt", "21"},
      {"msg", kNasty},
      {"cs5", kNasty},
      {"cs5Label", "banner"},
      {"reason", "Because " + kNasty},
      {"dvchost", "tap|1="},
      {"cfp1", "0.9375"},
      {"cnt", "7"},
      {"cs6", "1:XW3ZcLVuSEpwCS724p0mr47Z+/8="},
      {"externalId", "31b293eaff0b30520cfda98397c70515"},
  };
  for (const auto& [key, value] : expected) EXPECT_EQ(cef.extension.at(key), value) << key;
}

TEST(Cef, EscapesItsHeader) {
  json alert = sample_alert();
  alert["rule"]["name"] = kNasty;
  const Cef cef(formatted(Format::cef, record_of(alert)));
  EXPECT_EQ(cef.header.at(5), "a|b=c\\d \"q\"\tt  next \u00fc\u2192");
  EXPECT_EQ(cef.header.at(6), "8");
}

TEST(Cef, PutsIpv6WhereItBelongs) {
  const Cef cef(formatted(Format::cef, record_of(sample_flow(), store::RecordKind::flow)));
  EXPECT_EQ(cef.extension.at("c6a2"), "2001:db8::7");
  EXPECT_EQ(cef.extension.at("c6a3Label"), "Destination IPv6 Address");
  EXPECT_FALSE(cef.extension.contains("src"));
}

TEST(Leef, CanBeReadBack) {
  const std::string line = formatted(Format::leef, record_of(sample_alert()));
  const std::string header = "LEEF:2.0|doorslam|doorslam|0.1.0|acl_denied|x09|";
  ASSERT_TRUE(line.starts_with(header)) << line;
  std::map<std::string, std::string> attributes;
  for (std::size_t begin = header.size(); begin < line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    const std::string pair = line.substr(begin, end - begin);
    attributes[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    begin = end + 1;
  }
  const std::string without_breaks = "a|b=c\\d \"q\" t  next \u00fc\u2192";
  EXPECT_EQ(attributes.at("msg"), without_breaks);
  EXPECT_EQ(attributes.at("banner"), without_breaks);
  EXPECT_EQ(attributes.at("sev"), "8");
  EXPECT_EQ(attributes.at("srcPort"), "42148");
  EXPECT_EQ(attributes.at("devTime"), "1795358387241");
  EXPECT_EQ(attributes.at("communityId"), "1:XW3ZcLVuSEpwCS724p0mr47Z+/8=");
}

TEST(Scales, RiseWithTheSeverity) {
  EXPECT_EQ(level_of(0), Level::none);
  EXPECT_EQ(level_of(21), Level::low);
  EXPECT_EQ(level_of(99), Level::critical);
  for (const auto& [lower, higher] : std::vector<std::pair<int, int>>{{0, 21}, {21, 47}, {47, 73}, {73, 99}}) {
    EXPECT_LT(ocsf_severity(level_of(lower)), ocsf_severity(level_of(higher)));
    EXPECT_LT(ten_point_severity(level_of(lower)), ten_point_severity(level_of(higher)));
    EXPECT_GE(eve_severity(level_of(lower)), eve_severity(level_of(higher)));
  }
}

}  // namespace
}  // namespace doorslam::format
