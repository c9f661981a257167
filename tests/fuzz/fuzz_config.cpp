// Octets as a configuration file, as an argument of --set, and as a signature file. Settings: an error of one line, or
// values that print to a file that reads back the same. Signatures: an error, or signatures.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/loader.h"
#include "pipeline/diagnose/signature/signature_file.h"

namespace {

using namespace doorslam;

void require(bool holds) {
  if (!holds) std::abort();
}

void require_one_line(const Error& error) {
  require(!error.message.empty() && error.message.size() < 10'000 && error.message.find('\n') == std::string::npos);
}

void require_that_it_prints(const config::Settings& settings) {
  config::Settings read;
  require(config::apply_yaml(read, config::print_config(settings), "printed.yaml").has_value());
  require(read == settings);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  config::Settings from_file;
  if (const auto applied = config::apply_yaml(from_file, text, "fuzz.yaml"); applied) {
    require_that_it_prints(from_file);
  } else {
    require_one_line(applied.error());
  }

  config::Settings from_argument;
  const std::string_view argument = text.substr(0, text.find('\n'));
  if (const auto applied = from_argument.override_with(argument); applied) {
    require_that_it_prints(from_argument);
  } else {
    require_one_line(applied.error());
  }

  const diagnose::SignatureText signatures{"fuzz.yaml", std::string(text)};
  if (const auto parsed = diagnose::parse_signatures({&signatures, 1}); !parsed)
    require(!parsed.error().message.empty());
  return 0;
}
