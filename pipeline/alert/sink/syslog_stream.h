#pragma once

#include <memory>

#include "pipeline/alert/sink/syslog_receiver.h"

namespace doorslam::sink {

/// Messages over TCP or TLS (`tls` not null), each with its length before it.
///
/// Theory of operation. Syslog has no acknowledgement: what the receiver's kernel took is lost when the receiver dies
/// before it has read it, and the sender never hears of it. So the last of the stream is always in doubt: at least
/// `resend_octets`, and as much as the receiver's socket was seen to hold. It ceases to be when the stream is ended in
/// good order (receipts.h), which is done whenever it is quiet. After a break everything in doubt is sent again;
/// event.id tells the copies.
std::unique_ptr<Receiver> make_syslog_stream(const SyslogOptions& options, SslContext tls);

}  // namespace doorslam::sink
