#include "bench/support/findings.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "bench/support/stopwatch.h"

namespace doorslam::bench {

Findings::Findings(int argc, char** argv, const std::string& what)
    : all_{{"ratios", nlohmann::json::object()}, {"cycles", nlohmann::json::object()}} {
  CLI::App app{what};
  app.add_option("--json", wishes_.json, "File to write the findings to");
  app.add_flag("--quick", wishes_.quick, "A quick look instead of a measurement");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  fact("tsc_mhz", tsc_hz() * 1e-6);
}

void Findings::ratio(const std::string& id, const Timing& value) {
  all_["ratios"][id] = {{"minimum", value.minimum}, {"median", value.median}};
  std::printf("ratio   %-32s %10.3f   (of medians %.3f)\n", id.c_str(), value.minimum, value.median);
}

void Findings::cycles(const std::string& series, const std::string& name, const Timing& value) {
  all_["cycles"][series][name] = {{"minimum", value.minimum}, {"median", value.median}};
  std::printf("cycles  %-32s %10.1f   (median %.1f)\n", (series + "/" + name).c_str(), value.minimum, value.median);
}

void Findings::fact(const std::string& name, nlohmann::json value) {
  std::printf("fact    %-32s %10s\n", name.c_str(), value.dump().c_str());
  all_["facts"][name] = std::move(value);
}

int Findings::finish() const {
  if (wishes_.json.empty()) return 0;
  std::ofstream file(wishes_.json);
  file << all_.dump(2) << '\n';
  file.flush();
  if (file) return 0;
  std::fprintf(stderr, "bench: %s: cannot be written\n", wishes_.json.c_str());
  return 1;
}

}  // namespace doorslam::bench
