#include <cstdio>
#include <filesystem>
#include <system_error>

#include "pipeline/diagnose/signature/signature_cache.h"
#include "pipeline/diagnose/signature/signature_database.h"

/// Build tool: compiles the signatures of a directory into a cache that is shipped, so that a first run starts as fast
/// as any other. Usage: compile_signatures SIGNATURE-DIRECTORY CACHE-DIRECTORY
int main(int count, char** arguments) {
  namespace diagnose = doorslam::diagnose;
  namespace fs = std::filesystem;
  if (count != 3) {
    std::fputs("usage: compile_signatures SIGNATURE-DIRECTORY CACHE-DIRECTORY\n", stderr);
    return 2;
  }
  const fs::path sources[] = {arguments[1]};
  const fs::path cache_directory = arguments[2];
  std::error_code error;
  fs::remove(cache_directory / diagnose::SignatureCache::kFileName, error);
  const auto database = diagnose::SignatureDatabase::load(sources, cache_directory);
  if (!database) {
    std::fprintf(stderr, "%s\n", database.error().message.c_str());
    return 1;
  }
  if (!fs::exists(cache_directory / diagnose::SignatureCache::kFileName, error)) {
    std::fprintf(stderr, "%s: cannot write the compiled signatures\n", arguments[2]);
    return 1;
  }
  return 0;
}
