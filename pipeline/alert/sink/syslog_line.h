#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/alert/sink/receiver.h"
#include "pipeline/alert/time_text.h"

namespace doorslam::sink {

struct SyslogIdentity {
  unsigned facility = 16;  ///< RFC 5424, section 6.2.1; 16: local0
  std::string host;        ///< HOSTNAME; empty: this machine's
};

/// Number of the facility of that name ("local0", "daemon"); -1: there is none.
int facility_named(std::string_view name) noexcept;

/// Writes messages in syslog's form. Not thread-safe.
class SyslogLine {
 public:
  explicit SyslogLine(SyslogIdentity identity);

  /// RFC 5424, with what one filters by as structured data. The message proper is UTF-8 without a byte order mark
  /// (MSG-ANY), which parsers of JSON expect.
  void append(const Message& message, std::string& out);
  /// As the C library's syslog() writes to /dev/log: RFC 3164 without a host.
  void append_local(const Message& message, std::string& out);

 private:
  SyslogIdentity identity_;
  std::string process_;
  alert::TimeText time_;
};

}  // namespace doorslam::sink
