#include "pipeline/alert/json_line.h"

#include <array>
#include <charconv>
#include <cmath>

#include "pipeline/base/text.h"
#include "pipeline/base/utf8.h"

namespace doorslam::alert {

namespace {

/// What RFC 8259, section 7, wants escaped; DEL as well, which terminals swallow.
constexpr std::array<bool, 256> kEscaped = [] {
  std::array<bool, 256> escaped{};
  for (std::size_t c = 0; c < 0x20; ++c) escaped[c] = true;
  escaped['"'] = escaped['\\'] = escaped[0x7f] = true;
  return escaped;
}();

void append_escape(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto value = static_cast<std::uint8_t>(c);
  out += "\\u00";
  out += kHex[value >> 4];
  out += kHex[value & 15];
}

}  // namespace

void JsonLine::begin() {
  buffer_.clear();
  put('{');
}

std::string_view JsonLine::end() {
  buffer_.append("}\n");
  return buffer_;
}

void JsonLine::ratio(std::string_view key, double value) {
  const auto digits = value > 0.0 ? std::lround(std::fmin(value, 1.0) * 10'000.0) : 0;
  if (digits == 0 || digits == 10'000) return number(key, digits == 0 ? 0 : 1);
  put_key(key);
  // Fixed digits: short, quick, and the same on every machine.
  std::array<char, 6> text = {'0', '.'};
  long rest = digits;
  for (std::size_t i = 5; i > 1; --i, rest /= 10) text[i] = static_cast<char>('0' + rest % 10);
  std::size_t length = text.size();
  while (text[length - 1] == '0') --length;
  buffer_.append(text.data(), length);
  comma_ = true;
}

void JsonLine::put_key(std::string_view key) {
  separate();
  buffer_.push_back('"');
  buffer_.append(key);
  buffer_.append("\":", 2);
}

void JsonLine::put_word(std::string_view value) {
  buffer_.push_back('"');
  buffer_.append(value);
  buffer_.push_back('"');
  comma_ = true;
}

void JsonLine::put_text(std::string_view value) {
  buffer_.push_back('"');
  if (is_utf8(value)) {
    put_escaped(value);
  } else {
    put_escaped(to_utf8(value));
  }
  buffer_.push_back('"');
  comma_ = true;
}

void JsonLine::put_escaped(std::string_view valid) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    if (!kEscaped[static_cast<std::uint8_t>(valid[i])]) continue;
    buffer_.append(valid.substr(run, i - run));
    append_escape(buffer_, valid[i]);
    run = i + 1;
  }
  buffer_.append(valid.substr(run));
}

void JsonLine::put_number(std::uint64_t value) {
  std::array<char, 20> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  buffer_.append(text.data(), static_cast<std::size_t>(end - text.data()));
  comma_ = true;
}

void JsonLine::put_number(std::int64_t value) {
  std::array<char, 20> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  buffer_.append(text.data(), static_cast<std::size_t>(end - text.data()));
  comma_ = true;
}

}  // namespace doorslam::alert
