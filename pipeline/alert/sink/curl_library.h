#pragma once

#include <curl/curl.h>

#include "pipeline/base/result.h"

namespace doorslam::sink {

/// What the sinks use of libcurl. It and thirty libraries that it needs are loaded with the first sink that posts.
struct CurlLibrary {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_perform) easy_perform = nullptr;
  decltype(&::curl_easy_reset) easy_reset = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
};

/// Loads it with the first call. Thread-safe. Errors (data): it is not installed.
Result<const CurlLibrary*> load_curl();

}  // namespace doorslam::sink
