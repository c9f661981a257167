#include "pipeline/diagnose/opening.h"

#include <algorithm>
#include <array>

#include "pipeline/diagnose/protocol_marks.h"

namespace doorslam::diagnose {

namespace {

/// A NetBIOS session header of four octets, then the mark (MS-SMB section 2.2.3.1, MS-SMB2 section 2.2.1).
bool is_smb(const tcp::PayloadHead& head, std::string_view mark) {
  return head.length >= 8 && head.bytes[0] == 0 &&
         std::equal(mark.begin(), mark.end(), head.bytes.begin() + 4,
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// A word in capitals, a blank, and the version at the end of the line.
bool is_http_request(std::string_view words) {
  const std::size_t blank = words.find(' ');
  if (blank == 0 || blank > 16 || blank == std::string_view::npos) return false;
  if (!std::all_of(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(blank),
                   [](char c) { return c >= 'A' && c <= 'Z'; })) {
    return false;
  }
  constexpr auto kMethods =
      std::to_array<std::string_view>({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"});
  // The target may be longer than what was kept of it.
  return words.find(" HTTP/1.") != std::string_view::npos ||
         std::ranges::find(kMethods, words.substr(0, blank)) != kMethods.end();
}

bool is_text(std::string_view words) {
  const std::string_view line = words.substr(0, words.find_first_of("\r\n"));
  return !line.empty() && std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

Opening opening_of(const tcp::PayloadHead& head) noexcept {
  if (head.length == 0) return Opening::none;
  if (is_client_hello(head)) return Opening::tls;
  if (speaks_ssh(head)) return Opening::ssh;
  constexpr std::string_view kProxy2("\r\n\r\n\0\r\nQUIT\n", 12);
  if (begins_with(head, "PROXY ") || begins_with(head, kProxy2)) return Opening::proxy;
  if (begins_with(head, "PRI * HTTP/2.0")) return Opening::http2;
  if (is_smb(head, "\xffSMB")) return Opening::smb1;
  if (is_smb(head, "\xfeSMB")) return Opening::smb2;
  const std::string_view words(reinterpret_cast<const char*>(head.bytes.data()), head.length);
  if (is_http_request(words)) return Opening::http;
  return is_text(words) ? Opening::text : Opening::other;
}

std::string_view words_of(Opening opening) noexcept {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"", "octets that are no text", "a line of text", "a TLS ClientHello", "an HTTP request", "an HTTP/2 preface",
       "a PROXY header", "an SSH identification", "SMB version 1", "SMB version 2"});
  static_assert(kWords.size() == static_cast<std::size_t>(Opening::smb2) + 1);
  return kWords[static_cast<std::size_t>(opening)];
}

}  // namespace doorslam::diagnose
