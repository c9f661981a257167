#include "pipeline/diagnose/signature/signature_database.h"

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

#include "pipeline/diagnose/signature/dialogue.h"
#include "pipeline/diagnose/signature/signature_cache.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/diagnose/signature/signature_state.h"

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

/// The octet that an expression anchored at a literal begins with (^\xHH or ^A, maybe after (?s)), or nothing: then
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
                                                     tcp::Side side, std::uint16_t server_port,
                                                     const tcp::SideEvidence* other) {
  return look_at(head, last_words, {side, server_port, other, head.view()}, false);
}

std::span<const SignatureHit> SignatureScanner::recall(const tcp::PayloadHead& head, packet::ByteView last_words,
                                                       tcp::Side side, std::uint16_t server_port,
                                                       const tcp::SideEvidence* other) {
  return look_at(head, last_words, {side, server_port, other, head.view()}, true);
}

std::span<const SignatureHit> SignatureScanner::look_at(const tcp::PayloadHead& head, packet::ByteView last_words,
                                                        Speaker speaker, bool from_memory) {
  hits_.clear();
  if (scratch_ == nullptr) return hits_;
  const packet::ByteView words = head.view();
  std::size_t segments = std::max<std::size_t>(head.segments, 1);
  const auto start_of = [&](std::size_t segment) {
    return std::min<std::size_t>(segment == 0 && head.segments == 0 ? 0 : head.segment_start[segment], words.size());
  };
  while (segments > 1 && start_of(segments - 1) == words.size()) --segments;
  // The latest words first: of several matches of one signature theirs counts. The last words of a short conversation
  // are in the head already.
  const packet::ByteView latest = words.subspan(start_of(segments - 1));
  const bool known =
      last_words.size() <= latest.size() && std::ranges::equal(last_words, latest.first(last_words.size()));
  speaker.answers_farewell =
      speaker.side == tcp::Side::responder && speaker.other != nullptr && takes_leave(*speaker.other);
  Passage passage;
  if (!known) {
    look_at_words(last_words, {.in_last_words = true}, speaker, from_memory ? &passage : nullptr);
    speaker.answers_farewell = speaker.answers_farewell && last_words.empty();
  }
  passage = {};
  // From a segment's start to the end of the head: a message may span segments.
  while (segments-- > 0) {
    const auto start = static_cast<std::uint16_t>(start_of(segments));
    const SignatureHit where{.segment = static_cast<std::uint8_t>(segments), .offset = start};
    look_at_words(words.subspan(start), where, speaker, from_memory ? &passage : nullptr);
    speaker.answers_farewell = false;
  }
  if (!hits_.empty()) {
    drop_hits_out_of_context();
    drop_requests_for_credentials(speaker);
    drop_refusals_of_messages(speaker);
    drop_refusals_overcome();
  }
  if (hits_.size() > 1) sort_hits();
  return hits_;
}

void SignatureScanner::look_at_words(packet::ByteView words, SignatureHit where, const Speaker& speaker,
                                     Passage* passage) {
  if (words.empty()) return;
  const bool may_match = database_.state_->may_begin(speaker.side, words.front());
  if (passage == nullptr) {
    if (may_match) scan_words(words, where, speaker);
    return;
  }
  const packet::ByteView next = std::exchange(passage->words, words);
  if (!may_match) {
    passage->digest = 0;
    return;
  }
  if (passage->digest == 0 && !next.empty()) passage->digest = WordMemo::digest_of(next);
  const std::uint64_t own = WordMemo::digest_of(words);
  const std::uint64_t key = WordMemo::key_of(own, passage->digest, speaker.side, speaker.server_port);
  passage->digest = own;
  // The same again: whatever it matches has been noted of the later words.
  if (std::exchange(passage->key, key) == key) return;
  if (const auto known = memo_.find(key)) {
    note_hits(*known, words, where, speaker);
    return;
  }
  scan_words(words, where, speaker);
  // A success in a later segment is found there, and that of the next connection may be none.
  const std::size_t own_octets = words.size() - next.size();
  const auto is_success = [this](WordMemo::Match match) { return database_.signatures()[match.signature].success; };
  std::erase_if(matches_, [&](WordMemo::Match match) { return is_success(match) && match.length > own_octets; });
  // After the octets by which the words are known, the next connection's may hold something else.
  const auto may_be_its_own = [&](WordMemo::Match match) {
    return is_refusal(database_.signatures()[match.signature].main_cause()) ||
           (is_success(match) && match.length > WordMemo::kTellingOctets);
  };
  // Two replies of one code may say as different things as "greylisted" and "denied".
  const bool is_error_reply = words.front() == '4' || words.front() == '5';
  if (!is_error_reply && std::ranges::none_of(matches_, may_be_its_own)) {
    memo_.put(key, matches_);
  } else {
    passage->key = 0;
  }
}

