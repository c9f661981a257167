#include "pipeline/alert/sink/syslog_receiver.h"

#include "pipeline/alert/sink/syslog_datagrams.h"
#include "pipeline/alert/sink/syslog_stream.h"

namespace doorslam::sink {

Result<std::unique_ptr<Receiver>> make_syslog_receiver(const SyslogOptions& options) {
  const bool stream = options.transport == SyslogTransport::tcp || options.transport == SyslogTransport::tls;
  if (!stream) return make_syslog_datagrams(options);
  SslContext tls;
  if (options.transport == SyslogTransport::tls) {
    auto context = make_tls_context(options.tls);
    if (!context) return tl::unexpected(context.error());
    tls = std::move(*context);
  }
  return make_syslog_stream(options, std::move(tls));
}

}  // namespace doorslam::sink
