#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "pipeline/tcp/connection.h"

/// Zeek's history string (https://docs.zeek.org, base/protocols/conn/main.zeek), five bits a letter.
///
/// Upper case is the originator, lower case the responder. S, H, F, R come again only with another sequence number;
/// A, D, I, Q once a side; C, T, W, G at the 1st, 10th, 100th … occurrence. '^' says that the tracker turned the
/// connection round.
namespace doorslam::tcp {

enum class HistoryLetter : std::uint8_t {
  syn,           // S
  syn_ack,       // H
  ack,           // A: without payload
  data,          // D
  fin,           // F
  rst,           // R
  gap,           // G: acknowledged, never seen
  bad_checksum,  // C
  late,          // T: payload that does not go beyond what was seen
  zero_window,   // W
  inconsistent,  // I: FIN+RST
  multi_flag,    // Q: SYN+FIN or SYN+RST
  turned,        // ^
};

inline constexpr std::string_view kHistoryLetters = "SHADFRGCTWIQ^";

/// 24 letters in 16 octets. What does not fit is lost; append() says so.
class PackedHistory {
 public:
  static constexpr std::size_t kCapacity = 24;

  /// False when there was no room.
  bool append(HistoryLetter letter, Side side) noexcept {
    std::uint64_t& word = words_[is_full(words_[0]) ? 1 : 0];
    if (is_full(word)) return false;
    word = word << kBits | code_of(letter, side);
    return true;
  }

  bool contains(HistoryLetter letter, Side side) const noexcept {
    for (const std::uint64_t word : words_) {
      for (std::uint64_t left = word; left != 0; left >>= kBits) {
        if ((left & kMask) == code_of(letter, side)) return true;
      }
    }
    return false;
  }

  /// That letter, and no other.
  bool is(HistoryLetter letter, Side side) const noexcept { return words_[0] == code_of(letter, side); }

  std::size_t size() const noexcept { return in_word(words_[0]) + in_word(words_[1]); }
  bool is_full() const noexcept { return is_full(words_[1]); }

  /// Writes the letters to where they are to stand; `text` is as it was made.
  void unpack(History& text) const noexcept {
    std::uint8_t length = 0;
    for (const std::uint64_t word : words_) {
      if (word == 0) break;
      for (std::size_t left = in_word(word); left != 0; --left) {
        text.letters[length++] = kByCode[word >> (left - 1) * kBits & kMask];
      }
    }
    text.length = length;
  }
  History unpack() const noexcept {
    History text;
    unpack(text);
    return text;
  }

 private:
  static constexpr std::size_t kBits = 5;
  static constexpr std::size_t kPerWord = 12;
  static constexpr std::uint64_t kMask = (1U << kBits) - 1;

  /// The letter of each code; in lower case, where there is one, for the responder.
  static constexpr std::array<char, 32> kByCode = [] {
    std::array<char, 32> letters{};
    for (std::size_t i = 0; i < kHistoryLetters.size(); ++i) {
      const char letter = kHistoryLetters[i];
      letters[2 * i + 1] = letter;
      letters[2 * i + 2] = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
    }
    return letters;
  }();

  /// Never 0: a word has as many letters as its highest bit tells.
  static constexpr std::uint64_t code_of(HistoryLetter letter, Side side) noexcept {
    return (static_cast<std::uint64_t>(letter) << 1U | index_of(side)) + 1;
  }
  static constexpr std::size_t in_word(std::uint64_t word) noexcept {
    return (static_cast<std::size_t>(std::bit_width(word)) + kBits - 1) / kBits;
  }
  static constexpr bool is_full(std::uint64_t word) noexcept { return word >> (kPerWord - 1) * kBits != 0; }

  std::array<std::uint64_t, 2> words_{};  ///< of each the latest letter lowest
};

/// The letters that count occurrences are written at the 1st, 10th, 100th, 1,000th and 10,000th.
constexpr bool is_history_milestone(std::uint32_t occurrence) noexcept {
  return occurrence == 1 || occurrence == 10 || occurrence == 100 || occurrence == 1000 || occurrence == 10000;
}

}  // namespace doorslam::tcp
