#include "pipeline/alert/evidence/evidence_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/unit/evidence/sample_incident.h"

/// What becomes of alerts while their files are written, also on a disk that hangs: a FIFO stands where a file is to be
/// written, which keeps the writing thread in open(2) until somebody reads it.
namespace doorslam::trace_files {
namespace {

using namespace test;
using namespace std::chrono_literals;
using alert::AlertAction;
using alert::AlertEvent;
namespace fs = std::filesystem;
using Clock = EvidenceWriter::Clock;

constexpr auto kLong = std::chrono::minutes(5);

class Writer : public testing::Test {
 protected:
  std::unique_ptr<EvidenceWriter> open(const EvidenceWriterOptions& options) {
    auto opened = EvidenceWriter::open({.folder = folder_.path(), .file = {.version = "1"}}, options,
                                       [this](NoticeLevel, const std::string& line) { notices_.push_back(line); });
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }

  static AlertEvent alert_of(std::uint64_t id, bool has_frames = true) {
    AlertEvent event;
    event.incident = incident_of({frame_sample(turned_away(1, "no", kStart))}, id);
    if (!has_frames) event.incident.frame_samples.clear();
    return event;
  }
  static std::vector<AlertEvent> alerts_of(std::initializer_list<std::uint64_t> ids) {
    std::vector<AlertEvent> alerts;
    for (const std::uint64_t id : ids) alerts.push_back(alert_of(id));
    return alerts;
  }
  static std::vector<std::uint64_t> ids_of(const std::vector<AlertEvent>& alerts) {
    std::vector<std::uint64_t> ids;
    for (const AlertEvent& event : alerts) ids.push_back(event.incident.id);
    return ids;
  }
  static bool names_its_file(const AlertEvent& event) {
    return !event.incident.evidence_file.empty() && fs::exists(event.incident.evidence_file);
  }

  /// From now on the thread hangs when it writes the file of this incident.
  void hang_at(std::uint64_t id) {
    std::vector<AlertEvent> alerts = alerts_of({id});
    open({})->exchange(alerts);
    const fs::path path = alerts.at(0).incident.evidence_file;
    fs::remove(path);
    fifo_ = folder_ / ("." + path.filename().native());
    ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  }
  /// Somebody reads the FIFO: the thread goes on.
  void let_go() {
    reader_ = ::open(fifo_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader_, 0);
  }
  void TearDown() override {
    if (reader_ >= 0) ::close(reader_);
  }
  /// What comes of further exchanges until there are so many.
  static std::vector<AlertEvent> await(EvidenceWriter& writer, std::size_t count) {
    std::vector<AlertEvent> all;
    const auto until = Clock::now() + kLong;
    while (all.size() < count && Clock::now() < until) {
      std::vector<AlertEvent> some;
      writer.exchange(some);
      std::move(some.begin(), some.end(), std::back_inserter(all));
      std::this_thread::sleep_for(1ms);
    }
    return all;
  }

