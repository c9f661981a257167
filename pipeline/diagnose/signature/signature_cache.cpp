#include "pipeline/diagnose/signature/signature_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "pipeline/base/descriptor.h"
#include "pipeline/diagnose/signature/data_directory.h"

namespace doorslam::diagnose {

namespace {

namespace fs = std::filesystem;
using Digest = SignatureCache::Digest;

/// Changes whenever the layout of the file or the meaning of a signature does.
constexpr std::string_view kMagic = "doorslam signatures 5\n";
constexpr std::size_t kMaxFileSize = 64u << 20;

/// Against accidents, not against forgers: whoever may write the file could change the digest in it as well.
Digest digest_of(std::string_view octets) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(octets.data(), octets.size()));
  return std::to_array(canonical.digest);
}

std::string_view view_of(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

/// Appends values as they lie in memory: the file never leaves its machine (the key says so).
class Writer {
 public:
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void value(const T& v) { octets_.append(reinterpret_cast<const char*>(&v), sizeof(T)); }
  void text(std::string_view t) {
    value(static_cast<std::uint32_t>(t.size()));
    octets_ += t;
  }
  void list(const auto& items, auto write_item) {
    value(static_cast<std::uint32_t>(items.size()));
    for (const auto& item : items) write_item(item);
  }
  std::string take() { return std::move(octets_); }

 private:
  std::string octets_;
};

/// Reads what Writer wrote. Once short, it stays short and yields zeros.
class Reader {
 public:
  explicit Reader(std::string_view octets) : octets_(octets) {}

  template <class T>
  requires std::is_trivially_copyable_v<T> T value() {
    T v{};
    const std::string_view taken = take(sizeof(T));
    if (taken.size() == sizeof(T)) std::memcpy(&v, taken.data(), sizeof(T));
    return v;
  }
  std::string text() { return std::string(take(value<std::uint32_t>())); }
  template <class T>
  std::vector<T> list(auto read_item) {
    std::vector<T> items;
    for (auto left = value<std::uint32_t>(); left > 0 && !short_; --left) items.push_back(read_item());
    return items;
  }
  std::string_view rest() { return std::exchange(octets_, {}); }
  bool is_short() const { return short_; }

 private:
  std::string_view take(std::size_t count) {
    if (count > octets_.size()) {
      short_ = true;
      octets_ = {};
      return {};
    }
    const std::string_view taken = octets_.substr(0, count);
    octets_.remove_prefix(count);
    return taken;
  }

  std::string_view octets_;
  bool short_ = false;
};

void write_signature(Writer& out, const Signature& s) {
  for (const std::string* text : {&s.name, &s.program, &s.protocol, &s.expression, &s.source, &s.sample, &s.file}) {
    out.text(*text);
  }
  out.list(s.ports, [&](PortRange range) { out.value(range); });
  out.list(s.causes, [&](const CauseWeight& weight) {
    out.value(weight.cause);
    out.value(weight.weight);
  });
  out.list(s.overlaps, [&](const std::string& name) { out.text(name); });
  out.value(s.side);
  out.value(s.specificity);
  out.value(s.needs_context);
  out.value(s.first_words);
  out.value(s.success);
  out.value(s.needs_credentials);
  out.value(s.before_mail);
  out.value(s.enabled);
  out.value(s.line);
  out.value(s.expression_line);
  out.value(s.expression_column);
}

Signature read_signature(Reader& in) {
  Signature s;
  for (std::string* text : {&s.name, &s.program, &s.protocol, &s.expression, &s.source, &s.sample, &s.file}) {
    *text = in.text();
  }
  s.ports = in.list<PortRange>([&] { return in.value<PortRange>(); });
  s.causes = in.list<CauseWeight>([&] {
    const auto cause = in.value<Cause>();
    return CauseWeight{cause, in.value<double>()};
  });
  s.overlaps = in.list<std::string>([&] { return in.text(); });
  s.side = in.value<tcp::Side>();
  s.specificity = in.value<double>();
  s.needs_context = in.value<bool>();
  s.first_words = in.value<bool>();
  s.success = in.value<bool>();
  s.needs_credentials = in.value<bool>();
  s.before_mail = in.value<bool>();
  s.enabled = in.value<bool>();
  s.line = in.value<std::uint32_t>();
  s.expression_line = in.value<std::uint32_t>();
  s.expression_column = in.value<std::uint32_t>();
  return s;
}

/// A million octets that are about to be overwritten need no zeros.
struct FileOctets {
  explicit FileOctets(std::size_t octets) : data(std::make_unique_for_overwrite<char[]>(octets)), size(octets) {}

  std::string_view view() const { return {data.get(), size}; }

  std::unique_ptr<char[]> data;
  std::size_t size;
};

/// The file's octets if it is a plain file of this user or root that nobody else can write: Hyperscan trusts what it is
/// given.
std::optional<FileOctets> read_own_file(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return std::nullopt;
  const bool is_own =
      S_ISREG(status.st_mode) && (status.st_uid == ::geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0;
  if (!is_own || status.st_size <= 0 || static_cast<std::size_t>(status.st_size) > kMaxFileSize) return std::nullopt;
  FileOctets octets(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < octets.size) {
    const ssize_t count = ::read(file.get(), octets.data.get() + filled, octets.size - filled);
    if (count <= 0) return std::nullopt;
    filled += static_cast<std::size_t>(count);
  }
  return octets;
}

bool write_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t count = ::write(fd, octets.data(), octets.size());
    if (count <= 0) return false;
    octets.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void replace_file(const fs::path& path, std::string_view octets) {
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file) return;
  // Nothing in it is secret, and a build's cache serves every user.
  if (!write_all(file.get(), octets) || ::fchmod(file.get(), 0644) != 0 ||
      ::rename(temporary.c_str(), path.c_str()) != 0)
    ::unlink(temporary.c_str());
}

}  // namespace

