#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "tests/unit/diagnose/signature_text.h"

/// The project's own signatures, each held against its own sample.
namespace doorslam::diagnose {
namespace {

const SignatureDatabase& own_signatures() {
  static const auto database = [] {
    const std::filesystem::path paths[] = {default_signature_directory()};
    return SignatureDatabase::load(paths, {});
  }();
  EXPECT_TRUE(database) << database.error().message;
  return *database;
}

std::span<const SignatureHit> scan_sample(SignatureScanner& scanner, const Signature& signature) {
  const std::uint16_t port = signature.ports.empty() ? std::uint16_t{1} : signature.ports.front().first;
  return scanner.scan(test::head_of({signature.sample}), {}, signature.side, port);
}

TEST(OwnSignatures, AreManyAndFewAreOff) {
  const auto all = own_signatures().signatures();
  EXPECT_GT(all.size(), 500u);
  EXPECT_LT(std::ranges::count(all, false, &Signature::enabled), 30);
}

TEST(OwnSignatures, MatchTheirSamples) {
  auto scanner = SignatureScanner::create(own_signatures());
  ASSERT_TRUE(scanner);
  for (const Signature& signature : own_signatures().signatures()) {
    if (!signature.enabled) continue;
    const auto hits = scan_sample(*scanner, signature);
    EXPECT_NE(std::ranges::find(hits, &signature, &SignatureHit::signature), hits.end()) << signature.name;
  }
}

TEST(OwnSignatures, AreNotOutdoneByAnotherCause) {
  auto scanner = SignatureScanner::create(own_signatures());
  ASSERT_TRUE(scanner);
  for (const Signature& signature : own_signatures().signatures()) {
    if (!signature.enabled) continue;
    for (const SignatureHit& hit : scan_sample(*scanner, signature)) {
      const Signature& rival = *hit.signature;
      const bool outdoes = rival.specificity >= signature.specificity && rival.main_cause() != signature.main_cause();
      const bool is_known = std::ranges::find(signature.overlaps, rival.name) != signature.overlaps.end();
      EXPECT_TRUE(&rival == &signature || !outdoes || is_known)
          << rival.name << " matches the sample of " << signature.name
          << " as well; sharpen one of them, or say so under 'overlaps'";
    }
  }
}

TEST(OwnSignatures, NameOnlyKnownOverlaps) {
  std::set<std::string> names;
  for (const Signature& signature : own_signatures().signatures()) names.insert(signature.name);
  for (const Signature& signature : own_signatures().signatures()) {
    for (const std::string& name : signature.overlaps) EXPECT_TRUE(names.contains(name)) << signature.name;
  }
}

/// What is recalled, not read anywhere, must not accuse anybody unless a user switches it on.
TEST(OwnSignatures, FromMemoryAreOff) {
  for (const Signature& signature : own_signatures().signatures()) {
    if (signature.source.find("from memory") == std::string::npos) continue;
    EXPECT_FALSE(signature.enabled) << signature.name;
  }
}

/// Off or on, an expression must compile: a user may switch it on.
TEST(OwnSignatures, CompileEvenWhenOff) {
  std::vector<Signature> off;
  for (const Signature& signature : own_signatures().signatures()) {
    if (signature.enabled) continue;
    off.push_back(signature);
    off.back().enabled = true;
  }
  const auto database = SignatureDatabase::compile(off);
  ASSERT_TRUE(database) << database.error().message;
  auto scanner = SignatureScanner::create(*database);
  for (const Signature& signature : database->signatures()) {
    EXPECT_FALSE(scan_sample(*scanner, signature).empty()) << signature.name;
  }
}

}  // namespace
}  // namespace doorslam::diagnose
