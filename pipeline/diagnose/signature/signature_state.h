#pragma once

#include <hs/hs.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/diagnose/signature/dialogue.h"
#include "pipeline/diagnose/signature/signature.h"
#include "pipeline/diagnose/signature/signature_database.h"

/// What a SignatureDatabase is made of. Internal to the library: keeps Hyperscan's headers out of the public ones.
namespace doorslam::diagnose {

struct FreeHyperscan {
  void operator()(hs_database_t* database) const noexcept { hs_free_database(database); }
};
/// Empty where no signature is enabled: Hyperscan knows no empty database.
using HyperscanPointer = std::unique_ptr<hs_database_t, FreeHyperscan>;

struct SignatureDatabase::State {
  State(std::vector<Signature> all, HyperscanPointer compiled, bool cached)
      : signatures(std::move(all)), database(std::move(compiled)), from_cache(cached) {
    for (const Signature& signature : signatures) {
      if (signature.enabled) note_first_octets(signature);
      content.push_back(diagnose::may_be_content(signature.protocol));
    }
  }

  /// Whether any signature of that side can match words that begin so.
  bool may_begin(tcp::Side side, std::uint8_t octet) const { return first_octets[index_of(side)][octet]; }
  /// Whether is_content() has to be asked of that signature's matches.
  bool may_be_content(std::size_t signature) const { return content[signature]; }

  std::vector<Signature> signatures;
  HyperscanPointer database;  ///< its expression ids are indices into `signatures`
  bool from_cache;

 private:
  void note_first_octets(const Signature& signature);

  std::array<std::bitset<256>, 2> first_octets;  ///< by side
  std::vector<bool> content;                     ///< by signature
};

}  // namespace doorslam::diagnose
