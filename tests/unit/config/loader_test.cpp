#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/loader.h"

namespace doorslam::config {
namespace {

std::string refusal(std::string_view yaml) {
  Settings settings;
  const auto applied = apply_yaml(settings, yaml, "doorslam.yaml");
  if (applied) return "accepted";
  EXPECT_EQ(applied.error().kind, ErrorKind::usage);
  EXPECT_EQ(applied.error().message.find('\n'), std::string::npos) << applied.error().message;
  return applied.error().message;
}

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "doorslam-config-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LoaderTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(std::string_view text) const {
    const std::filesystem::path path = folder_ / "doorslam.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  std::filesystem::path folder_;
};

TEST(Yaml, SetsWhatItNamesAndLeavesTheRest) {
  Settings settings;
  ASSERT_TRUE(apply_yaml(settings,
                         "workers: 4\n"
                         "decode:\n"
                         "  verify_checksums: no\n"
                         "  vxlan_ports: [4790, 4791]\n"
                         "  geneve_ports: 6082\n"
                         "alerts:\n"
                         "analysis.settle_seconds: 2m\n",
                         "doorslam.yaml"));
  EXPECT_EQ(settings.number("workers"), 4);
  EXPECT_FALSE(settings.flag("decode.verify_checksums"));
  EXPECT_EQ(settings.numbers("decode.vxlan_ports"), (std::vector<std::int64_t>{4790, 4791}));
  EXPECT_EQ(settings.numbers("decode.geneve_ports"), (std::vector<std::int64_t>{6082}));
  EXPECT_EQ(settings.number("analysis.settle_seconds"), 120'000'000'000);
  EXPECT_EQ(settings.number("alerts.quiet_seconds"), Settings().number("alerts.quiet_seconds"));
}

TEST(Yaml, AnEmptyFileIsTheDefaults) {
  for (const std::string_view text : {"", "# nothing\n", "---\n", "{}\n"}) {
    Settings settings;
    EXPECT_TRUE(apply_yaml(settings, text, "doorslam.yaml")) << text;
    EXPECT_EQ(settings, Settings());
  }
}

TEST(Yaml, AMistakeIsToldWithItsPlaceAndTheWayOut) {
  EXPECT_EQ(refusal("workers: 99\n"), "doorslam.yaml:1:10: workers: \"99\" is out of range; allowed: 1 to 64");
  EXPECT_EQ(refusal("workers: 1\ndecode:\n  verify: on\n").substr(0, 45),
            "doorslam.yaml:3:3: unknown key decode.verify;");
  EXPECT_EQ(refusal("alert:\n  x: 1\n"), "doorslam.yaml:1:1: unknown key alert; did you mean alerts?");
  EXPECT_EQ(refusal("decode: 5\n"), "doorslam.yaml:1:9: decode is a section; put keys below it");
  EXPECT_EQ(refusal("decode: [5]\n"), "doorslam.yaml:1:9: decode is a section; put keys below it");
  EXPECT_EQ(refusal("workers:\n"), "doorslam.yaml:1:1: workers: there is no value; allowed: 1 to 64");
  EXPECT_EQ(refusal("workers: {a: 1}\n"),
            "doorslam.yaml:1:10: workers: keys stand where a value is wanted; allowed: 1 to 64");
  EXPECT_EQ(refusal("workers: [1]\n"),
            "doorslam.yaml:1:10: workers: a list stands where one value is wanted; allowed: 1 to 64");
  EXPECT_EQ(refusal("decode:\n  vxlan_ports: [1, [2]]\n"),
            "doorslam.yaml:2:16: decode.vxlan_ports: an entry is no plain value; allowed: a list of numbers from 1 to "
            "65535");
  EXPECT_EQ(refusal("workers: 1\nworkers: 2\n"), "doorslam.yaml:2:1: workers is there twice; remove one");
  EXPECT_EQ(refusal("alerts: {}\nalerts: {}\n"), "doorslam.yaml:2:1: alerts is there twice; remove one");
  EXPECT_EQ(refusal("- workers\n"), "doorslam.yaml:1:1: the file must be a map of keys, as in \"workers: 4\"");
  EXPECT_EQ(refusal("? [1]\n: 2\n"), "doorslam.yaml:1:3: a key must be a plain word");
  EXPECT_EQ(refusal("workers: 1\n---\nworkers: 2\n"),
            "doorslam.yaml:2:1: a second document begins; join them and remove the line \"---\"");
}

TEST(Yaml, OneDocumentMayBeMarked) {
  for (const std::string_view text :
       {"# c\n---\nworkers: 2\n", "workers: 2\n...\n# end\n", "%YAML 1.2\n--- # c\nworkers: 2"}) {
    Settings settings;
    EXPECT_TRUE(apply_yaml(settings, text, "doorslam.yaml")) << text;
    EXPECT_EQ(settings.number("workers"), 2) << text;
  }
  for (const std::string_view text :
       {"---\nworkers: 2\n---\n", "workers: 2\n...\nworkers: 3\n", "workers: 2\n--- {}\n"}) {
    EXPECT_NE(refusal(text).find("a second document begins"), std::string::npos) << text;
  }
}

TEST(Yaml, AHostileKeyKeepsToOneLine) {
  EXPECT_EQ(refusal("\"a\\nb\": 1\n"), "doorslam.yaml:1:1: unknown key a?b; doorslam print-config lists all keys");
}

TEST(Yaml, AMalformedTagDoesNotHang) { EXPECT_NE(refusal("!a,\nworkers: 1\n"), ""); }

TEST(Yaml, WhatIsNoYamlIsToldSo) {
  for (const std::string_view text : {"a: b: c\n", "workers: [1\n", "\tworkers: 1\n", "workers: *x\n"}) {
    EXPECT_NE(refusal(text).find(": no valid YAML: "), std::string::npos) << text << refusal(text);
  }
  EXPECT_NE(refusal(std::string(100'000, '[')), "accepted");
  EXPECT_NE(refusal("alerts: &a\n  alerts: *a\n"), "accepted");
}

TEST_F(LoaderTest, TheCommandLineHasTheLastWord) {
  const auto path = write("workers: 4\nanalysis: {settle_seconds: 20}\n");
  const std::vector<std::string> overrides = {"workers=5", "workers=6"};
  const auto settings = load_settings(path, overrides);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->number("workers"), 6);
  EXPECT_EQ(settings->number("analysis.settle_seconds"), 20'000'000'000);
  EXPECT_EQ(*load_settings(std::nullopt, {}), Settings());
}

TEST_F(LoaderTest, RelativePathsStartAtTheFilesFolder) {
  const auto path = write("signatures:\n  paths: [site.yaml, /etc/more]\n");
  const auto settings = load_settings(path, {});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->paths("signatures.paths"),
            (std::vector<std::string>{(folder_ / "site.yaml").string(), "/etc/more"}));
  const std::vector<std::string> overrides = {"signatures.paths=here.yaml"};
  EXPECT_EQ(load_settings(path, overrides)->paths("signatures.paths"), std::vector<std::string>{"here.yaml"});
}

TEST_F(LoaderTest, AFileThatCannotBeReadIsAUsageError) {
  const auto missing = load_settings(folder_ / "nix.yaml", {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::usage);
  EXPECT_NE(missing.error().message.find("nix.yaml: No such file or directory; check the path"), std::string::npos);
  EXPECT_NE(load_settings(folder_, {}).error().message.find("is a directory"), std::string::npos);
  EXPECT_NE(load_settings(write(std::string((1 << 20) + 1, '#')), {}).error().message.find("larger than 1 MiB"),
            std::string::npos);
}

TEST_F(LoaderTest, AnInspectionTellsAllMistakesAndKeepsWhatIsRight) {
  const auto path = write(
      "workers: 99\n"
      "decode:\n"
      "  verify_cheksums: no\n"
      "  vxlan_ports: [1, [2]]\n"
      "alerts.quiet_seconds: 60\n"
      "alerts: 5\n");
  const std::vector<std::string> overrides = {"flows.capcity=1", "analysis.settle_seconds=600",
                                              "analysis.window_seconds=60"};
  const InspectedSettings inspected = inspect_settings(path, overrides);
  std::string told;
  for (const Error& mistake : inspected.mistakes) {
    EXPECT_EQ(mistake.kind, ErrorKind::usage);
    told += mistake.message.substr(mistake.message.find("yaml:") + 1, 40) + "\n";
  }
  EXPECT_EQ(told,
            "aml:1:10: workers: \"99\" is out of range;\n"
            "aml:3:3: unknown key decode.verify_cheks\n"
            "aml:4:16: decode.vxlan_ports: an entry i\n"
            "aml:6:9: alerts is a section; put keys b\n"
            "--set flows.capcity=1: unknown key flows\n"
            "analysis.settle_seconds is more than ana\n");
  EXPECT_EQ(inspected.settings.number("alerts.quiet_seconds"), 60'000'000'000);
  EXPECT_EQ(inspected.settings.number("workers"), Settings().number("workers"));
  EXPECT_EQ(load_settings(path, overrides).error().message, inspected.mistakes.front().message);
  const InspectedSettings missing = inspect_settings(folder_ / "nix.yaml", {});
  ASSERT_EQ(missing.mistakes.size(), 1U);
  EXPECT_NE(missing.mistakes.front().message.find("nix.yaml"), std::string::npos);
  EXPECT_TRUE(inspect_settings(std::nullopt, {}).mistakes.empty());
}

TEST_F(LoaderTest, KeysAtOddsAreRefused) {
  const auto refused = [](const std::vector<std::string>& overrides) {
    const auto settings = load_settings(std::nullopt, overrides);
    return settings ? "accepted" : settings.error().message;
  };
  EXPECT_EQ(refused({"decode.teredo_ports=4789"}),
            "decode.vxlan_ports and decode.teredo_ports both name port 4789; leave it in one");
  std::string many = "decode.vxlan_ports=10000";
  for (int port = 10'001; port < 10'033; ++port) many.append(",").append(std::to_string(port));
  EXPECT_NE(refused({many}).find("at most 32 are allowed"), std::string::npos);
  EXPECT_NE(refused({"analysis.settle_seconds=60", "analysis.window_seconds=30"}).find("lower it"), std::string::npos);
  EXPECT_NE(refused({"run.frame_octets=65345"}).find("65344"), std::string::npos) << "what fits into one buffer";
  EXPECT_EQ(refused({"analysis.settle_seconds=2"}),
            "analysis.settle_seconds is less than flows.timeout.closing_seconds, which lies within it; raise it, or "
            "lower the timeout");
  EXPECT_EQ(refused({"analysis.settle_seconds=2", "flows.timeout.closing_seconds=2"}), "accepted");
  EXPECT_EQ(refused({"alerts.expected=client 10.0.0.0/8,prot 22"}),
            "alerts.expected: \"prot 22\": \"prot\" is not known; allowed are client, server, port and cause");
}

}  // namespace
}  // namespace doorslam::config
