#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

/// Errors of the cold path. The hot path counts instead.
namespace doorslam {

/// Whose fault an error is; the command's exit code follows from it.
enum class ErrorKind { usage, data };

/// One line for a person: what is wrong, where, and how to mend it.
struct Error {
  ErrorKind kind = ErrorKind::data;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> usage_error(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::usage, std::move(message)});
}

inline tl::unexpected<Error> data_error(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::data, std::move(message)});
}

}  // namespace doorslam
