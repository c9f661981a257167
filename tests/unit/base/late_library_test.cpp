#include "pipeline/base/late_library.h"

#include <gtest/gtest.h>

#include <string>

namespace doorslam {
namespace {

TEST(LateLibrary, CallsWhatItHasFound) {
  auto library = LateLibrary::load("libm.so.6", "libc6");
  ASSERT_TRUE(library) << library.error().message;
  double (*round_down)(double) = nullptr;
  library->find(round_down, "floor");
  ASSERT_TRUE(library->complete());
  EXPECT_EQ(round_down(2.5), 2.0);
}

TEST(LateLibrary, ALibraryThatIsNotThereIsNamedWithItsPackage) {
  const auto library = LateLibrary::load("libnowhere.so.1", "libnowhere1");
  ASSERT_FALSE(library);
  EXPECT_EQ(library.error().kind, ErrorKind::data);
  EXPECT_NE(library.error().message.find("libnowhere.so.1: "), std::string::npos) << library.error().message;
  EXPECT_NE(library.error().message.find("install libnowhere1"), std::string::npos) << library.error().message;
}

TEST(LateLibrary, TheFirstFunctionThatIsMissingIsNamed) {
  auto library = LateLibrary::load("libm.so.6", "libc6");
  ASSERT_TRUE(library) << library.error().message;
  void (*missing)() = nullptr;
  double (*round_down)(double) = nullptr;
  library->find(missing, "roundabout");
  library->find(missing, "detour");
  library->find(round_down, "floor");
  const auto complete = library->complete();
  ASSERT_FALSE(complete);
  EXPECT_EQ(complete.error().message, "libm.so.6 has no function roundabout; install a newer libc6");
  EXPECT_NE(round_down, nullptr);
}

}  // namespace
}  // namespace doorslam
