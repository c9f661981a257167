#pragma once

#include <memory>
#include <string>

#include "pipeline/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace doorslam::sink {

struct TlsOptions {
  std::string ca;           ///< file of trusted certificates (PEM); empty: the system's
  std::string certificate;  ///< file of our own certificate and its chain (PEM); empty: none is shown
  std::string key;          ///< file of its private key (PEM)
  std::string server_name;  ///< whom the server's certificate must name; empty: the host that we connect to
};

struct SslContextDeleter {
  void operator()(ssl_ctx_st* context) const noexcept;
};
struct SslDeleter {
  void operator()(ssl_st* session) const noexcept;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslContextDeleter>;
using Ssl = std::unique_ptr<ssl_st, SslDeleter>;

/// What all TLS connections of a sink share: TLS 1.2 at least, the server's certificate verified. Errors (usage): a
/// file cannot be read, or the key does not fit the certificate.
Result<SslContext> make_tls_context(const TlsOptions& options);

/// A client's session on a connected socket that has yet to shake hands. `name` is whom the certificate must be for: a
/// DNS name or an address.
Result<Ssl> make_tls_session(ssl_ctx_st& context, int descriptor, const std::string& name);

/// After a call that failed with `error`: the other side has ended the session or, as many do, the connection alone.
bool is_end_of_session(int error);

/// Why the latest call on `session` failed, with the certificate's fault where that is the reason.
std::string tls_trouble(ssl_st* session, int error);

}  // namespace doorslam::sink
