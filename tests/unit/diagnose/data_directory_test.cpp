#include "pipeline/diagnose/signature/data_directory.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

/// tests/install runs the installed program itself.
namespace doorslam::diagnose {
namespace {

namespace fs = std::filesystem;

TEST(DataDirectory, ABuildUsesItsSourcesWhateverIsInstalled) {
  const fs::path build = DOORSLAM_TEST_BUILD_ROOT;
  const DataPlaces places = data_places_of(build / "pipeline/app/doorslam");
  EXPECT_EQ(places.signatures, fs::path(DOORSLAM_TEST_SOURCE_ROOT) / "config/signatures");
  EXPECT_EQ(places.cache, build / "pipeline/diagnose");
  EXPECT_NE(data_places_of(build.string() + "-other/bin/doorslam").signatures, places.signatures)
      << "a folder that only begins like the build tree";
}

TEST(DataDirectory, AMovedInstallationUsesItsOwnData) {
  const doorslam::test::TemporaryFolder folder;
  const fs::path data = folder / "usr/local/share/doorslam";
  fs::create_directories(data / "signatures");
  const DataPlaces places = data_places_of(folder / "usr/local/bin/doorslam");
  EXPECT_EQ(places.signatures, data / "signatures");
  EXPECT_EQ(places.cache, data);
}

TEST(DataDirectory, AProgramAloneUsesTheInstallationItWasConfiguredFor) {
  const DataPlaces places = data_places_of("/nowhere/at/all/doorslam");
  EXPECT_EQ(places.signatures, fs::path(DOORSLAM_TEST_DATA) / "signatures");
  EXPECT_EQ(places.cache, DOORSLAM_TEST_DATA);
}

}  // namespace
}  // namespace doorslam::diagnose
