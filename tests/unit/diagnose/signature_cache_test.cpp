#include "pipeline/diagnose/signature/signature_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "pipeline/diagnose/signature/signature_database.h"
#include "tests/unit/diagnose/signature_text.h"

namespace doorslam::diagnose {
namespace {

using test::head_of;
using test::yaml_of;
namespace fs = std::filesystem;

std::string octets_of(const fs::path& path) {
  std::ostringstream octets;
  octets << std::ifstream(path, std::ios::binary).rdbuf();
  return octets.str();
}

/// A directory with one signature file and a place for the cache.
class SignatureCacheTest : public testing::Test {
 protected:
  SignatureCacheTest() {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    write(directory_ / "a.yaml", text_);
  }
  ~SignatureCacheTest() override { fs::remove_all(directory_); }

  static void write(const fs::path& path, const std::string& octets) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << octets;
  }
  fs::path cache_file() const { return cache_ / SignatureCache::kFileName; }
  Result<SignatureDatabase> load() const {
    const fs::path paths[] = {directory_ / "a.yaml"};
    return SignatureDatabase::load(paths, cache_);
  }
  void expect_works(const SignatureDatabase& database) const {
    auto scanner = SignatureScanner::create(database);
    ASSERT_TRUE(scanner);
    const auto hits = scanner->scan(head_of({"421 x"}), {}, tcp::Side::responder, 21);
    ASSERT_EQ(hits.size(), 1u);
    EXPECT_EQ(hits[0].signature->name, "full");
  }

  std::string text_ = "signatures:\n" +
                      yaml_of("full", "^421", "connection_limit: 0.5, rate_limit: 0.25", "exact",
                              {"ports: [21, 30-40]", "overlaps: [other]", "needs_context: true", "first_words: true"}) +
                      yaml_of("off", "y", "served: 1", "0.33", {"enabled: false", "side: client"});
  fs::path directory_ =
      fs::path(testing::TempDir()) /
      ("doorslam-cache-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  fs::path cache_ = directory_ / "made" / "cache";
};

TEST_F(SignatureCacheTest, SecondLoadComesFromTheCacheAndIsTheSame) {
  const auto first = load();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(first->from_cache());
  const auto second = load();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE(second->from_cache());
  EXPECT_THAT(second->signatures(), testing::ElementsAreArray(first->signatures()));
  expect_works(*first);
  expect_works(*second);
}

TEST_F(SignatureCacheTest, ChangedSignaturesAreReadAnew) {
  ASSERT_TRUE(load());
  write(directory_ / "a.yaml", text_ + "# a remark\n");
  EXPECT_FALSE(load()->from_cache());
  EXPECT_TRUE(load()->from_cache()) << "the new ones are in the cache now";
}

TEST_F(SignatureCacheTest, ErrorsSurfaceDespiteACacheOfTheFormerText) {
  ASSERT_TRUE(load());
  write(directory_ / "a.yaml", "signatures:\n" + yaml_of("bad", "a(b", "served: 1", "exact"));
  EXPECT_FALSE(load());
  EXPECT_FALSE(load()) << "an error must not be cached away";
}

TEST_F(SignatureCacheTest, AnyDamageMeansReadingAnew) {
  ASSERT_TRUE(load());
  const std::string good = octets_of(cache_file());
  ASSERT_GT(good.size(), 200u);
  for (const std::size_t at : {std::size_t{0}, std::size_t{30}, std::size_t{60}, std::size_t{100}, good.size() - 1}) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    write(cache_file(), damaged);
    const auto loaded = load();
    ASSERT_TRUE(loaded);
    EXPECT_FALSE(loaded->from_cache()) << "octet " << at;
    expect_works(*loaded);
    EXPECT_EQ(octets_of(cache_file()), good) << "and mended";
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{10}, std::size_t{50}, good.size() - 1}) {
    write(cache_file(), good.substr(0, length));
    EXPECT_FALSE(load()->from_cache()) << "cut to " << length;
  }
}

TEST_F(SignatureCacheTest, DistrustsAFileThatOthersCanWrite) {
  ASSERT_TRUE(load());
  fs::permissions(cache_file(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(load()->from_cache());
}

TEST_F(SignatureCacheTest, DoesWithoutADirectoryItCannotMake) {
  write(directory_ / "made", "a file where the directory should be");
  const auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_FALSE(loaded->from_cache());
  expect_works(*loaded);
}

TEST_F(SignatureCacheTest, StoresNothingWithoutADirectory) {
  const fs::path paths[] = {directory_ / "a.yaml"};
  ASSERT_TRUE(SignatureDatabase::load(paths, {}));
  EXPECT_FALSE(SignatureDatabase::load(paths, {})->from_cache());
}

TEST_F(SignatureCacheTest, KeepsAnEmptyDatabase) {
  write(directory_ / "a.yaml", "signatures:\n" + yaml_of("off", "y", "served: 1", "exact", {"enabled: false"}));
  ASSERT_TRUE(load());
  const auto second = load();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->from_cache());
  EXPECT_EQ(second->signatures().size(), 1u);
}

}  // namespace
}  // namespace doorslam::diagnose