void SignatureScanner::scan_words(packet::ByteView words, SignatureHit where, const Speaker& speaker) {
  struct Context {
    std::span<const Signature> signatures;
    std::vector<WordMemo::Match>& matches;
    tcp::Side side;
  } context{database_.signatures(), matches_, speaker.side};
  matches_.clear();
  const auto on_match = [](unsigned id, unsigned long long, unsigned long long to, unsigned, void* opaque) -> int {
    Context& c = *static_cast<Context*>(opaque);
    if (c.signatures[id].side == c.side) {
      c.matches.push_back({static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(to)});
    }
    return 0;
  };
  hs_scan(database_.state_->database.get(), reinterpret_cast<const char*>(words.data()),
          static_cast<unsigned>(words.size()), 0, scratch_.get(), on_match, &context);
  note_hits(matches_, words, where, speaker);
}

void SignatureScanner::note_hits(std::span<const WordMemo::Match> matches, packet::ByteView words, SignatureHit where,
                                 const Speaker& speaker) {
  for (const WordMemo::Match match : matches) {
    const Signature* signature = &database_.state_->signatures[match.signature];
    if (signature->first_words && (where.in_last_words || where.segment != 0)) continue;
    if (signature->success && speaker.answers_farewell) continue;
    if (std::ranges::find(hits_, signature, &SignatureHit::signature) != hits_.end()) continue;
    if (speaker.side == tcp::Side::responder && database_.state_->may_be_content(match.signature)) {
      // The match may take its line's end along.
      const std::size_t at = match.length > 1 ? match.length - 2U : 0U;
      if (is_content(speaker.beginning, words, at, signature->protocol)) continue;
    }
    where.signature = signature;
    where.port_fits = signature->has_port(speaker.server_port);
    where.end = static_cast<std::uint16_t>(where.offset + match.length);
    hits_.push_back(where);
  }
}

/// Whoever has sent no credentials is asked for them, not refused (RFC 9110, section 15.5.2).
void SignatureScanner::drop_requests_for_credentials(const Speaker& speaker) {
  const auto needs_them = [](const SignatureHit& hit) { return hit.signature->needs_credentials; };
  if (speaker.other == nullptr || std::ranges::none_of(hits_, needs_them)) return;
  if (!sends_credentials(*speaker.other)) std::erase_if(hits_, needs_them);
}

/// Who may hand in a message is not refused itself when that is.
void SignatureScanner::drop_refusals_of_messages(const Speaker& speaker) {
  const auto is_before = [](const SignatureHit& hit) {
    const Signature& signature = *hit.signature;
    const bool is_any_denial =
        signature.protocol == Signature::kAnyProtocol && signature.main_cause() == Cause::acl_denied;
    return signature.before_mail || is_any_denial;
  };
  if (speaker.other == nullptr || std::ranges::none_of(hits_, is_before)) return;
  if (begins_mail(*speaker.other)) std::erase_if(hits_, is_before);
}

/// A login that was refused at first and accepted then is a login.
void SignatureScanner::drop_refusals_overcome() {
  const auto place_of = [](const SignatureHit& hit) { return std::pair(hit.in_last_words, hit.end); };
  // Of the requests of HTTP and SIP each has its own answer; of those the same again is one with credentials.
  const auto can_be_overcome = [](const Signature& signature) {
    return is_refusal(signature.main_cause()) &&
           (signature.needs_credentials || (signature.protocol != "http" && signature.protocol != "sip"));
  };
  const auto is_of = [](std::string_view protocol, const Signature& refusal) {
    return refusal.protocol == protocol || refusal.protocol == Signature::kAnyProtocol;
  };
  if (std::ranges::none_of(hits_, [&](const SignatureHit& hit) { return can_be_overcome(*hit.signature); })) return;
  const std::vector<SignatureHit> said = hits_;
  for (const SignatureHit& success : said) {
    if (!success.signature->success) continue;
    std::erase_if(hits_, [&](const SignatureHit& hit) {
      return can_be_overcome(*hit.signature) && is_of(success.signature->protocol, *hit.signature) &&
             place_of(hit) < place_of(success);
    });
  }
}

void SignatureScanner::sort_hits() {
  std::ranges::sort(hits_, [](const SignatureHit& a, const SignatureHit& b) {
    const auto rank = [](const SignatureHit& hit) {
      return std::tuple(-hit.signature->specificity, !hit.port_fits, !hit.in_last_words, -int{hit.segment});
    };
    return std::tuple_cat(rank(a), std::tie(a.signature->name)) < std::tuple_cat(rank(b), std::tie(b.signature->name));
  });
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
