#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace doorslam::alert {

/// Writes one JSON object as one line into a buffer that is used again and again. Not thread-safe.
///
/// Own code rather than RapidJSON's Writer: the SIMD scan of RapidJSON 1.1 lets 0x1A to 0x1F pass unescaped, while a
/// banner may hold any octet; and keys and enumerated values need no scan at all, so that a flow record takes two
/// thirds of the time. Text that is not UTF-8 comes out with \xNN in place of the octets that are wrong.
class JsonLine {
 public:
  JsonLine() { buffer_.reserve(4096); }

  /// Opens the line's object.
  void begin();
  /// Closes it; the line with its '\n' is borrowed until begin().
  std::string_view end();

  void open() { start('{'); }
  void open(std::string_view key) {
    put_key(key);
    put('{');
  }
  void close() { stop('}'); }
  void open_list(std::string_view key) {
    put_key(key);
    put('[');
  }
  void close_list() { stop(']'); }

  /// Keys, here and below, are literals of the program: nothing in them needs escaping.
  void text(std::string_view key, std::string_view value) {
    put_key(key);
    put_text(value);
  }
  /// As text(), of what is known to need no escaping: names of the program, addresses, times.
  void word(std::string_view key, std::string_view value) {
    put_key(key);
    put_word(value);
  }
  template <std::integral Number>
  void number(std::string_view key, Number value) {
    put_key(key);
    put_number(value);
  }
  void flag(std::string_view key, bool value) {
    put_key(key);
    buffer_.append(value ? "true" : "false");
    comma_ = true;
  }
  /// A share or probability, 0 to 1, with four digits; NaN is written as 0.
  void ratio(std::string_view key, double value);
  /// `value` is JSON already.
  void json(std::string_view key, std::string_view value) {
    put_key(key);
    buffer_.append(value);
    comma_ = true;
  }

  /// Items of a list.
  void text_item(std::string_view value) {
    separate();
    put_text(value);
  }
  void word_item(std::string_view value) {
    separate();
    put_word(value);
  }
  void number_item(std::uint64_t value) {
    separate();
    put_number(value);
  }

 private:
  void separate() {
    if (comma_) buffer_.push_back(',');
  }
  void put(char c) {
    buffer_.push_back(c);
    comma_ = false;
  }
  void start(char c) {
    separate();
    put(c);
  }
  void stop(char c) {
    buffer_.push_back(c);
    comma_ = true;
  }
  void put_key(std::string_view key);
  void put_word(std::string_view value);
  void put_text(std::string_view value);
  void put_escaped(std::string_view valid);
  void put_number(std::uint64_t value);
  void put_number(std::int64_t value);
  template <std::unsigned_integral Number>
  void put_number(Number value) {
    put_number(std::uint64_t{value});
  }
  template <std::signed_integral Number>
  void put_number(Number value) {
    put_number(std::int64_t{value});
  }

  std::string buffer_;
  bool comma_ = false;  ///< a value stands before: the next one needs a comma
};

}  // namespace doorslam::alert
