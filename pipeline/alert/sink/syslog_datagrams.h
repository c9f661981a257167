#pragma once

#include <memory>

#include "pipeline/alert/sink/syslog_receiver.h"

namespace doorslam::sink {

/// One datagram a message, over UDP or to the local socket. Nobody acknowledges UDP: what the network or the receiver
/// drops is lost. The local socket waits while the receiver's queue is full.
std::unique_ptr<Receiver> make_syslog_datagrams(const SyslogOptions& options);

}  // namespace doorslam::sink
