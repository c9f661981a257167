#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"

/// Addresses, lengths of time, figures and octets as text for a person.
namespace doorslam {

/// Dotted quad, or RFC 5952.
std::string text_of(const flowtable::IpAddress& address);
/// "192.0.2.1:80" or "[2001:db8::1]:80".
std::string text_of(const flowtable::Endpoint& endpoint);

/// An address as text in place.
class AddressText {
 public:
  explicit AddressText(const flowtable::IpAddress& address) noexcept;
  std::string_view view() const noexcept { return {text_.data(), length_}; }

 private:
  std::array<char, 46> text_;
  std::size_t length_ = 0;
};

/// A length of time within a sentence, two figures or so: "250 µs", "1.4 ms", "12 ms", "3.5 s", "4 min"; no sign.
std::string in_words(flowtable::DurationNs duration_ns);
/// A length of time that stands alone, to be compared with others: "850 µs", "12.4 ms", "3.2 s", "4 min 10 s",
/// "2 h 05 min".
std::string person_duration(flowtable::DurationNs duration_ns);

/// "1,234,567".
std::string grouped(std::uint64_t number);
/// "1 connection", "2 connections"; the number grouped. The plural has an s unless it is given.
std::string counted(std::uint64_t number, std::string_view singular, std::string_view plural = {});

/// Levenshtein's distance: letters to insert, delete or replace. Takes time by the product of the lengths.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Appends the octet as \xNN.
void append_hex(std::string& out, char octet);
/// Octets for a person: printable ASCII as it is, CR, LF and TAB as \r \n \t, a backslash twice, the rest as \xNN. At
/// most `most` characters, never cut within an octet's.
std::string escaped(std::string_view octets, std::size_t most = std::string::npos);

}  // namespace doorslam
