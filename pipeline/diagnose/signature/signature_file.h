#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/signature/signature.h"

/// Reading of signature files. Cold path: at start only.
///
/// A file is a YAML map with the one key `signatures`, a list of maps:
///   name, program, protocol, expression, causes, specificity, source, sample   required
///   ports, side, needs_context, overlaps, enabled                              optional
/// Unknown keys, wrong types and values out of range are refused, never mended. `sample` knows the escapes
/// \r \n \t \0 \\ and \xHH. A signature replaces the one of the same name from an earlier file.
namespace doorslam::diagnose {

/// A signature file's name and octets.
struct SignatureText {
  std::string file;
  std::string text;
};

/// The octets of the given files; of a directory, of all its *.yaml files in the order of their names.
/// Errors (usage) name the path and what is wrong with it.
Result<std::vector<SignatureText>> read_signature_texts(std::span<const std::filesystem::path> files_or_directories);

/// The signatures of the texts, enabled or not, in order of first appearance. Errors (usage) name file, line, column,
/// what is wrong and how to mend it. Expressions are compiled later, by SignatureDatabase.
Result<std::vector<Signature>> parse_signatures(std::span<const SignatureText> texts);
/// The same to the end: appends all mistakes (of each file, at most 100) in the order of the texts. A signature with a
/// mistake comes with what is right in it.
std::vector<Signature> parse_signatures(std::span<const SignatureText> texts, std::vector<Error>& mistakes);

/// Where the project's own signatures are (data_directory.h).
std::filesystem::path default_signature_directory();

}  // namespace doorslam::diagnose