  TemporaryFolder folder_;
  fs::path fifo_;
  int reader_ = -1;
  std::vector<std::string> notices_;
};

TEST_F(Writer, WithEndlessPatienceGivesBackAllAtOnce) {
  const auto writer = open({.most_waiting = 2});
  std::vector<AlertEvent> alerts = alerts_of({1, 2, 3, 4, 5});
  alerts.push_back(alert_of(6, false));
  writer->exchange(alerts);
  EXPECT_EQ(ids_of(alerts), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
  for (const AlertEvent& event : alerts) {
    EXPECT_EQ(names_its_file(event), event.incident.id != 6) << event.incident.id;
    EXPECT_TRUE(event.incident.frame_samples.empty());
  }
  EXPECT_EQ(writer->counters().written, 5U);
  EXPECT_EQ(writer->counters().late + writer->counters().waiting, 0U);
}

TEST_F(Writer, KeepsAlertsInOrderBehindAFileThatTakesLong) {
  hang_at(1);
  const auto writer = open({.patience = kLong});
  std::vector<AlertEvent> alerts = alerts_of({1, 2});
  alerts.push_back(alert_of(3, false));
  writer->exchange(alerts);
  EXPECT_TRUE(alerts.empty()) << "none overtakes the first";
  EXPECT_EQ(writer->counters().waiting, 3U);
  let_go();
  alerts = await(*writer, 3);
  EXPECT_EQ(ids_of(alerts), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(names_its_file(alerts.at(1)));
  EXPECT_EQ(writer->counters().late + writer->counters().waiting, 0U);
  EXPECT_TRUE(notices_.empty());
}

TEST_F(Writer, LetsNobodyWaitLongerThanIsSaid) {
  hang_at(1);
  const auto writer = open({.patience = 0ms});
  std::vector<AlertEvent> alerts = alerts_of({1, 2});
  writer->exchange(alerts);
  EXPECT_EQ(ids_of(alerts), (std::vector<std::uint64_t>{1, 2}));
  for (const AlertEvent& event : alerts) {
    EXPECT_TRUE(event.incident.evidence_file.empty()) << "an alert must not name what is not there";
    EXPECT_TRUE(event.incident.frame_samples.empty());
  }
  alerts = {alert_of(3, false)};
  writer->exchange(alerts);
  EXPECT_EQ(ids_of(alerts), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(writer->counters().late, 2U) << "of those that would have had a file";
  ASSERT_EQ(notices_.size(), 1U) << "told once";
  EXPECT_NE(notices_[0].find(folder_.path().native()), std::string::npos) << notices_[0];
  let_go();
  const auto until = Clock::now() + kLong;
  while (writer->counters().written < 2 && Clock::now() < until) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(writer->counters().written, 2U) << "the next alert of these incidents finds their files";
}

TEST_F(Writer, TakesNoMoreThanFit) {
  hang_at(1);
  const auto writer = open({.patience = kLong, .most_waiting = 2});
  std::vector<AlertEvent> alerts = alerts_of({1});
  writer->exchange(alerts);
  // The thread has taken the first once there is room for two others.
  std::uint64_t next = 2;
  const auto until = Clock::now() + kLong;
  while (writer->counters().late == 0 && Clock::now() < until) {
    alerts = alerts_of({next++});
    writer->exchange(alerts);
    EXPECT_TRUE(alerts.empty());
  }
  EXPECT_EQ(writer->counters().late, 1U);
  EXPECT_EQ(notices_.size(), 1U);
  let_go();
  alerts = await(*writer, next - 1);
  ASSERT_EQ(alerts.size(), next - 1);
  EXPECT_TRUE(std::is_sorted(alerts.begin(), alerts.end(),
                             [](const AlertEvent& a, const AlertEvent& b) { return a.incident.id < b.incident.id; }));
  EXPECT_TRUE(alerts.back().incident.evidence_file.empty()) << "for which there was no room";
  EXPECT_TRUE(names_its_file(alerts.at(1)));
  EXPECT_EQ(writer->counters().written, next - 2);
}

/// At the end every incident closes in one step, and those that just opened are told of as well.
TEST_F(Writer, HasRoomForAllThatCloseAtOnce) {
  const auto writer = open({.patience = kLong, .last_patience = kLong});
  std::vector<AlertEvent> alerts;
  for (std::uint64_t id = 1; id <= 1500; ++id) alerts.push_back(alert_of(id));
  writer->exchange(alerts);
  writer->drain(alerts, Clock::now() + kLong);
  ASSERT_EQ(alerts.size(), 1500U);
  EXPECT_TRUE(std::all_of(alerts.begin(), alerts.end(), names_its_file));
  EXPECT_EQ(writer->counters().late, 0U);
}

TEST_F(Writer, WaitsAtTheEndForAsLongAsFilesCome) {
  const auto writer = open({.patience = kLong, .last_patience = kLong});
  std::vector<AlertEvent> alerts;
  for (std::uint64_t id = 1; id <= 50; ++id) alerts.push_back(alert_of(id));
  writer->exchange(alerts);
  writer->drain(alerts, Clock::now());
  ASSERT_EQ(alerts.size(), 50U);
  EXPECT_TRUE(std::all_of(alerts.begin(), alerts.end(), names_its_file));
  EXPECT_EQ(writer->counters().late, 0U);
}

TEST_F(Writer, LeavesADiskThatHangsAtTheEnd) {
  hang_at(2);
  auto writer = open({.patience = kLong, .last_patience = 0ms});
  std::vector<AlertEvent> alerts = alerts_of({1});
  writer->exchange(alerts);
  std::vector<AlertEvent> first = alerts.empty() ? await(*writer, 1) : alerts;
  EXPECT_EQ(ids_of(first), (std::vector<std::uint64_t>{1}));
  alerts = alerts_of({2, 3});
  writer->exchange(alerts);
  EXPECT_TRUE(alerts.empty());
  writer->drain(alerts, Clock::now());
  EXPECT_EQ(ids_of(alerts), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_TRUE(alerts.at(0).incident.evidence_file.empty());
  EXPECT_EQ(writer->counters().late, 2U);
  writer.reset();  // returns, though its thread is held up
  let_go();
}

TEST_F(Writer, IsNotOpenedWhereFilesCannotBeWritten) {
  const auto opened = EvidenceWriter::open({.folder = folder_ / "nowhere"}, {}, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().kind, ErrorKind::usage);
  EXPECT_TRUE(open({})->probe().has_value());
}

}  // namespace
}  // namespace doorslam::trace_files
