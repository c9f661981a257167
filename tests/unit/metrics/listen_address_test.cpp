#include "pipeline/metrics/listen_address.h"

#include <gtest/gtest.h>

namespace doorslam::metrics {
namespace {

TEST(ListenAddress, TakesAddressesOfBothVersions) {
  const auto v4 = parse_listen_address("127.0.0.1:9477", "here");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 9477);
  EXPECT_EQ(v4->text(), "127.0.0.1:9477");
  const auto v6 = parse_listen_address("[::1]:65535", "here");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->text(), "[::1]:65535");
}

TEST(ListenAddress, RefusesAllElseAndSaysWhere) {
  for (const char* wrong :
       {"", ":", "9477", "localhost:9477", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:94x",
        "127.0.0.1:-1", "::1:9477", "[127.0.0.1]:9477", "[::1]", "127.0.0.256:1", "0.0.0.0:80,[::]:80"}) {
    const auto address = parse_listen_address(wrong, "run.metrics_address");
    ASSERT_FALSE(address) << wrong;
    EXPECT_EQ(address.error().kind, ErrorKind::usage);
    EXPECT_TRUE(address.error().message.starts_with("run.metrics_address: ")) << address.error().message;
  }
}

}  // namespace
}  // namespace doorslam::metrics
