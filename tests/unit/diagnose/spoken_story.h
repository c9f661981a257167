#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "tests/unit/diagnose/story.h"

namespace doorslam::diagnose::test {

/// Stories whose words are read by the project's own signatures.
class SpokenStory : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::filesystem::path paths[] = {default_signature_directory()};
    auto database = SignatureDatabase::load(paths, {});
    ASSERT_TRUE(database) << database.error().message;
    auto made = SignatureScanner::create(*database);
    ASSERT_TRUE(made) << made.error().message;
    scanner_ = std::make_unique<SignatureScanner>(std::move(*made));
  }
  static void TearDownTestSuite() { scanner_.reset(); }

  static Readings read(const Story& story) { return story.read({.analysis = {}, .scanner = scanner_.get()}); }

  inline static std::unique_ptr<SignatureScanner> scanner_;
};

}  // namespace doorslam::diagnose::test
