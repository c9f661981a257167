#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/alert/sink/receiver.h"
#include "pipeline/alert/sink/socket.h"
#include "pipeline/alert/sink/syslog_line.h"
#include "pipeline/alert/sink/tls.h"
#include "pipeline/base/result.h"

namespace doorslam::sink {

enum class SyslogTransport : std::uint8_t {
  udp,    ///< RFC 5426: no acknowledgement of any kind
  tcp,    ///< RFC 6587, octet counting
  tls,    ///< RFC 5425
  local,  ///< the datagram socket of this machine's syslog
};

struct SyslogOptions {
  SyslogTransport transport = SyslogTransport::tls;
  HostPort target;
  std::string path = "/dev/log";  ///< local
  SyslogIdentity identity;
  TlsOptions tls;
  std::chrono::milliseconds timeout{10'000};  ///< for connecting, and for a receiver that takes nothing
  /// TCP and TLS: what a receiver may hold unread when it dies. So much of the stream is sent again after a break.
  std::size_t resend_octets = std::size_t{8} << 20;
};

/// Errors (usage): the TLS files are not usable.
Result<std::unique_ptr<Receiver>> make_syslog_receiver(const SyslogOptions& options);

}  // namespace doorslam::sink
