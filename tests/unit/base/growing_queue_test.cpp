#include "pipeline/base/growing_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "pipeline/base/recycler.h"

/// What waits for its judgement: the queue, and the memory of its packets.
namespace doorslam {
namespace {

TEST(GrowingQueue, GivesOutWhatWasPutInInOrder) {
  EXPECT_TRUE(rc::check([](const std::vector<bool>& puts) {
    GrowingQueue<std::unique_ptr<int>> queue;
    std::deque<int> model;
    int next = 0;
    for (const bool put : puts) {
      // Three in for one out, or one out: it grows, runs over its end, and becomes empty.
      for (int i = 0; put && i < 3; ++i) {
        queue.push_back(std::make_unique<int>(next));
        model.push_back(next++);
      }
      if (!model.empty()) {
        RC_ASSERT(*queue.front() == model.front());
        queue.pop_front();
        model.pop_front();
      }
      RC_ASSERT(queue.size() == model.size());
      RC_ASSERT(queue.empty() == model.empty());
      for (std::size_t i = 0; i < model.size(); ++i) RC_ASSERT(*queue[i] == model[i]);
    }
  }));
}

struct alignas(64) Block {
  std::array<char, 2048> octets;
};

TEST(Recycler, GivesOutAgainWhatWasGivenBack) {
  const Recycler<Block> memory;
  const Block* first = nullptr;
  {
    const auto one = std::allocate_shared<Block>(memory);
    first = one.get();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % alignof(Block), 0U);
  }
  EXPECT_EQ(std::allocate_shared<Block>(memory).get(), first);
}

TEST(Recycler, ObjectsOutliveTheAllocator) {
  std::shared_ptr<Block> kept;
  std::vector<std::shared_ptr<Block>> more;
  {
    const Recycler<Block> memory;
    kept = std::allocate_shared<Block>(memory);
    for (int i = 0; i < 2000; ++i) more.push_back(std::allocate_shared<Block>(memory));
  }
  more.clear();
  kept->octets.fill('x');
  EXPECT_EQ(kept->octets.back(), 'x');
}

}  // namespace
}  // namespace doorslam
