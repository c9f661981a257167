#include "pipeline/alert/sink/secret.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace doorslam::sink {

Result<std::string> read_secret(const std::string& reference) {
  constexpr std::string_view kFile = "file:";
  constexpr std::string_view kEnvironment = "env:";
  if (reference.empty()) return std::string();
  if (reference.starts_with(kEnvironment)) {
    const std::string name = reference.substr(kEnvironment.size());
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') {
      return usage_error(fmt::format("the environment has no variable {}; set it before the start", name));
    }
    return std::string(value);
  }
  // What was written is not repeated: it may be the secret itself.
  if (!reference.starts_with(kFile)) {
    return usage_error("secrets stand in files or in the environment; write file:PATH or env:NAME");
  }
  const std::string path = reference.substr(kFile.size());
  std::ifstream file(path);
  std::string secret;
  if (!file) return usage_error(fmt::format("{}: {}; name the file that holds the secret", path, std::strerror(errno)));
  std::getline(file, secret);
  if (secret.ends_with('\r')) secret.pop_back();
  if (secret.empty()) return usage_error(fmt::format("{}: its first line is empty; write the secret there", path));
  return secret;
}

}  // namespace doorslam::sink
