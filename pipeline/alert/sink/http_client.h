#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/sink/tls.h"
#include "pipeline/base/result.h"

namespace doorslam::sink {

struct HttpOptions {
  std::string url;       ///< http://host:port or https://, without a path's last slash and without credentials
  TlsOptions tls;        ///< https: files; the name is the URL's host
  std::string user;      ///< HTTP basic authentication; empty: none
  std::string password;  ///< a reference (read_secret())
  std::string token;     ///< a reference; what the header says of it is the receiver's affair
  std::chrono::milliseconds timeout{10'000};  ///< for connecting, and for the whole of an exchange
};

/// Errors (usage): what is wrong with the URL.
Result<void> check_url(const std::string& url);

struct HttpAnswer {
  long status = 0;
  std::string body;
  std::optional<std::chrono::milliseconds> retry_after;
};

/// Posts over one connection that is kept. Not thread-safe.
class HttpClient {
 public:
  /// Errors (usage): a secret or a TLS file is not usable.
  static Result<std::unique_ptr<HttpClient>> make(const HttpOptions& options);
  ~HttpClient();

  /// `path` is appended to the URL. Errors (data): there is no answer.
  Result<HttpAnswer> post(const std::string& path, const std::vector<std::string>& headers, std::string_view body,
                          const std::stop_token& stop);
  /// The latest post() had a connection, and sent, but had no answer within the time-out.
  bool took_too_long() const noexcept { return took_too_long_; }
  const std::string& token() const noexcept { return token_; }
  const HttpOptions& options() const noexcept { return options_; }

 private:
  explicit HttpClient(HttpOptions options) : options_(std::move(options)) {}

  struct Closer {
    void operator()(void* handle) const noexcept;
  };
  HttpOptions options_;
  std::string token_;
  std::string password_;
  bool took_too_long_ = false;
  std::unique_ptr<void, Closer> handle_;  ///< CURL
};

/// "http://host:1 answered 503: first words of the answer".
std::string describe(const HttpClient& client, const HttpAnswer& answer);

}  // namespace doorslam::sink
