#include "pipeline/diagnose/signature_database.h"

#include <fmt/format.h>
#include <hs/hs.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "pipeline/diagnose/signature_cache.h"
#include "pipeline/diagnose/signature_file.h"
#include "pipeline/diagnose/signature_state.h"

namespace doorslam::diagnose {

namespace {

/// Hyperscan's complaint about one of `signatures`. Its position is among its own words.
tl::unexpected<Error> compile_error(const std::vector<Signature>& signatures, const std::vector<unsigned>& indices,
                                    hs_compile_error_t* error) {
  std::string message = error->message == nullptr ? "unknown error" : error->message;
  const int at = error->expression;
  hs_free_compile_error(error);
  if (at < 0 || static_cast<std::size_t>(at) >= indices.size()) {
    return data_error(fmt::format("cannot compile the signatures: {}", message));
  }
  const Signature& wrong = signatures[indices[static_cast<std::size_t>(at)]];
  if (!message.empty() && message.back() == '.') message.pop_back();
  return usage_error(
      fmt::format("{}:{}:{}: signature '{}': Hyperscan refuses the expression {} ({}); mend it, or switch "
                  "the signature off with 'enabled: false'",
                  wrong.file, wrong.expression_line, wrong.expression_column, wrong.name, wrong.expression, message));
}

/// The octet that an expression anchored at a literal begins with (^\xHH or ^A, maybe behind (?s)), or nothing: then
/// it may match anything.
std::optional<std::uint8_t> literal_start(std::string_view expression) {
  if (expression.find('|') != std::string_view::npos) return std::nullopt;
  if (expression.starts_with("(?s)")) expression.remove_prefix(4);
  if (!expression.starts_with('^')) return std::nullopt;
  expression.remove_prefix(1);
  std::uint8_t octet = 0;
  if (expression.starts_with("\\x") && expression.size() >= 4) {
    const auto [end, failure] = std::from_chars(expression.data() + 2, expression.data() + 4, octet, 16);
    if (failure != std::errc{} || end != expression.data() + 4) return std::nullopt;
    expression.remove_prefix(4);
  } else {
    constexpr std::string_view kSpecial = "\\.[]()*+?{}^$";
    if (expression.empty() || kSpecial.find(expression.front()) != std::string_view::npos) return std::nullopt;
    octet = static_cast<std::uint8_t>(expression.front());
    expression.remove_prefix(1);
  }
  // A quantifier may allow the octet to be absent.
  const bool optional = expression.starts_with('*') || expression.starts_with('?') || expression.starts_with("{0") ||
                        expression.starts_with("{,");
  if (optional) return std::nullopt;
  return octet;
}

}  // namespace

void SignatureDatabase::State::note_first_octets(const Signature& signature) {
  std::bitset<256>& octets = first_octets[index_of(signature.side)];
  if (const auto octet = literal_start(signature.expression)) {
    octets.set(*octet);
  } else {
    octets.set();
  }
}

Result<SignatureDatabase> SignatureDatabase::compile(std::vector<Signature> signatures) {
  std::vector<const char*> expressions;
  std::vector<unsigned> flags;
  std::vector<unsigned> indices;
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    if (!signatures[i].enabled) continue;
    expressions.push_back(signatures[i].expression.c_str());
    flags.push_back(HS_FLAG_SINGLEMATCH);
    indices.push_back(static_cast<unsigned>(i));
  }
  hs_database_t* database = nullptr;
  if (!indices.empty()) {
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(expressions.data(), flags.data(), indices.data(), static_cast<unsigned>(indices.size()),
                         HS_MODE_BLOCK, nullptr, &database, &error) != HS_SUCCESS) {
      return compile_error(signatures, indices, error);
    }
  }
  return SignatureDatabase(std::make_shared<const State>(std::move(signatures), HyperscanPointer(database), false));
}

Result<SignatureDatabase> SignatureDatabase::load(std::span<const std::filesystem::path> files_or_directories,
                                                  const std::filesystem::path& cache_directory) {
  auto texts = read_signature_texts(files_or_directories);
  if (!texts) return tl::unexpected(std::move(texts.error()));
  const SignatureCache::Digest key = SignatureCache::key_of(*texts);
  const SignatureCache cache(cache_directory, key);
  for (const SignatureCache& candidate : {cache, SignatureCache(shipped_cache_directory(), key)}) {
    auto cached = candidate.find();
    if (!cached) continue;
    return SignatureDatabase(
        std::make_shared<const State>(std::move(cached->signatures), std::move(cached->database), true));
  }
  auto signatures = parse_signatures(*texts);
  if (!signatures) return tl::unexpected(std::move(signatures.error()));
  auto compiled = compile(std::move(*signatures));
  if (compiled) cache.store(compiled->signatures(), compiled->state_->database.get());
  return compiled;
}

