// Looking for signatures in what a server said first, beside looking for each signature's first octets in turn.
//
// Of a payload, at most as many octets are scanned as are kept of it (PayloadHead::kCapacity), however long it is.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/diagnose/signature/signature_file.h"

namespace doorslam::bench {
namespace {

constexpr std::uint16_t kFtp = 21;
constexpr std::string_view kRefusal = "421 There are too many connected users, please try later.\r\n";
/// Begins like what is looked for, but is none of it: an ordinary answer on the same port.
constexpr std::string_view kGreeting = "220 files.example.org FTP server ready, be welcome and behave.\r\n";
/// No signature begins so.
constexpr std::string_view kBinary = "\x04\x05\x06\x04\x05\x06\x04\x05\x06\x04\x05\x06";

diagnose::SignatureDatabase database() {
  const std::filesystem::path paths[] = {diagnose::default_signature_directory()};
  auto loaded = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
  if (!loaded) {
    std::cerr << loaded.error().message << '\n';
    std::exit(1);
  }
  return *loaded;
}

/// `words` first, then as many octets as make up the length.
std::string said(std::string_view words, std::size_t length) {
  std::string text(words.substr(0, length));
  text.resize(length, 'x');
  return text;
}

tcp::PayloadHead head_of(std::string_view text) {
  tcp::PayloadHead head;
  head.length = static_cast<std::uint16_t>(std::min(text.size(), tcp::PayloadHead::kCapacity));
  head.segments = 1;
  std::copy_n(text.begin(), head.length, head.bytes.begin());
  return head;
}

void scan(benchmark::State& state, std::string_view words) {
  const diagnose::SignatureDatabase signatures = database();
  auto scanner = diagnose::SignatureScanner::create(signatures);
  if (!scanner) return state.SkipWithError("no scratch");
  const tcp::PayloadHead head = head_of(said(words, static_cast<std::size_t>(state.range(0))));
  std::size_t hits = 0;
  for (auto _ : state) {
    hits += scanner->scan(head, {}, tcp::Side::responder, kFtp).size();
    benchmark::DoNotOptimize(hits);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["hits"] = static_cast<double>(hits) / static_cast<double>(state.iterations());
}

/// What a program without Hyperscan would do at the least: compare the beginning with that of every signature.
void compare_beginnings(benchmark::State& state, std::string_view words) {
  const diagnose::SignatureDatabase signatures = database();
  std::vector<std::string> beginnings;
  for (const diagnose::Signature& signature : signatures.signatures()) {
    beginnings.emplace_back(std::string_view(signature.sample).substr(0, 16));
  }
  const std::string text = said(words, static_cast<std::size_t>(state.range(0)));
  std::size_t hits = 0;
  for (auto _ : state) {
    for (const std::string& beginning : beginnings) hits += text.starts_with(beginning) ? 1 : 0;
    benchmark::DoNotOptimize(hits);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(scan, match, kRefusal)->Arg(10)->Arg(64)->Arg(256)->Arg(1460);
BENCHMARK_CAPTURE(scan, no_match, kGreeting)->Arg(10)->Arg(64)->Arg(256)->Arg(1460);
BENCHMARK_CAPTURE(scan, binary, kBinary)->Arg(10)->Arg(64)->Arg(256)->Arg(1460);
BENCHMARK_CAPTURE(compare_beginnings, match, kRefusal)->Arg(64);
BENCHMARK_CAPTURE(compare_beginnings, no_match, kGreeting)->Arg(64);

}  // namespace
}  // namespace doorslam::bench
