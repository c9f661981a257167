#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "flowtable/ip_address.h"

namespace doorslam::alert {

/// Community ID v1 of TCP connections (https://github.com/corelight/community-id-spec): the same text for both
/// directions, by which other tools' records of one connection are found. Not thread-safe: one per thread.
class CommunityId {
 public:
  explicit CommunityId(std::uint16_t seed = 0);
  ~CommunityId();
  CommunityId(CommunityId&&) noexcept;
  CommunityId& operator=(CommunityId&&) noexcept;

  /// "1:" and the base64 SHA-1; borrowed until the next call. Empty where OpenSSL's policy forbids SHA-1, or the two
  /// addresses are not of one IP version.
  std::string_view of(const flowtable::Endpoint& a, const flowtable::Endpoint& b);

 private:
  struct Digest;
  std::unique_ptr<Digest> digest_;  ///< null before the first: OpenSSL takes longer to start than a short capture
  std::uint16_t seed_;
  std::array<char, 32> text_{};
};

}  // namespace doorslam::alert
