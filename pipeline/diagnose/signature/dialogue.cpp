#include "pipeline/diagnose/signature/dialogue.h"

#include <algorithm>
#include <array>
#include <optional>

#include "pipeline/diagnose/signature/signature.h"

namespace doorslam::diagnose {

namespace {

std::string_view text_of(packet::ByteView octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool are_alike(char a, char b) { return lower(a) == lower(b); }

bool begins(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), are_alike);
}

bool has(std::string_view text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(), are_alike) != text.end();
}

bool is_one_of(std::string_view protocol, std::initializer_list<std::string_view> protocols) {
  return std::ranges::find(protocols, protocol) != protocols.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "250 OK", or "250-" as a line of several; nothing where it is no reply.
std::optional<std::string_view> code_of(std::string_view line) {
  if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, is_digit)) return std::nullopt;
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-' && line[3] != '\r') return std::nullopt;
  return line.substr(0, 3);
}

/// A reply of IMAP, tagged or not (RFC 9051, section 7).
bool is_imap_reply(std::string_view line) {
  if (line.starts_with("* ") || line.starts_with('+')) return true;
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return false;
  const std::string_view word = line.substr(blank + 1);
  return word.starts_with("OK ") || word.starts_with("NO ") || word.starts_with("BAD ");
}

/// Where lines of replies may stand one after another; in front of a line that is none, the same words are content.
class ReplyLines {
 public:
  explicit ReplyLines(std::string_view protocol)
      : coded_(is_one_of(protocol, {"ftp", "smtp", "nntp"})), protocol_(protocol) {}

  bool take(std::string_view line) {
    if (coded_) return take_coded(line);
    if (protocol_ == "pop3") return line.starts_with('+') || line.starts_with('-');
    if (protocol_ == "imap") return is_imap_reply(line);
    // "$44" announces octets of any kind.
    if (protocol_ == "redis") return line.starts_with('+') || line.starts_with('-') || line.starts_with(':');
    return true;
  }

 private:
  /// Between "220-" and "220 " FTP allows lines of any kind (RFC 959, section 4.2).
  bool take_coded(std::string_view line) {
    const auto code = code_of(line);
    if (!open_.empty()) {
      if (code == open_ && (line.size() == 3 || line[3] != '-')) open_ = {};
      return true;
    }
    if (!code) return false;
    if (line.size() > 3 && line[3] == '-') open_ = *code;
    return true;
  }

  bool coded_;
  std::string_view protocol_;
  std::string_view open_;
};

}  // namespace

bool takes_leave(const tcp::SideEvidence& client) noexcept {
  std::string_view words = text_of(client.latest_words());
  if (words.empty()) words = text_of(client.head.view());
  if (begins(words, "QUIT") || begins(words, "*1\r\n$4\r\nQUIT")) return true;
  const std::size_t blank = words.find(' ');
  return blank != std::string_view::npos && begins(words.substr(blank + 1), "LOGOUT");
}

bool sends_credentials(const tcp::SideEvidence& client) noexcept {
  const auto named_in = [](std::string_view words) {
    return has(words, "\nAuthorization:") || has(words, "\nProxy-Authorization:") || has(words, "\nX-Api-Key:") ||
           has(words, "\nPrivate-Token:");
  };
  return named_in(text_of(client.head.view())) || named_in(text_of(client.latest_words()));
}

bool may_be_content(std::string_view protocol) noexcept {
  return is_one_of(protocol, {"ftp", "imap", "nntp", "pop3", "redis", "smtp", Signature::kAnyProtocol});
}

bool begins_mail(const tcp::SideEvidence& client) noexcept {
  // The head keeps one segment after another, with the end of a line between them.
  const auto begun_in = [](std::string_view words) {
    return begins(words, "MAIL FROM:") || has(words, "\nMAIL FROM:");
  };
  return begun_in(text_of(client.head.view())) || begun_in(text_of(client.latest_words()));
}

bool is_content(packet::ByteView beginning, packet::ByteView passage, std::size_t at, std::string_view protocol) {
  if (!may_be_content(protocol)) return false;
  const std::string_view first = text_of(beginning);
  const std::string_view words = text_of(passage);
  const bool of_mailboxes = first.starts_with("+OK") || first.starts_with("-ERR");
  if (first.starts_with("HTTP/") && protocol != "redis") return true;
  if (of_mailboxes && is_one_of(protocol, {"ftp", "nntp", "smtp"})) return true;
  if (of_mailboxes && is_one_of(protocol, {"pop3", "text"}) && !words.starts_with('+') && !words.starts_with('-'))
    return true;
  ReplyLines lines(protocol);
  std::size_t start = 0;
  for (std::size_t end = words.find('\n'); end < at; end = words.find('\n', start)) {
    if (!lines.take(words.substr(start, end - start))) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace doorslam::diagnose
