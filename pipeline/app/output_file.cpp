#include "pipeline/app/output_file.h"

#include <cerrno>
#include <cstring>

namespace doorslam::app {

Result<void> flush_standard_output() {
  const bool failed_before = std::ferror(stdout) != 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && !failed_before) return {};
  // Of a write that failed earlier the reason is gone.
  return data_error("standard output: not all could be written" +
                    (flushed ? std::string() : std::string(": ") + std::strerror(errno)));
}

Result<OutputFile> OutputFile::open(const std::string& path, Mode mode) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), mode == Mode::append ? "ae" : "we");
  if (file == nullptr) {
    return data_error(path + ": cannot be written: " + std::strerror(errno) +
                      "; name a file in a folder that you may write to");
  }
  return OutputFile(path, file);
}

void OutputFile::flush() noexcept {
  if (std::fflush(file_.get()) != 0 && error_ == 0) error_ = errno;
}

Result<void> OutputFile::reopen() {
  if (path_ == "-") return {};
  auto again = open(path_, Mode::append);
  if (!again) return tl::unexpected(again.error());
  flush();
  file_ = std::move(again->file_);
  return {};
}

void OutputFile::write(std::string_view line) noexcept {
  if (error_ == 0 && std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) error_ = errno;
}

Result<void> OutputFile::close() {
  if (std::fflush(file_.get()) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0) return {};
  const std::string name = path_ == "-" ? "standard output" : path_;
  return data_error(name + ": not all records could be written: " + std::strerror(error_));
}

}  // namespace doorslam::app
