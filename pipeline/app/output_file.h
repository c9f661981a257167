#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace doorslam::app {

/// Whether all that was printed has arrived. Errors (data): it has not (disk full).
Result<void> flush_standard_output();

/// A file for records, or standard output. Nothing is lost in silence: close() says whether every record arrived.
class OutputFile {
 public:
  enum class Mode { overwrite, append };

  /// "-" is standard output. Errors (data): the file cannot be created.
  static Result<OutputFile> open(const std::string& path, Mode mode = Mode::overwrite);

  void write(std::string_view line) noexcept;
  void flush() noexcept;
  /// Opens the file anew by its name, to go on at its end. Errors (data): it cannot be; writing goes on to the old one.
  Result<void> reopen();
  /// Flushes and closes. Errors (data): a write failed, now or before (disk full, closed pipe).
  Result<void> close();

 private:
  struct Closer {
    void operator()(std::FILE* file) const noexcept {
      if (file != stdout) std::fclose(file);
    }
  };
  OutputFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;  ///< as it was given
  std::unique_ptr<std::FILE, Closer> file_;
  int error_ = 0;  ///< errno of the first write that failed
};

}  // namespace doorslam::app
