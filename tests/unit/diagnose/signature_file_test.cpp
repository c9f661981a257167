#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "pipeline/diagnose/signature/signature_file.h"
#include "tests/unit/diagnose/signature_text.h"

namespace doorslam::diagnose {
namespace {

using test::parse;
using test::yaml_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
namespace fs = std::filesystem;

TEST(SignatureFile, ReadsEveryKey) {
  const auto parsed = parse(R"(
signatures:
  - name: some-server-full
    program: some server
    protocol: ftp
    ports: [21, 6660-6669]
    side: client
    expression: '^421 \d+'
    causes: {rate_limit: 0.2, connection_limit: 0.7}
    specificity: program
    needs_context: true
    enabled: false
    source: RFC 959
    sample: '421 \x31\r\n\t\0\\'
    overlaps: [other-one]
)");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 1u);
  const Signature& s = parsed->front();
  EXPECT_EQ(s.name, "some-server-full");
  EXPECT_EQ(s.program, "some server");
  EXPECT_EQ(s.protocol, "ftp");
  EXPECT_THAT(s.ports, ElementsAre(PortRange{21, 21}, PortRange{6660, 6669}));
  EXPECT_EQ(s.side, tcp::Side::originator);
  EXPECT_EQ(s.expression, R"(^421 \d+)");
  EXPECT_THAT(s.causes, ElementsAre(CauseWeight{Cause::connection_limit, 0.7}, CauseWeight{Cause::rate_limit, 0.2}));
  EXPECT_EQ(s.main_cause(), Cause::connection_limit);
  EXPECT_EQ(s.weight_of(Cause::rate_limit), 0.2);
  EXPECT_EQ(s.weight_of(Cause::served), 0.0);
  EXPECT_EQ(s.specificity, specificity::kProgram);
  EXPECT_TRUE(s.needs_context);
  EXPECT_FALSE(s.enabled);
  EXPECT_EQ(s.sample, std::string("421 1\r\n\t\0\\", 10));
  EXPECT_THAT(s.overlaps, ElementsAre("other-one"));
  EXPECT_EQ(s.file, "a.yaml");
  EXPECT_EQ(s.line, 3u);
  EXPECT_TRUE(s.has_port(6669));
  EXPECT_FALSE(s.has_port(6670));
}

TEST(SignatureFile, DefaultsHoldForAllAndGiveWayToTheSignature) {
  const auto parsed = parse("defaults: {protocol: ftp, ports: [21], side: client}\nsignatures:\n" +
                            yaml_of("a", "x", "served: 1", "exact", {"protocol: smtp"}) +
                            yaml_of("b", "x", "served: 1", "exact", {"side: server", "protocol: ftp"}));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)[0].protocol, "smtp");
  EXPECT_TRUE((*parsed)[0].has_port(21));
  EXPECT_EQ((*parsed)[0].side, tcp::Side::originator);
  EXPECT_EQ((*parsed)[1].side, tcp::Side::responder);
}

TEST(SignatureFile, GenericSignaturesNeedTheirContextUnlessTheFileSaysOtherwise) {
  const auto parsed =
      parse("signatures:\n" + yaml_of("a", "x", "served: 1", "generic") + yaml_of("b", "x", "served: 1", "protocol") +
            yaml_of("c", "x", "served: 1", "generic", {"needs_context: false"}));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE((*parsed)[0].needs_context);
  EXPECT_FALSE((*parsed)[1].needs_context);
  EXPECT_FALSE((*parsed)[2].needs_context);
}

