#include "pipeline/tcp/history.h"

#include <gtest/gtest.h>

namespace doorslam::tcp {
namespace {

TEST(PackedHistory, KeepsEveryLetterOfBothSides) {
  for (std::size_t letter = 0; letter < kHistoryLetters.size(); ++letter) {
    PackedHistory history;
    history.append(static_cast<HistoryLetter>(letter), Side::originator);
    history.append(static_cast<HistoryLetter>(letter), Side::responder);
    const History text = history.unpack();
    const char upper = kHistoryLetters[letter];
    EXPECT_EQ(text.view(), (std::string{upper, static_cast<char>(std::tolower(upper))}));
  }
}

TEST(PackedHistory, SaysWhenItIsFull) {
  PackedHistory history;
  for (std::size_t i = 0; i < PackedHistory::kCapacity; ++i) {
    EXPECT_TRUE(history.append(HistoryLetter::rst, i % 2 == 0 ? Side::originator : Side::responder));
  }
  EXPECT_FALSE(history.append(HistoryLetter::fin, Side::originator));
  EXPECT_EQ(history.unpack().view(), "RrRrRrRrRrRrRrRrRrRrRrRr");
}

TEST(PackedHistory, TellsTheSidesOfALetterApart) {
  PackedHistory history;
  history.append(HistoryLetter::fin, Side::responder);
  EXPECT_TRUE(history.contains(HistoryLetter::fin, Side::responder));
  EXPECT_FALSE(history.contains(HistoryLetter::fin, Side::originator));
  EXPECT_FALSE(history.contains(HistoryLetter::syn, Side::responder));
}

TEST(PackedHistory, KnowsALetterThatStandsAlone) {
  PackedHistory history;
  EXPECT_FALSE(history.is(HistoryLetter::syn, Side::originator));
  history.append(HistoryLetter::syn, Side::originator);
  EXPECT_TRUE(history.is(HistoryLetter::syn, Side::originator));
  EXPECT_FALSE(history.is(HistoryLetter::syn, Side::responder));
  history.append(HistoryLetter::bad_checksum, Side::originator);
  EXPECT_FALSE(history.is(HistoryLetter::syn, Side::originator));
  EXPECT_FALSE(history.is(HistoryLetter::bad_checksum, Side::originator));
}

TEST(PackedHistory, MilestonesArePowersOfTen) {
  EXPECT_FALSE(is_history_milestone(0));
  for (const std::uint32_t milestone : {1U, 10U, 100U, 1000U, 10000U}) {
    EXPECT_TRUE(is_history_milestone(milestone));
    EXPECT_FALSE(is_history_milestone(milestone + 1));
  }
}

}  // namespace
}  // namespace doorslam::tcp
