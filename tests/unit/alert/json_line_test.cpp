#include "pipeline/alert/json_line.h"

#include <gtest/gtest.h>

#include <cmath>

#include <nlohmann/json.hpp>

namespace doorslam::alert {
namespace {

/// Whatever octets a server sends, a record must stay one line of valid JSON.
TEST(JsonLine, StaysValidForEveryOctet) {
  JsonLine line;
  std::string all;
  for (int octet = 0; octet < 256; ++octet) {
    const std::string text = std::string(20, 'x') + static_cast<char>(octet) + "tail of some length";
    all += static_cast<char>(octet);
    line.begin();
    line.text("banner", text);
    const std::string out(line.end());
    const auto parsed = nlohmann::json::parse(out, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << octet << ": " << out;
    EXPECT_EQ(out.find('\n'), out.size() - 1) << octet;
    if (octet < 0x80) {
      EXPECT_EQ(parsed["banner"].get<std::string>(), text);
    }
  }
  line.begin();
  line.text("banner", all);
  EXPECT_FALSE(nlohmann::json::parse(line.end(), nullptr, false).is_discarded());
}

TEST(JsonLine, WritesRatiosWithFourDigitsAtMost) {
  JsonLine line;
  line.begin();
  for (const double value : {0.0, 1.0, 0.5, 0.87, 0.12345, 0.00004, 0.99996, -1.0, 7.0, std::nan("")})
    line.ratio("r", value);
  EXPECT_EQ(line.end(),
            "{\"r\":0,\"r\":1,\"r\":0.5,\"r\":0.87,\"r\":0.1235,\"r\":0,\"r\":1,\"r\":0,\"r\":1,\"r\":0}\n");
}

}  // namespace
}  // namespace doorslam::alert
