#include "pipeline/app/output_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.h"

namespace doorslam::app {
namespace {

TEST(OutputFile, HoldsWhatWasWritten) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "flows.ndjson";
  std::ofstream(path) << "what a run before this one left\nand more";
  auto file = OutputFile::open(path);
  ASSERT_TRUE(file);
  file->write("{\"a\":1}\n");
  file->write("{\"b\":2}\n");
  ASSERT_TRUE(file->close());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST(OutputFile, SaysWhyItCannotBeCreated) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "no-such-folder/flows.ndjson";
  const auto file = OutputFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::data);
  EXPECT_NE(file.error().message.find(path), std::string::npos);
  EXPECT_NE(file.error().message.find("No such file or directory"), std::string::npos);
}

TEST(OutputFile, SaysThatTheDiskIsFullWhetherFewOctetsOrManyDidNotFit) {
  for (const std::size_t octets : {std::size_t{10}, std::size_t{1} << 20}) {
    auto file = OutputFile::open("/dev/full");
    ASSERT_TRUE(file);
    file->write(std::string(octets, 'x'));
    const auto closed = file->close();
    ASSERT_FALSE(closed) << octets;
    EXPECT_EQ(closed.error().kind, ErrorKind::data);
    EXPECT_NE(closed.error().message.find("/dev/full: not all records could be written: No space left"),
              std::string::npos)
        << closed.error().message;
  }
}

}  // namespace
}  // namespace doorslam::app
