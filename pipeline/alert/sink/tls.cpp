#include "pipeline/alert/sink/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>

namespace doorslam::sink {

namespace {

/// The library's latest reason; its queue is empty then.
std::string library_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : "unknown TLS error";
}

bool is_address(const std::string& name) {
  unsigned char octets[sizeof(in6_addr)];
  return inet_pton(AF_INET, name.c_str(), octets) == 1 || inet_pton(AF_INET6, name.c_str(), octets) == 1;
}

}  // namespace

void SslContextDeleter::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void SslDeleter::operator()(ssl_st* session) const noexcept { SSL_free(session); }

Result<SslContext> make_tls_context(const TlsOptions& options) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return data_error("TLS: " + library_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (options.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), options.ca.c_str(), nullptr) != 1) {
    return usage_error(fmt::format("ca: {}: {}; name a file of certificates in PEM", options.ca, library_reason()));
  }
  if (options.certificate.empty() && options.key.empty()) return context;
  if (options.certificate.empty() || options.key.empty()) {
    return usage_error("certificate and key belong together; name both or neither");
  }
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate.c_str()) != 1) {
    return usage_error(
        fmt::format("certificate: {}: {}; name a certificate in PEM", options.certificate, library_reason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), options.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return usage_error(fmt::format("key: {}: {}; name the certificate's private key in PEM, without a passphrase",
                                   options.key, library_reason()));
  }
  return context;
}

Result<Ssl> make_tls_session(ssl_ctx_st& context, int descriptor, const std::string& name) {
  Ssl session(SSL_new(&context));
  if (!session || SSL_set_fd(session.get(), descriptor) != 1) return data_error("TLS: " + library_reason());
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.get()), name.c_str());
  } else {
    // The macro SSL_set_tlsext_host_name() has a cast that our warnings forbid.
    SSL_ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name.c_str()));
    SSL_set_hostflags(session.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(session.get(), name.c_str());
  }
  SSL_set_connect_state(session.get());
  return session;
}

bool is_end_of_session(int error) {
  if (error == SSL_ERROR_ZERO_RETURN) return true;
  const unsigned long reason = ERR_peek_last_error();
  if (error == SSL_ERROR_SYSCALL) return reason == 0 && errno == 0;
  return error == SSL_ERROR_SSL && ERR_GET_LIB(reason) == ERR_LIB_SSL &&
         ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

std::string tls_trouble(ssl_st* session, int error) {
  const long verdict = SSL_get_verify_result(session);
  if (verdict != X509_V_OK) {
    ERR_clear_error();
    return fmt::format("the server's certificate is not accepted: {}", X509_verify_cert_error_string(verdict));
  }
  if (error == SSL_ERROR_ZERO_RETURN) return "the server ended the TLS session";
  if (error == SSL_ERROR_SYSCALL && ERR_peek_last_error() == 0) {
    return errno == 0 ? "the server closed the connection" : std::strerror(errno);
  }
  return "TLS: " + library_reason();
}

}  // namespace doorslam::sink
