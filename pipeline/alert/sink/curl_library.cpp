#include "pipeline/alert/sink/curl_library.h"

#include "pipeline/base/late_library.h"

namespace doorslam::sink {

namespace {

Result<CurlLibrary> bind() {
  auto library = LateLibrary::load("libcurl.so.4", "libcurl4");
  if (!library) return tl::unexpected(library.error());
  CurlLibrary functions;
  library->find(functions.global_init, "curl_global_init");
  library->find(functions.easy_cleanup, "curl_easy_cleanup");
  library->find(functions.easy_getinfo, "curl_easy_getinfo");
  library->find(functions.easy_init, "curl_easy_init");
  library->find(functions.easy_perform, "curl_easy_perform");
  library->find(functions.easy_reset, "curl_easy_reset");
  library->find(functions.easy_setopt, "curl_easy_setopt");
  library->find(functions.easy_strerror, "curl_easy_strerror");
  library->find(functions.slist_append, "curl_slist_append");
  library->find(functions.slist_free_all, "curl_slist_free_all");
  if (const auto complete = library->complete(); !complete) return tl::unexpected(complete.error());
  functions.global_init(CURL_GLOBAL_DEFAULT);
  return functions;
}

}  // namespace

Result<const CurlLibrary*> load_curl() {
  static const Result<CurlLibrary> bound = bind();
  if (!bound) return tl::unexpected(bound.error());
  return &*bound;
}

}  // namespace doorslam::sink
