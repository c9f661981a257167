#include "pipeline/tcp/state_table.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace doorslam::tcp {
namespace {

constexpr std::string_view kLetters = "ispecr";  // inactive, syn_sent, partial, established, closed, reset

EndpointState state_named(char letter) { return static_cast<EndpointState>(kLetters.find(letter)); }
char letter_of(EndpointState state) { return kLetters[static_cast<std::size_t>(state)]; }

/// What becomes of the sender and of the other end by each FlagClass: bare, ack, data, syn, syn_ack, fin, rst, rst_ack.
struct Row {
  Side side;
  char own;
  char peer;
  std::string_view own_after;
  std::string_view peer_after;
};

// Every cell of the table with every state of the other end, written out: a change of one is a change of conn_state.
constexpr std::array<Row, 72> kRows = {{
    {Side::originator, 'i', 'i', "pppsecrr", "iiiiiiii"}, {Side::originator, 'i', 's', "pppsecrr", "ssssssss"},
    {Side::originator, 'i', 'p', "pppsecrr", "pppppppp"}, {Side::originator, 'i', 'e', "eeeeecrr", "eeeeeeee"},
    {Side::originator, 'i', 'c', "pppsecrr", "cccccccc"}, {Side::originator, 'i', 'r', "pppsecrr", "rrrrrrrr"},
    {Side::originator, 's', 'i', "ssssscrr", "iiiiiiii"}, {Side::originator, 's', 's', "ssssscrr", "ssssssss"},
    {Side::originator, 's', 'p', "ssssscrr", "pppppppp"}, {Side::originator, 's', 'e', "ssssscrr", "eeeeeeee"},
    {Side::originator, 's', 'c', "ssssscrr", "cccccccc"}, {Side::originator, 's', 'r', "ssssscrr", "rrrrrrrr"},
    {Side::originator, 'p', 'i', "pppspcrr", "iiiiiiii"}, {Side::originator, 'p', 's', "pppppcrr", "ssssssss"},
    {Side::originator, 'p', 'p', "pppppcrr", "pppppppp"}, {Side::originator, 'p', 'e', "pppppcrr", "eeeeeeee"},
    {Side::originator, 'p', 'c', "pppppcrr", "cccccccc"}, {Side::originator, 'p', 'r', "pppppcrr", "rrrrrrrr"},
    {Side::originator, 'e', 'i', "eeeeecrr", "iiiiiiii"}, {Side::originator, 'e', 's', "eeeeecrr", "ssssssss"},
    {Side::originator, 'e', 'p', "eeeeecrr", "pppppppp"}, {Side::originator, 'e', 'e', "eeeeecrr", "eeeeeeee"},
    {Side::originator, 'e', 'c', "eeeeecrr", "cccccccc"}, {Side::originator, 'e', 'r', "eeeeecrr", "rrrrrrrr"},
    {Side::originator, 'c', 'i', "ccccccrr", "iiiiiiii"}, {Side::originator, 'c', 's', "ccccccrr", "ssssssss"},
    {Side::originator, 'c', 'p', "ccccccrr", "pppppppp"}, {Side::originator, 'c', 'e', "ccccccrr", "eeeeeeee"},
    {Side::originator, 'c', 'c', "cccccccc", "cccccccc"}, {Side::originator, 'c', 'r', "ccccccrr", "rrrrrrrr"},
    {Side::originator, 'r', 'i', "rrrrrrrr", "iiiiiiii"}, {Side::originator, 'r', 's', "rrrrrrrr", "ssssssss"},
    {Side::originator, 'r', 'p', "rrrrrrrr", "pppppppp"}, {Side::originator, 'r', 'e', "rrrrrrrr", "eeeeeeee"},
    {Side::originator, 'r', 'c', "rrrrrrrr", "cccccccc"}, {Side::originator, 'r', 'r', "rrrrrrrr", "rrrrrrrr"},
    {Side::responder, 'i', 'i', "pppeecrr", "iiiiiiii"},  {Side::responder, 'i', 's', "iipeecrr", "ssseesss"},
    {Side::responder, 'i', 'p', "pppeecrr", "pppppppp"},  {Side::responder, 'i', 'e', "eeeeecrr", "eeeeeeee"},
    {Side::responder, 'i', 'c', "pppeecrr", "cccccccc"},  {Side::responder, 'i', 'r', "pppeecrr", "rrrrrrrr"},
    {Side::responder, 's', 'i', "ssssscrr", "iiiiiiii"},  {Side::responder, 's', 's', "ssssscrr", "ssssssss"},
    {Side::responder, 's', 'p', "ssssscrr", "pppppppp"},  {Side::responder, 's', 'e', "ssssscrr", "eeeeeeee"},
    {Side::responder, 's', 'c', "ssssscrr", "cccccccc"},  {Side::responder, 's', 'r', "ssssscrr", "rrrrrrrr"},
    {Side::responder, 'p', 'i', "pppspcrr", "iiiiiiii"},  {Side::responder, 'p', 's', "pppppcrr", "ssssssss"},
    {Side::responder, 'p', 'p', "pppppcrr", "pppppppp"},  {Side::responder, 'p', 'e', "pppppcrr", "eeeeeeee"},
    {Side::responder, 'p', 'c', "pppppcrr", "cccccccc"},  {Side::responder, 'p', 'r', "pppppcrr", "rrrrrrrr"},
    {Side::responder, 'e', 'i', "eeeeecrr", "iiiiiiii"},  {Side::responder, 'e', 's', "eeeeecrr", "ssssssss"},
    {Side::responder, 'e', 'p', "eeeeecrr", "pppppppp"},  {Side::responder, 'e', 'e', "eeeeecrr", "eeeeeeee"},
    {Side::responder, 'e', 'c', "eeeeecrr", "cccccccc"},  {Side::responder, 'e', 'r', "eeeeecrr", "rrrrrrrr"},
    {Side::responder, 'c', 'i', "ccccccrr", "iiiiiiii"},  {Side::responder, 'c', 's', "ccccccrr", "ssssssss"},
    {Side::responder, 'c', 'p', "ccccccrr", "pppppppp"},  {Side::responder, 'c', 'e', "ccccccrr", "eeeeeeee"},
    {Side::responder, 'c', 'c', "cccccccc", "cccccccc"},  {Side::responder, 'c', 'r', "ccccccrr", "rrrrrrrr"},
    {Side::responder, 'r', 'i', "rrrrrrrr", "iiiiiiii"},  {Side::responder, 'r', 's', "rrrrrrrr", "ssssssss"},
    {Side::responder, 'r', 'p', "rrrrrrrr", "pppppppp"},  {Side::responder, 'r', 'e', "rrrrrrrr", "eeeeeeee"},
    {Side::responder, 'r', 'c', "rrrrrrrr", "cccccccc"},  {Side::responder, 'r', 'r', "rrrrrrrr", "rrrrrrrr"},
}};

TEST(StateTable, EveryCellWithEveryStateOfTheOtherEnd) {
  for (const Row& row : kRows) {
    for (std::size_t flags = 0; flags < kFlagClassCount; ++flags) {
      EndpointStates ends;
      ends.now[index_of(row.side)] = state_named(row.own);
      ends.now[index_of(other(row.side))] = state_named(row.peer);
      step(ends, row.side, static_cast<FlagClass>(flags));
      EXPECT_EQ(letter_of(ends.of(row.side)), row.own_after[flags])
          << "side " << index_of(row.side) << " own " << row.own << " peer " << row.peer << " flags " << flags;
      EXPECT_EQ(letter_of(ends.of(other(row.side))), row.peer_after[flags])
          << "side " << index_of(row.side) << " own " << row.own << " peer " << row.peer << " flags " << flags;
    }
  }
}

TEST(StateTable, RowsCoverTheTable) {
  std::array<bool, 2 * kEndpointStateCount * kEndpointStateCount> covered{};
  for (const Row& row : kRows) {
    covered[(index_of(row.side) * kEndpointStateCount + kLetters.find(row.own)) * kEndpointStateCount +
            kLetters.find(row.peer)] = true;
  }
  for (const bool is_covered : covered) EXPECT_TRUE(is_covered);
}

TEST(StateTable, FinAfterTheOthersFinAndResetWasANormalEnd) {
  EndpointStates ends{{EndpointState::established, EndpointState::reset},
                      {EndpointState::syn_sent, EndpointState::closed}};
  step(ends, Side::originator, FlagClass::fin);
  EXPECT_EQ(ends.of(Side::originator), EndpointState::closed);
  EXPECT_EQ(ends.of(Side::responder), EndpointState::closed);
}

TEST(StateTable, FinAfterTheOthersResetAloneIsNoNormalEnd) {
  EndpointStates ends{{EndpointState::established, EndpointState::reset},
                      {EndpointState::syn_sent, EndpointState::established}};
  step(ends, Side::originator, FlagClass::fin);
  EXPECT_EQ(ends.of(Side::responder), EndpointState::reset);
}

TEST(StateTable, RemembersTheStateBeforeTheLatestChangeOnly) {
  EndpointStates ends;
  step(ends, Side::originator, FlagClass::syn);
  step(ends, Side::originator, FlagClass::syn);
  EXPECT_EQ(ends.before_of(Side::originator), EndpointState::inactive);
  step(ends, Side::responder, FlagClass::syn_ack);
  EXPECT_EQ(ends.before_of(Side::originator), EndpointState::syn_sent);
}

TEST(StateTable, StrongestFlagGivesTheClass) {
  using namespace packet::tcp_flag;
  EXPECT_EQ(flag_class_of(0, 0), FlagClass::bare);
  EXPECT_EQ(flag_class_of(kAck, 0), FlagClass::ack);
  EXPECT_EQ(flag_class_of(kAck | kPsh, 1), FlagClass::data);
  EXPECT_EQ(flag_class_of(kPsh, 1), FlagClass::data);
  EXPECT_EQ(flag_class_of(kSyn, 5), FlagClass::syn);
  EXPECT_EQ(flag_class_of(kSyn | kAck, 0), FlagClass::syn_ack);
  EXPECT_EQ(flag_class_of(kFin | kAck, 9), FlagClass::fin);
  EXPECT_EQ(flag_class_of(kSyn | kFin, 0), FlagClass::fin);
  EXPECT_EQ(flag_class_of(kRst, 0), FlagClass::rst);
  EXPECT_EQ(flag_class_of(kRst | kAck, 0), FlagClass::rst_ack);
  EXPECT_EQ(flag_class_of(kRst | kSyn | kFin, 0), FlagClass::rst);
}

TEST(StateTable, CloseIsCompleteWhenNothingOfInterestCanCome) {
  const auto complete = [](EndpointState originator, EndpointState responder) {
    return is_close_complete({{originator, responder}, {}});
  };
  using enum EndpointState;
  EXPECT_TRUE(complete(closed, closed));
  EXPECT_TRUE(complete(reset, established));
  EXPECT_TRUE(complete(syn_sent, reset));
  EXPECT_TRUE(complete(closed, inactive));
  EXPECT_TRUE(complete(inactive, closed));
  EXPECT_FALSE(complete(closed, established));
  EXPECT_FALSE(complete(established, closed));
  EXPECT_FALSE(complete(closed, partial));
  EXPECT_FALSE(complete(established, established));
}

}  // namespace
}  // namespace doorslam::tcp
