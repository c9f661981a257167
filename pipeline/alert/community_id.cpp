#include "pipeline/alert/community_id.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace doorslam::alert {

namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::size_t kSha1Octets = 20;
/// Seed, two addresses, protocol, padding, two ports.
constexpr std::size_t kLongestInput = 2 + 32 + 2 + 4;
/// 20 octets make 28 characters of base64; EVP_EncodeBlock adds a NUL.
constexpr std::size_t kBase64Length = 28;

std::uint8_t* put_short(std::uint8_t* at, std::uint16_t value) {
  *at++ = static_cast<std::uint8_t>(value >> 8);
  *at++ = static_cast<std::uint8_t>(value & 0xff);
  return at;
}

std::uint8_t* put_address(std::uint8_t* at, const flowtable::IpAddress& address) {
  const std::size_t length = address.version == flowtable::IpVersion::v4 ? 4 : 16;
  return std::copy_n(address.octets.begin(), length, at);
}

}  // namespace

/// The fetched algorithm and a context used again and again: fetching costs more than hashing.
struct CommunityId::Digest {
  EVP_MD* sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool usable = sha1 != nullptr && context != nullptr && EVP_DigestInit_ex2(context, sha1, nullptr) == 1;

  Digest() = default;
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  ~Digest() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha1);
  }

  bool hash(std::span<const std::uint8_t> input, std::uint8_t* out) {
    return usable && EVP_DigestInit_ex2(context, nullptr, nullptr) == 1 &&
           EVP_DigestUpdate(context, input.data(), input.size()) == 1 && EVP_DigestFinal_ex(context, out, nullptr) == 1;
  }
};

CommunityId::CommunityId(std::uint16_t seed) : seed_(seed) {}
CommunityId::~CommunityId() = default;
CommunityId::CommunityId(CommunityId&&) noexcept = default;
CommunityId& CommunityId::operator=(CommunityId&&) noexcept = default;

std::string_view CommunityId::of(const flowtable::Endpoint& a, const flowtable::Endpoint& b) {
  if (a.address.version != b.address.version) return {};
  const bool in_order = std::pair(a.address.octets, a.port) <= std::pair(b.address.octets, b.port);
  const auto& low = in_order ? a : b;
  const auto& high = in_order ? b : a;

  std::array<std::uint8_t, kLongestInput> input;
  std::uint8_t* at = put_short(input.data(), seed_);
  at = put_address(at, low.address);
  at = put_address(at, high.address);
  *at++ = kTcp;
  *at++ = 0;
  at = put_short(at, low.port);
  at = put_short(at, high.port);

  if (digest_ == nullptr) digest_ = std::make_unique<Digest>();
  std::array<std::uint8_t, kSha1Octets> digest;
  if (!digest_->hash({input.data(), static_cast<std::size_t>(at - input.data())}, digest.data())) return {};
  std::array<std::uint8_t, kBase64Length + 1> encoded;
  EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  text_[0] = '1';
  text_[1] = ':';
  std::memcpy(text_.data() + 2, encoded.data(), kBase64Length);
  return {text_.data(), 2 + kBase64Length};
}

}  // namespace doorslam::alert
