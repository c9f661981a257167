#include "pipeline/alert/sink/socket.h"

#include <gtest/gtest.h>

namespace doorslam::sink {
namespace {

TEST(HostPort, IsReadWithAndWithoutAPort) {
  EXPECT_EQ(parse_host_port("siem.example:6514")->text(), "siem.example:6514");
  EXPECT_EQ(parse_host_port("siem.example", "514")->text(), "siem.example:514");
  EXPECT_EQ(parse_host_port("192.0.2.1:1")->host, "192.0.2.1");
  EXPECT_EQ(parse_host_port("[2001:db8::1]:65535")->text(), "[2001:db8::1]:65535");
  EXPECT_EQ(parse_host_port("[2001:db8::1]", "601")->host, "2001:db8::1");
}

TEST(HostPort, RefusesWhatNamesNoPlace) {
  for (const char* wrong : {"", ":514", "host", "host:", "host:0", "host:65536", "host:5x", "host:-1", "2001:db8::1",
                            "[2001:db8::1", "[2001:db8::1]514", "[]:514", "host:123456"}) {
    const auto read = parse_host_port(wrong);
    ASSERT_FALSE(read.has_value()) << wrong;
    EXPECT_NE(read.error().message.find("host:port"), std::string::npos);
  }
}

}  // namespace
}  // namespace doorslam::sink
