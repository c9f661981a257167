#pragma once

#include <string>

#include "pipeline/base/result.h"

namespace doorslam {

/// A shared library that is loaded when it is needed, and stays from then on. For what only some runs use, with the
/// libraries that it needs in turn: named at the link, all of them would be loaded and bound at every start.
class LateLibrary {
 public:
  /// `soname` stands for the ABI that the headers describe; `package` is what to install. Errors (data): the loader
  /// cannot load it.
  static Result<LateLibrary> load(const char* soname, const char* package);

  /// Points `function` to the library's of that name. Where there is none, complete() tells so.
  template <class Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(address_of(name));
  }
  /// Whether find() has found all. Errors (data): which function is missing.
  Result<void> complete() const;

 private:
  LateLibrary(void* handle, const char* soname, const char* package)
      : handle_(handle), soname_(soname), package_(package) {}

  void* address_of(const char* name);

  void* handle_;  ///< never closed: what was called may have left threads and exit handlers behind
  const char* soname_;
  const char* package_;
  std::string missing_;  ///< the first function that is not there
};

}  // namespace doorslam
