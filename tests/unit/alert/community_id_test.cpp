#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/alert/community_id.h"
#include "tests/unit/alert/reference.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using sample::endpoint;

const auto kClient4 = endpoint("128.232.110.120", 34855);
const auto kServer4 = endpoint("66.35.250.204", 80);
const auto kClient6 = endpoint("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943);
const auto kServer6 = endpoint("2607:f8b0:400c:c03::1a", 25);

TEST(CommunityId, IsWhatOtherToolsComputeForTheSameConnection) {
  CommunityId id;
  EXPECT_EQ(id.of(kClient4, kServer4), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(id.of(kClient6, kServer6), "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
}

TEST(CommunityId, IsTheSameForBothDirections) {
  CommunityId id;
  EXPECT_EQ(std::string(id.of(kClient4, kServer4)), std::string(id.of(kServer4, kClient4)));
  EXPECT_EQ(std::string(id.of(kClient6, kServer6)), std::string(id.of(kServer6, kClient6)));
}

TEST(CommunityId, OrdersByPortWhereTheAddressesAreEqual) {
  CommunityId id;
  const auto low = endpoint("192.0.2.1", 80);
  const auto high = endpoint("192.0.2.1", 40000);
  EXPECT_EQ(std::string(id.of(low, high)), std::string(id.of(high, low)));
}

TEST(CommunityId, DependsOnTheSeed) {
  CommunityId id(1);
  EXPECT_EQ(id.of(kClient4, kServer4), "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
  EXPECT_EQ(id.of(kClient6, kServer6), "1:eJYTW6AOzFLlSUoESovMjnu7rMw=");
}

TEST(CommunityId, RefusesAddressesOfTwoVersions) {
  CommunityId id;
  EXPECT_EQ(id.of(kClient4, kServer6), "");
}

void check_vectors(const char* file, std::uint16_t seed) {
  const auto path = reference_file(std::filesystem::path("community-id") / file);
  if (!path) GTEST_SKIP() << "reference vectors are not there; set DOORSLAM_SHARED to check against them";
  std::ifstream input(*path);
  CommunityId id(seed);
  std::size_t checked = 0;
  for (const auto& vector : nlohmann::json::parse(input)) {
    if (vector.at("proto") != 6) continue;
    const auto source = endpoint(vector.at("saddr"), vector.at("sport"));
    const auto destination = endpoint(vector.at("daddr"), vector.at("dport"));
    EXPECT_EQ(id.of(source, destination), vector.at("communityid").get<std::string>()) << vector;
    ++checked;
  }
  EXPECT_GT(checked, 0U);
}

TEST(CommunityId, AgreesWithTheReferenceVectors) { check_vectors("baseline_deflt.json", 0); }
TEST(CommunityId, AgreesWithTheReferenceVectorsOfSeedOne) { check_vectors("baseline_seed1.json", 1); }

}  // namespace
}  // namespace doorslam::alert
