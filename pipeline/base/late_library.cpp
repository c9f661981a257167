#include "pipeline/base/late_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace doorslam {

Result<LateLibrary> LateLibrary::load(const char* soname, const char* package) {
  void* const handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();  // names the file
    return data_error(fmt::format("{}; install {}", reason == nullptr ? soname : reason, package));
  }
  return LateLibrary(handle, soname, package);
}

void* LateLibrary::address_of(const char* name) {
  void* const address = dlsym(handle_, name);
  if (address == nullptr && missing_.empty()) missing_ = name;
  return address;
}

Result<void> LateLibrary::complete() const {
  if (missing_.empty()) return {};
  return data_error(fmt::format("{} has no function {}; install a newer {}", soname_, missing_, package_));
}

}  // namespace doorslam
