#include "pipeline/alert/format/event_fields.h"

#include <gtest/gtest.h>

#include "tests/unit/format/sample_event.h"

namespace doorslam::format {
namespace {

TEST(EventReader, FindsWhatARecordHolds) {
  EventReader reader;
  const store::Record record = record_of(sample_alert());
  const EventFields* event = reader.read(record);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->message, kNasty);
  EXPECT_EQ(event->banner, kNasty);
  EXPECT_EQ(event->client_ip, "10.61.0.12");
  EXPECT_EQ(event->client_port, 42148);
  EXPECT_EQ(event->refused, 7U);
  EXPECT_EQ(event->next_steps.size(), 2U);
  EXPECT_EQ(event->end_ns - event->start_ns, flowtable::kSecondNs);
  EXPECT_EQ(nlohmann::json::parse(detail_of(record)), sample_alert()["doorslam"]);
}

TEST(EventReader, TakesTheSampleWhereAnAlertIsAboutSeveral) {
  nlohmann::json alert = sample_alert();
  alert.erase("source");
  alert.erase("destination");
  alert["doorslam"]["sample"]["client"]["ip"] = "192.0.2.9";
  EventReader reader;
  const store::Record record = record_of(alert);
  const EventFields* event = reader.read(record);
  EXPECT_EQ(event->client_ip, "192.0.2.9");
  EXPECT_EQ(event->server_ip, "10.61.1.11");
}

TEST(EventReader, SaysThatADamagedRecordIsNone) {
  EventReader reader;
  for (const char* body : {"", "{", "[]", "null", R"({"event":)"}) {
    store::Record record = record_of(sample_alert());
    record.body = body;
    EXPECT_EQ(reader.read(record), nullptr) << body;
  }
}

TEST(TimeOf, ReadsWhatTheEncoderWrites) {
  EXPECT_EQ(time_of("2026-11-22T14:39:47.241477120Z"), 1'795'358'387'241'477'120);
  EXPECT_EQ(time_of("1970-01-01T00:00:00.000000001Z"), 1);
  EXPECT_EQ(time_of("2026-11-22"), 0);
}

TEST(RawMember, CutsAValueOutWhateverItHolds) {
  const std::string object = R"({"a":{"b":"}\"{"},"b":[1,{"a":2}],"c":"x,\"b\":","d":null})";
  EXPECT_EQ(raw_member(object, "a"), R"({"b":"}\"{"})");
  EXPECT_EQ(raw_member(object, "b"), R"([1,{"a":2}])");
  EXPECT_EQ(raw_member(object, "c"), R"("x,\"b\":")");
  EXPECT_EQ(raw_member(object, "d"), "null");
  EXPECT_EQ(raw_member(object, "e"), "");
}

}  // namespace
}  // namespace doorslam::format
