#pragma once

#include <memory>

#include "pipeline/alert/sink/syslog_receiver.h"

namespace doorslam::sink {

/// Messages over TCP or TLS (`tls` not null), each with its length before it.
///
/// Theory of operation. Syslog has no acknowledgement: what the receiver's kernel took is lost when the receiver dies
/// before it has read it, and the sender never hears of it. So the last `resend_octets` of the stream, more than a
/// socket holds, are always in doubt. They cease to be when the stream is ended in good order: the receiver's FIN after
/// ours, without a reset, says that it has read everything, because a kernel answers unread data with a reset; and a
/// second connection, made before, outlives the first, so that it was no dying process whose kernel sent that FIN. The
/// stream is ended so whenever it is quiet. After a break everything in doubt is sent again; event.id tells the copies.
std::unique_ptr<Receiver> make_syslog_stream(const SyslogOptions& options, SslContext tls);

}  // namespace doorslam::sink
