#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "config/loader.h"
#include "config/settings.h"

namespace doorslam::config {
namespace {

std::string parent_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return std::string(dot == std::string_view::npos ? std::string_view() : name.substr(0, dot));
}

TEST(Schema, EveryKeyIsWellFormed) {
  std::set<std::string_view> names;
  for (const Key& key : keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name << " is there twice";
    EXPECT_TRUE(parse_value(key, key.fallback)) << key.name << ": its default is refused";
    EXPECT_TRUE(key.help.ends_with('.')) << key.name;
    EXPECT_LE(key.least, key.most) << key.name;
    EXPECT_FALSE(is_section(key.name)) << key.name;
    for (std::string section = parent_of(key.name); !section.empty(); section = parent_of(section)) {
      EXPECT_TRUE(is_section(section)) << section << " has no row of its own";
    }
    // A bare number of a duration counts seconds: its name must say so.
    EXPECT_EQ(key.kind == ValueKind::duration, key.name.ends_with("_seconds")) << key.name;
  }
}

TEST(Schema, KeysOfASectionStandTogether) {
  std::set<std::string> left;
  std::string before;
  for (const Key& key : keys()) {
    const std::string section = parent_of(key.name);
    EXPECT_FALSE(left.contains(section)) << key.name;
    if (section != before && !section.starts_with(before + ".")) left.insert(before);
    before = section;
  }
}

TEST(Schema, EverySectionHasKeys) {
  for (const Section& section : sections()) {
    bool used = false;
    for (const Key& key : keys()) used = used || key.name.starts_with(std::string(section.name) + ".");
    EXPECT_TRUE(used) << section.name;
  }
}

TEST(Schema, AnUnknownKeyIsToldTheNearestOne) {
  EXPECT_EQ(unknown_key_message("analysis.setle_seconds"),
            "unknown key analysis.setle_seconds; did you mean analysis.settle_seconds?");
  EXPECT_EQ(unknown_key_message("settle_seconds"), "unknown key settle_seconds; did you mean analysis.settle_seconds?");
  EXPECT_EQ(unknown_key_message("alert.quiet_seconds"),
            "unknown key alert.quiet_seconds; did you mean alerts.quiet_seconds?");
  EXPECT_EQ(unknown_key_message("analysis.settle"),
            "unknown key analysis.settle; did you mean analysis.settle_seconds?");
  EXPECT_EQ(unknown_key_message("foo.bar"), "unknown key foo.bar; doorslam print-config lists all keys");
  EXPECT_EQ(unknown_key_message("aerts"), "unknown key aerts; did you mean alerts?");
  EXPECT_EQ(unknown_key_message("xyzzy"), "unknown key xyzzy; doorslam print-config lists all keys");
  EXPECT_EQ(unknown_key_message("x"), "unknown key x; doorslam print-config lists all keys") << "nothing is near it";
  EXPECT_LT(unknown_key_message(std::string(1 << 20, 'a')).size(), 200U);
}

TEST(Settings, OverridesChangeOneKey) {
  Settings settings;
  ASSERT_TRUE(settings.override_with("analysis.settle_seconds=500ms"));
  ASSERT_TRUE(settings.override_with("decode.vxlan_ports=1,2"));
  ASSERT_TRUE(settings.override_with("output.observer_name=a=b"));
  EXPECT_EQ(settings.number("analysis.settle_seconds"), 500'000'000);
  EXPECT_EQ(settings.numbers("decode.vxlan_ports"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(settings.text("output.observer_name"), "a=b");
  EXPECT_EQ(settings.number("workers"), Settings().number("workers"));
}

TEST(Settings, ARefusedOverrideSaysWhichAndChangesNothing) {
  const auto refusal = [](std::string_view assignment) {
    Settings settings;
    const auto result = settings.override_with(assignment);
    EXPECT_FALSE(result);
    EXPECT_EQ(settings, Settings());
    return result ? "" : result.error().message;
  };
  EXPECT_EQ(refusal("workers=65"), "--set workers: \"65\" is out of range; allowed: 1 to 64");
  EXPECT_EQ(refusal("worker=1"), "--set worker=1: unknown key worker; did you mean workers?");
  EXPECT_EQ(refusal("alerts=1"), "--set alerts=1: alerts is a section; name a key in it");
  EXPECT_NE(refusal("workers").find("wants key=value"), std::string::npos);
  EXPECT_NE(refusal("=1").find("wants key=value"), std::string::npos);
}

TEST(Settings, AMistakeInTheProgramIsLoud) {
  const Settings settings;
  EXPECT_THROW(settings.number("flows.no_such_key"), std::logic_error);
  EXPECT_ANY_THROW(settings.flag("workers"));
}

TEST(PrintedConfig, TheFileInTheRepositoryIsThatOfTheDefaults) {
  std::ifstream file(DEFAULT_CONFIG, std::ios::binary);
  ASSERT_TRUE(file) << DEFAULT_CONFIG;
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), print_config(Settings())) << "write config/doorslam.yaml anew from print_config()";
}

TEST(PrintedConfig, ReadsBackToTheSameSettings) {
  Settings settings;
  for (const std::string_view assignment :
       {"workers=3", "decode.verify_checksums=false", "decode.vxlan_ports=", "decode.reassembly_bytes=1025KiB",
        "analysis.settle_seconds=1500ms", "signatures.paths=/a b,/c\"d\\",
        "output.observer_name= # no: comment\t\"\\ "}) {
    ASSERT_TRUE(settings.override_with(assignment)) << assignment;
  }
  Settings read;
  const auto applied = apply_yaml(read, print_config(settings), "printed.yaml");
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(read, settings) << print_config(read);
}

}  // namespace
}  // namespace doorslam::config
