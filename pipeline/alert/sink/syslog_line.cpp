#include "pipeline/alert/sink/syslog_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include "pipeline/base/text.h"

namespace doorslam::sink {

namespace {

constexpr std::array<std::string_view, 24> kFacilities = {"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                                          "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                                          "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                                          "local2", "local3", "local4", "local5", "local6",   "local7"};

/// The number reserved for documentation (RFC 5612): doorslam has none of its own.
constexpr std::string_view kStructuredDataId = "doorslam@32473";

/// RFC 5424, table 2.
unsigned syslog_severity(int severity) {
  if (severity >= 99) return 2;
  if (severity >= 73) return 3;
  if (severity >= 47) return 4;
  return severity > 0 ? 5 : 6;
}

/// RFC 5424, section 6: printable US-ASCII without blanks, bounded; "-" where nothing is left.
std::string header_word(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += c > ' ' && c < 0x7f ? c : '_';
  return out.empty() ? "-" : out;
}

std::string this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : std::string();
}

}  // namespace

int facility_named(std::string_view name) noexcept {
  const auto found = std::find(kFacilities.begin(), kFacilities.end(), name);
  return found == kFacilities.end() ? -1 : static_cast<int>(found - kFacilities.begin());
}

SyslogLine::SyslogLine(SyslogIdentity identity)
    : identity_(std::move(identity)), process_(fmt::format("{}", getpid())) {
  constexpr std::size_t kLongestHost = 255;
  identity_.host = header_word(identity_.host.empty() ? this_host() : identity_.host, kLongestHost);
}

void SyslogLine::append(const Message& message, std::string& out) {
  const store::Record& record = *message.record;
  // RFC 5424 allows microseconds, no more.
  constexpr std::size_t kToMicroseconds = 26;
  const std::string_view time = time_.of(record.time_ns).substr(0, kToMicroseconds);
  // Nothing here needs escaping (section 6.3.3): hexadecimal, names of causes, addresses, numbers.
  fmt::format_to(std::back_inserter(out),
                 R"(<{}>1 {}Z {} doorslam {} {} [{} id="{}" cause="{}" severity="{}" server="{}" port="{}"] {})",
                 identity_.facility * 8 + syslog_severity(record.severity), time, identity_.host, process_,
                 name_of(record.kind), kStructuredDataId, record.id, name_of(record.cause), record.severity,
                 AddressText(record.server.address).view(), record.server.port, message.body);
}

void SyslogLine::append_local(const Message& message, std::string& out) {
  const store::Record& record = *message.record;
  const std::time_t seconds = record.time_ns / flowtable::kSecondNs;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> time{};
  std::strftime(time.data(), time.size(), "%b %e %H:%M:%S", &local);
  fmt::format_to(std::back_inserter(out), "<{}>{} doorslam[{}]: {}",
                 identity_.facility * 8 + syslog_severity(record.severity), time.data(), process_, message.body);
}

}  // namespace doorslam::sink