SignatureCache::Digest SignatureCache::key_of(std::span<const SignatureText> texts) {
  Writer key;
  key.text(kMagic);
  key.text(hs_version());
  hs_platform_info_t platform{};
  hs_populate_platform(&platform);
  key.value(platform.tune);
  key.value(platform.cpu_features);
  for (const SignatureText& text : texts) {
    key.text(fs::path(text.file).filename().string());
    key.text(text.text);
  }
  return digest_of(key.take());
}

std::optional<SignatureCache::Entry> SignatureCache::find() const {
  if (directory_.empty()) return std::nullopt;
  const auto octets = read_own_file(file());
  if (!octets) return std::nullopt;
  std::string_view body = octets->view();
  for (const std::string_view expected : {kMagic, view_of(key_)}) {
    if (!body.starts_with(expected)) return std::nullopt;
    body.remove_prefix(expected.size());
  }
  if (body.size() < sizeof(Digest)) return std::nullopt;
  const std::string_view checksum = body.substr(0, sizeof(Digest));
  body.remove_prefix(sizeof(Digest));
  if (view_of(digest_of(body)) != checksum) return std::nullopt;

  Reader in(body);
  Entry entry;
  entry.signatures = in.list<Signature>([&] { return read_signature(in); });
  const std::string_view compiled = in.rest();
  if (in.is_short()) return std::nullopt;
  if (compiled.empty()) return entry;
  hs_database_t* database = nullptr;
  if (hs_deserialize_database(compiled.data(), compiled.size(), &database) != HS_SUCCESS) return std::nullopt;
  entry.database.reset(database);
  return entry;
}

void SignatureCache::store(std::span<const Signature> signatures, const hs_database_t* database) const {
  if (directory_.empty()) return;
  Writer out;
  out.list(signatures, [&](const Signature& signature) { write_signature(out, signature); });
  std::string body = out.take();
  if (database != nullptr) {
    char* compiled = nullptr;
    std::size_t length = 0;
    if (hs_serialize_database(database, &compiled, &length) != HS_SUCCESS) return;
    body.append(compiled, length);
    std::free(compiled);
  }
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return;
  const Digest checksum = digest_of(body);
  std::string octets(kMagic);
  for (const std::string_view part : {view_of(key_), view_of(checksum), std::string_view(body)}) octets += part;
  replace_file(file(), octets);
}

fs::path shipped_cache_directory() { return data_places().cache; }

fs::path default_cache_directory() {
  // XDG Base Directory Specification: relative paths in the variable are invalid and ignored.
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return fs::path(cache) / "doorslam";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return fs::path(home) / ".cache" / "doorslam";
  }
  return {};
}

}  // namespace doorslam::diagnose
