#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temporary_folder.h"

/// The program as a user meets it: exit codes, messages, what stands in its files.
namespace doorslam::test {

inline const std::string kCaptures = DOORSLAM_TEST_CAPTURES;
inline const std::string kRefused = kCaptures + "/vsftpd_tcp_wrappers.pcap";
inline const std::string kFull = kCaptures + "/licence_server_full.pcap";

inline std::string content_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

struct Finished {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class Program : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(std::filesystem::exists(DOORSLAM_PROGRAM)) << "build " DOORSLAM_PROGRAM; }

  /// `arguments` as one would type them; may redirect, after the program's own redirections.
  /// `before`: shell words that go before the program.
  Finished run(const std::string& arguments, const std::string& before = {}) const {
    const std::string command = "cd '" + folder_.path().string() + "' && export XDG_CACHE_HOME='" +
                                (folder_ / "cache").string() + "' && " + before +
                                "'" DOORSLAM_PROGRAM "' >out 2>err </dev/null " + arguments;
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(folder_ / "out"), content_of(folder_ / "err")};
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::vector<std::string> lines_in(const std::string& name) const { return lines_of(content_of(folder_ / name)); }

  TemporaryFolder folder_;
};

inline testing::AssertionResult is_one_line_with(const std::string& err,
                                                 std::initializer_list<std::string_view> words) {
  if (std::count(err.begin(), err.end(), '\n') != 1) return testing::AssertionFailure() << "not one line: " << err;
  if (!err.starts_with("doorslam: ")) return testing::AssertionFailure() << "who says so? " << err;
  for (const std::string_view word : words) {
    if (err.find(word) == std::string::npos) return testing::AssertionFailure() << "no '" << word << "' in " << err;
  }
  return testing::AssertionSuccess();
}

}  // namespace doorslam::test
