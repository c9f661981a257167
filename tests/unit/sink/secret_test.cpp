#include "pipeline/alert/sink/secret.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace doorslam::sink {
namespace {

TEST(Secret, StandsInAFileOrInTheEnvironment) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "token") << "s3cret\r\nsecond line\n";
  EXPECT_EQ(*read_secret("file:" + (folder / "token").string()), "s3cret");
  ASSERT_EQ(setenv("DOORSLAM_TEST_SECRET", "from the environment", 1), 0);
  EXPECT_EQ(*read_secret("env:DOORSLAM_TEST_SECRET"), "from the environment");
  EXPECT_EQ(*read_secret(""), "");
}

TEST(Secret, IsNotTakenFromElsewhereNorRepeated) {
  const auto bare = read_secret("s3cret");
  ASSERT_FALSE(bare.has_value());
  EXPECT_EQ(bare.error().message.find("s3cret"), std::string::npos);
  EXPECT_FALSE(read_secret("env:DOORSLAM_TEST_NOT_THERE").has_value());
  const test::TemporaryFolder folder;
  EXPECT_FALSE(read_secret("file:" + (folder / "absent").string()).has_value());
  std::ofstream(folder / "empty") << "\n";
  EXPECT_FALSE(read_secret("file:" + (folder / "empty").string()).has_value());
}

}  // namespace
}  // namespace doorslam::sink
