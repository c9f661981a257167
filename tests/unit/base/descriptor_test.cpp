#include "pipeline/base/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace doorslam {
namespace {

int open_something() { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }
bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

TEST(Descriptor, IsClosedOnceAndByItsLastOwner) {
  int number = -1;
  {
    Descriptor first(open_something());
    number = first.get();
    ASSERT_TRUE(is_open(number));
    Descriptor second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what is left of it is the test
    EXPECT_TRUE(second);
    Descriptor third;
    third = std::move(second);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Descriptor, ClosesWhatItHadWhenItTakesAnother) {
  Descriptor file(open_something());
  const int before = file.get();
  Descriptor other(open_something());
  const int number = other.get();
  file = std::move(other);
  EXPECT_FALSE(is_open(before));
  EXPECT_EQ(file.get(), number);
  file.reset();
  EXPECT_FALSE(is_open(number));
  EXPECT_FALSE(file);
}

TEST(Descriptor, LeavesTheErrorThatIsToBeTold) {
  errno = ENOSPC;
  { const Descriptor wrong(1'000'000); }
  EXPECT_EQ(errno, ENOSPC);
}

TEST(Descriptor, TellsWhenClosingFails) {
  EXPECT_TRUE(Descriptor(open_something()).close());
  EXPECT_TRUE(Descriptor().close()) << "there is nothing to close";
  EXPECT_FALSE(Descriptor(1'000'000).close());
  EXPECT_EQ(errno, EBADF);
}

TEST(Descriptor, IsLeftToWhoeverReleasesIt) {
  int number = -1;
  {
    Descriptor file(open_something());
    number = file.release();
  }
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

}  // namespace
}  // namespace doorslam
