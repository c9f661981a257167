#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/diagnose/signature/signature.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/diagnose/signature/signature_state.h"

/// Keeps parsed and compiled signatures between runs: reading YAML and compiling takes far longer than a short capture.
///
/// One file, replaced atomically. It counts only if it is the user's own or root's, was made from the very same texts
/// by the same Hyperscan for the same processor, and its checksum is right. Anything else is as good as no cache: it
/// never fails.
namespace doorslam::diagnose {

class SignatureCache {
 public:
  using Digest = std::array<std::uint8_t, 16>;
  static constexpr const char* kFileName = "signatures.cache";

  struct Entry {
    std::vector<Signature> signatures;
    HyperscanPointer database;
  };

  /// What an entry must have been made of: these texts (files by name, wherever they lie), this Hyperscan, this
  /// processor.
  static Digest key_of(std::span<const SignatureText> texts);

  /// `directory` empty: nothing is found or stored.
  SignatureCache(std::filesystem::path directory, const Digest& key) : directory_(std::move(directory)), key_(key) {}

  std::optional<Entry> find() const;
  /// Makes the directory if need be. `database` may be null: nothing enabled.
  void store(std::span<const Signature> signatures, const hs_database_t* database) const;

  /// The file that holds the entry.
  std::filesystem::path file() const { return directory_ / kFileName; }

 private:
  std::filesystem::path directory_;
  Digest key_;
};

/// Where the build left the project's own signatures compiled (data_directory.h).
std::filesystem::path shipped_cache_directory();

}  // namespace doorslam::diagnose