TEST(SignatureFile, LaterFilesReplaceByNameAndExtend) {
  const SignatureText texts[] = {
      {"first.yaml",
       "signatures:\n" + yaml_of("a", "old", "served: 1", "exact") + yaml_of("b", "kept", "served: 1", "exact")},
      {"second.yaml",
       "signatures:\n" + yaml_of("c", "added", "served: 1", "exact") + yaml_of("a", "new", "auth_failed: 1", "exact")},
  };
  const auto parsed = parse_signatures(texts);
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 3u);
  EXPECT_EQ((*parsed)[0].name, "a");
  EXPECT_EQ((*parsed)[0].expression, "new");
  EXPECT_EQ((*parsed)[0].main_cause(), Cause::auth_failed);
  EXPECT_EQ((*parsed)[0].file, "second.yaml");
  EXPECT_EQ((*parsed)[1].expression, "kept");
  EXPECT_EQ((*parsed)[2].name, "c");
}

struct BadText {
  std::string text;
  std::string place;  ///< how the message starts
  std::string says;   ///< and what it contains
};

std::string with(const std::string& line) { return "signatures:\n" + yaml_of("a", "x", "served: 1", "exact", {line}); }

/// Every way of getting a file wrong: the message names file, line and column, and says what to write instead.
TEST(SignatureFile, NamesPlaceAndRemedyOfEachError) {
  const std::string ok = "signatures:\n" + yaml_of("a", "x", "served: 1", "exact");
  const BadText cases[] = {
      {"signatures: [", "a.yaml:1:", "no YAML"},
      {"- x\n", "a.yaml:1:1: ", "must be a map with the key 'signatures'"},
      {"defaults: {}\n", "a.yaml:1:1: ", "'signatures' is missing"},
      {"signature:\n", "a.yaml:1:1: ", "unknown key 'signature'; known: defaults, signatures"},
      {"signatures: {a: b}\n", "a.yaml:1:1: ", "no list"},
      {"signatures:\n  - word\n", "a.yaml:2:5: ", "a signature must be a map"},
      {"signatures:\n  - name: a\n", "a.yaml:2:5: ", "signature 'a' lacks 'program'; add it"},
      {ok + yaml_of("a", "y", "served: 1", "exact"), "a.yaml:10:5: ", "signature 'a' stands in line 2 already"},
      {with("colour: red"), "a.yaml:9:5: ", "unknown key 'colour'; known: name, program"},
      {with("program: y"), "a.yaml:9:5: ", "'program' stands there twice"},
      {with("ports: 21"), "a.yaml:9:12: ", "'ports' must be a list"},
      {with("ports: [0]"), "a.yaml:9:13: ", "'0' is no port"},
      {with("ports: [70000]"), "a.yaml:9:13: ", "'70000' is no port"},
      {with("ports: [9-8]"), "a.yaml:9:13: ", "'9-8' is no port"},
      {with("ports: [9x]"), "a.yaml:9:13: ", "write a number from 1 to 65535"},
      {with("side: both"), "a.yaml:9:11: ", "write server or client"},
      {with("enabled: yes"), "a.yaml:9:14: ", "write true or false"},
      {with("overlaps: b"), "a.yaml:9:15: ", "must be a list of names"},
      {"defaults: {name: a}\n" + ok, "a.yaml:1:12: ", "move it out of 'defaults'"},
      {"defaults: x\n" + ok, "a.yaml:1:11: ", "'defaults' must be a map"},
      {"signatures:\n" + yaml_of("Not_kebab", "x", "served: 1", "exact"), "a.yaml:2:11: ", "'Not_kebab' is no name"},
      {"signatures:\n" + yaml_of("a--b", "x", "served: 1", "exact"), "a.yaml:2:11: ", "is no name"},
      {"signatures:\n" + yaml_of("a", "", "served: 1", "exact"), "a.yaml:4:17: ", "'expression' is empty"},
      {"signatures:\n" + yaml_of("a", std::string(1001, 'x'), "served: 1", "exact"),
       "a.yaml:4:17: ", "has 1001 characters; at most 1000"},
      {"signatures:\n" + yaml_of("a", "x", "", "exact"), "a.yaml:5:13: ", "'causes' must map causes to weights"},
      {"signatures:\n" + yaml_of("a", "x", "bad_luck: 1", "exact"),
       "a.yaml:5:14: ", "unknown cause 'bad_luck'; known: served, acl_denied"},
      {"signatures:\n" + yaml_of("a", "x", "served: 0", "exact"), "a.yaml:5:22: ", "above 0, at most 1"},
      {"signatures:\n" + yaml_of("a", "x", "served: nan", "exact"), "a.yaml:5:22: ", "weight of 'served' is 'nan'"},
      {"signatures:\n" + yaml_of("a", "x", "served: 0.7, unknown: 0.4", "exact"),
       "a.yaml:5:13: ", "weights sum to 1.1"},
      {"signatures:\n" + yaml_of("a", "x", "served: 0.1, served: 0.1", "exact"),
       "a.yaml:5:27: ", "'served' stands there twice"},
      {"signatures:\n" + yaml_of("a", "x", "served: 1", "1.5"), "a.yaml:6:18: ", "write exact, program"},
      {"signatures:\n" + yaml_of("a", "x", "served: 1", "rather"), "a.yaml:6:18: ", "'specificity' is 'rather'"},
  };
  for (const BadText& bad : cases) {
    const auto parsed = parse(bad.text);
    ASSERT_FALSE(parsed) << bad.text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << bad.text;
    EXPECT_THAT(parsed.error().message, StartsWith(bad.place)) << bad.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(bad.says)) << bad.text;
  }
}

