#include "pipeline/alert/sink/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/alert/sink/curl_library.h"
#include "pipeline/alert/sink/secret.h"
#include "pipeline/base/printable.h"

namespace doorslam::sink {

namespace {

using std::chrono::milliseconds;

/// An answer to a bulk of a hundred thousand records has about 10 MiB.
constexpr std::size_t kLongestAnswer = std::size_t{64} << 20;

std::size_t take_body(char* data, std::size_t, std::size_t octets, void* out) {
  auto& body = *static_cast<std::string*>(out);
  if (body.size() + octets > kLongestAnswer) return 0;
  body.append(data, octets);
  return octets;
}

int look_at_stop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

/// HttpClient::make() has loaded it, without which there is no client.
const CurlLibrary& curl() { return **load_curl(); }

struct ListCloser {
  void operator()(curl_slist* list) const noexcept { curl().slist_free_all(list); }
};

void set_tls(CURL* handle, const TlsOptions& tls) {
  curl().easy_setopt(handle, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (!tls.ca.empty()) {
    curl().easy_setopt(handle, CURLOPT_CAINFO, tls.ca.c_str());
    // Or the system's folder of authorities, which is built into curl, would be trusted as well.
    curl().easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  if (!tls.certificate.empty()) curl().easy_setopt(handle, CURLOPT_SSLCERT, tls.certificate.c_str());
  if (!tls.key.empty()) curl().easy_setopt(handle, CURLOPT_SSLKEY, tls.key.c_str());
}

}  // namespace

Result<void> check_url(const std::string& url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || url.size() == scheme) {
    return usage_error("url: write http://host:port or https://host:port, a path may follow");
  }
  if (url.find('@') != std::string::npos) {
    return usage_error("url: user and password have keys of their own; remove what stands before the @");
  }
  if (url.find_first_of(" ?#\"\\") != std::string::npos) {
    return usage_error("url: blanks, quotes, '?' and '#' have no place in it");
  }
  return {};
}

void HttpClient::Closer::operator()(void* handle) const noexcept { curl().easy_cleanup(handle); }

HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::make(const HttpOptions& options) {
  if (const auto loaded = load_curl(); !loaded) return tl::unexpected(loaded.error());
  std::unique_ptr<HttpClient> client(new HttpClient(options));
  auto token = read_secret(options.token);
  if (!token) return usage_error("token: " + token.error().message);
  auto password = read_secret(options.password);
  if (!password) return usage_error("password: " + password.error().message);
  client->token_ = std::move(*token);
  client->password_ = std::move(*password);
  // The files are looked at now, with clear words; curl would say so with the first record.
  if (options.url.starts_with("https://")) {
    if (auto context = make_tls_context(options.tls); !context) return tl::unexpected(context.error());
  }
  client->handle_.reset(curl().easy_init());
  if (!client->handle_) return data_error("curl cannot be set up");
  while (client->options_.url.ends_with('/')) client->options_.url.pop_back();
  return client;
}

Result<HttpAnswer> HttpClient::post(const std::string& path, const std::vector<std::string>& headers,
                                    std::string_view body, const std::stop_token& stop) {
  CURL* handle = handle_.get();
  curl().easy_reset(handle);  // the connection stays
  std::unique_ptr<curl_slist, ListCloser> list(curl().slist_append(nullptr, "Expect:"));
  for (const std::string& header : headers) list.reset(curl().slist_append(list.release(), header.c_str()));
  std::array<char, CURL_ERROR_SIZE> words{};
  HttpAnswer answer;
  const std::string url = options_.url + path;
  const long timeout_ms = static_cast<long>(options_.timeout.count());
  curl().easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl().easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl().easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);  // a name service that does not answer holds nobody up
  curl().easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
  curl().easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout_ms);
  curl().easy_setopt(handle, CURLOPT_ERRORBUFFER, words.data());
  curl().easy_setopt(handle, CURLOPT_HTTPHEADER, list.get());
  curl().easy_setopt(handle, CURLOPT_POST, 1L);
  curl().easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());
  curl().easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl().easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl().easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
  curl().easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl().easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, look_at_stop);
  curl().easy_setopt(handle, CURLOPT_XFERINFODATA, &stop);
  set_tls(handle, options_.tls);
  if (!options_.user.empty()) {
    curl().easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl().easy_setopt(handle, CURLOPT_USERNAME, options_.user.c_str());
    curl().easy_setopt(handle, CURLOPT_PASSWORD, password_.c_str());
  }
  const CURLcode code = curl().easy_perform(handle);
  curl_off_t uploaded = 0;
  curl().easy_getinfo(handle, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  took_too_long_ = code == CURLE_OPERATION_TIMEDOUT && uploaded > 0;
  if (code != CURLE_OK) {
    const std::string reason = words[0] == '\0' ? curl().easy_strerror(code) : words.data();
    return data_error(fmt::format("{}: {}", options_.url, printable(reason, 200)));
  }
  curl().easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t wait_seconds = 0;
  curl().easy_getinfo(handle, CURLINFO_RETRY_AFTER, &wait_seconds);
  constexpr curl_off_t kLongestWait = 3'600;
  if (wait_seconds > 0) answer.retry_after = std::chrono::seconds(std::min(wait_seconds, kLongestWait));
  return answer;
}

std::string describe(const HttpClient& client, const HttpAnswer& answer) {
  return fmt::format("{} answered {}{}{}", client.options().url, answer.status, answer.body.empty() ? "" : ": ",
                     printable(answer.body, 200));
}

}  // namespace doorslam::sink
