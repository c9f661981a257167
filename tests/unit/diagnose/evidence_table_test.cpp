#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "pipeline/diagnose/weights.h"
#include "tests/unit/diagnose/evidence_case.h"
#include "tests/unit/diagnose/spoken_story.h"

/// Each row of the table of evidence by itself: in the stories of the other tests several rows argue for the same
/// cause, so that one that is broken does not show.
namespace doorslam::diagnose {
namespace {

using namespace test;

std::vector<EvidenceCase> all_cases() {
  std::vector<EvidenceCase> all;
  for (const auto cases : {handshake_evidence_cases(), ledger_evidence_cases(), speech_evidence_cases()}) {
    std::ranges::copy(cases, std::back_inserter(all));
  }
  return all;
}

std::string test_name(std::string_view row) {
  std::string name(row);
  std::ranges::replace(name, '-', '_');
  return name;
}

TEST(EvidenceTable, HasACaseForEachRow) {
  const auto cases = all_cases();
  for (const EvidenceRow& row : evidence_table()) {
    EXPECT_NE(std::ranges::find(cases, row.name, &EvidenceCase::row), cases.end())
        << "no story shows what the row \"" << row.name << "\" finds. To mend it, add {\"" << row.name
        << "\", \"<part of its sentence>\", <function>} to kCases in the tests/unit/diagnose/*_evidence_cases.cpp of "
           "its subject, with a function (Scene& scene, bool there) that tells two stories: with `there` one in which "
           "the row finds something in the connection returned, else one near to it in which it does not";
  }
  for (const EvidenceCase& one : cases) {
    EXPECT_NE(std::ranges::find(evidence_table(), one.row, &EvidenceRow::name), evidence_table().end())
        << "the case \"" << one.row << "\" belongs to no row of evidence_table(): rename or delete it";
    EXPECT_EQ(std::ranges::count(cases, one.row, &EvidenceCase::row), 1) << one.row << " has two cases";
  }
}

class EvidenceOf : public SpokenStory, public testing::WithParamInterface<EvidenceCase> {
 protected:
  static DiagnosedConnection reading_of(bool there) {
    Scene scene{.story = Story({address4(200), GetParam().port})};
    Conversation& talk = GetParam().play(scene, there);
    ReadOptions options{.analysis = {},
                        .scanner = scene.reads_words ? scanner_.get() : nullptr,
                        .losses = scene.losses,
                        .captured = scene.captured};
    options.analysis.contributions = true;
    return scene.story.read(options).of(talk);
  }
  static bool finds(const DiagnosedConnection& reading) {
    return std::ranges::find(reading.diagnosis.contributions, GetParam().row, &Contribution::evidence) !=
           reading.diagnosis.contributions.end();
  }
};

TEST_P(EvidenceOf, IsFoundWhereItIsAndNotBesideIt) {
  const DiagnosedConnection with = reading_of(true);
  EXPECT_TRUE(finds(with)) << GetParam().row << " finds nothing in " << in_full(with.diagnosis);
  EXPECT_TRUE(says(with, GetParam().sentence));
  const DiagnosedConnection without = reading_of(false);
  EXPECT_FALSE(finds(without)) << GetParam().row << " finds something in " << in_full(without.diagnosis);
  EXPECT_FALSE(without.diagnosis.contributions.empty()) << "a story that is not weighed shows nothing";
}

INSTANTIATE_TEST_SUITE_P(Rows, EvidenceOf, testing::ValuesIn(all_cases()),
                         [](const auto& one) { return test_name(one.param.row); });

}  // namespace

}  // namespace doorslam::diagnose