TEST(SignatureFile, RefusesBadEscapesAndLongSamples) {
  const auto sample = [](const std::string& text) {
    std::string yaml = "signatures:\n" + yaml_of("a", "x", "served: 1", "exact");
    return parse(yaml.replace(yaml.find("sample: x"), 9, "sample: '" + text + "'"));
  };
  EXPECT_THAT(sample(R"(\q)").error().message, HasSubstr(R"(unknown escape \q)"));
  EXPECT_THAT(sample(R"(\x1)").error().message, HasSubstr("two hexadecimal digits"));
  EXPECT_THAT(sample(R"(\xzz)").error().message, HasSubstr("two hexadecimal digits"));
  EXPECT_THAT(sample("\\").error().message, HasSubstr("lone backslash"));
  EXPECT_THAT(sample(std::string(257, 'x')).error().message, HasSubstr("has 257 octets"));
}

class SignatureDirectory : public testing::Test {
 protected:
  SignatureDirectory() { fs::create_directories(directory_); }
  ~SignatureDirectory() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }

  fs::path directory_ = fs::path(testing::TempDir()) /
                        ("doorslam-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

Result<std::vector<Signature>> load_signatures(std::span<const fs::path> files_or_directories) {
  auto texts = read_signature_texts(files_or_directories);
  if (!texts) return tl::unexpected(std::move(texts.error()));
  return parse_signatures(*texts);
}

TEST_F(SignatureDirectory, IsReadInOrderOfNames) {
  write("b.yaml", "signatures:\n" + yaml_of("a", "second", "served: 1", "exact"));
  write("a.yaml", "signatures:\n" + yaml_of("a", "first", "served: 1", "exact"));
  write("notes.txt", "not a signature file");
  const fs::path paths[] = {directory_};
  const auto loaded = load_signatures(paths);
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 1u);
  EXPECT_EQ(loaded->front().expression, "second");
}

TEST_F(SignatureDirectory, WithoutFilesIsAnError) {
  const fs::path paths[] = {directory_};
  EXPECT_THAT(load_signatures(paths).error().message, HasSubstr("holds no *.yaml file"));
}

TEST_F(SignatureDirectory, MissingFileIsAnError) {
  const fs::path paths[] = {directory_ / "gone.yaml"};
  const auto loaded = load_signatures(paths);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::usage);
  EXPECT_THAT(loaded.error().message, HasSubstr("gone.yaml: cannot read the signatures"));
}

}  // namespace
}  // namespace doorslam::diagnose