std::vector<Error> signature_mistakes(std::span<const std::filesystem::path> files_or_directories) {
  std::vector<Error> mistakes;
  std::vector<SignatureText> texts;
  for (const std::filesystem::path& path : files_or_directories) {
    auto read = read_signature_texts(std::span(&path, 1));
    if (!read) {
      mistakes.push_back(read.error());
      continue;
    }
    std::move(read->begin(), read->end(), std::back_inserter(texts));
  }
  for (Signature& signature : parse_signatures(texts, mistakes)) {
    if (!signature.enabled || signature.expression.empty()) continue;
    // One by one, since Hyperscan stops at the first that it refuses.
    const auto alone = SignatureDatabase::compile({std::move(signature)});
    if (!alone) mistakes.push_back(alone.error());
  }
  return mistakes;
}

std::span<const Signature> SignatureDatabase::signatures() const noexcept { return state_->signatures; }

bool SignatureDatabase::from_cache() const noexcept { return state_->from_cache; }

void SignatureScanner::FreeScratch::operator()(hs_scratch* scratch) const noexcept { hs_free_scratch(scratch); }

SignatureScanner::SignatureScanner(SignatureDatabase database, hs_scratch* scratch)
    : database_(std::move(database)), scratch_(scratch) {
  hits_.reserve(database_.signatures().size());
}

Result<SignatureScanner> SignatureScanner::create(const SignatureDatabase& database) {
  hs_scratch_t* scratch = nullptr;
  const hs_database_t* compiled = database.state_->database.get();
  if (compiled != nullptr && hs_alloc_scratch(compiled, &scratch) != HS_SUCCESS) {
    return data_error("no memory to scan for signatures; free some");
  }
  return SignatureScanner(database, scratch);
}

std::span<const SignatureHit> SignatureScanner::scan(const tcp::PayloadHead& head, packet::ByteView last_words,
                                                     tcp::Side side, std::uint16_t server_port) {
  hits_.clear();
  if (scratch_ == nullptr) return hits_;
  // From a segment's start to the end of the head: a message may span segments.
  const packet::ByteView words = head.view();
  std::uint16_t last_start = 0;
  for (std::uint8_t segment = 0; segment < head.segments || segment == 0; ++segment) {
    const std::uint16_t start = segment < head.segments ? head.segment_start[segment] : std::uint16_t{0};
    if (start >= words.size()) break;
    scan_words(words.subspan(start), {.segment = segment, .offset = start}, side, server_port);
    last_start = start;
  }
  // The last words of a short conversation are in the head already.
  const packet::ByteView latest = words.subspan(last_start);
  const bool known =
      last_words.size() <= latest.size() && std::ranges::equal(last_words, latest.first(last_words.size()));
  if (!known) scan_words(last_words, {.in_last_words = true}, side, server_port);

  drop_hits_out_of_context();
  std::ranges::sort(hits_, [](const SignatureHit& a, const SignatureHit& b) {
    const auto rank = [](const SignatureHit& hit) {
      return std::tuple(-hit.signature->specificity, !hit.port_fits, !hit.in_last_words, -int{hit.segment});
    };
    return std::tuple_cat(rank(a), std::tie(a.signature->name)) < std::tuple_cat(rank(b), std::tie(b.signature->name));
  });
  return hits_;
}

void SignatureScanner::scan_words(packet::ByteView words, SignatureHit where, tcp::Side side,
                                  std::uint16_t server_port) {
  if (words.empty() || !database_.state_->may_begin(side, words.front())) return;
  struct Context {
    std::span<const Signature> signatures;
    std::vector<SignatureHit>& hits;
    SignatureHit where;
    tcp::Side side;
    std::uint16_t server_port;
  } context{database_.signatures(), hits_, where, side, server_port};

  const auto on_match = [](unsigned id, unsigned long long, unsigned long long to, unsigned, void* opaque) -> int {
    Context& c = *static_cast<Context*>(opaque);
    const Signature& signature = c.signatures[id];
    if (signature.side != c.side) return 0;
    SignatureHit hit = c.where;
    hit.signature = &signature;
    hit.port_fits = signature.has_port(c.server_port);
    hit.end = static_cast<std::uint16_t>(hit.offset + to);
    const auto earlier = std::ranges::find(c.hits, &signature, &SignatureHit::signature);
    if (earlier == c.hits.end()) {
      c.hits.push_back(hit);
    } else {
      *earlier = hit;
    }
    return 0;
  };
  hs_scan(database_.state_->database.get(), reinterpret_cast<const char*>(words.data()),
          static_cast<unsigned>(words.size()), 0, scratch_.get(), on_match, &context);
}

void SignatureScanner::drop_hits_out_of_context() {
  const auto shows_protocol_of = [](const Signature& wanted) {
    return [&wanted](const SignatureHit& hit) {
      return !hit.signature->needs_context && hit.signature->protocol == wanted.protocol;
    };
  };
  std::erase_if(hits_, [&](const SignatureHit& hit) {
    return hit.signature->needs_context && !hit.port_fits &&
           std::ranges::none_of(hits_, shows_protocol_of(*hit.signature));
  });
}

}  // namespace doorslam::diagnose
