#include <array>
#include <cstdint>

#include "config/sink_settings.h"

/// The table of keys of a sink. Defaults are those of the options structs.
namespace doorslam::config {
namespace {

using enum ValueKind;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;
constexpr std::int64_t kHour = 3'600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kTiB = std::int64_t{1} << 40;

constexpr auto kSinkKeys = std::to_array<SinkKey>({
    {.key = {.name = "name",
             .kind = text,
             .fallback = "",
             .help = "By this name the store remembers how far the sink is; one that is renamed begins anew."}},
    {.key =
         {.name = "type", .kind = choice, .fallback = "file", .choices = "file|syslog", .help = "Where it sends to."}},
    {.key = {.name = "format",
             .kind = choice,
             .fallback = "ecs",
             .choices = "ecs|ocsf|eve|cef|leef",
             .help = "What a record looks like (docs/siem.md)."}},
    {.key = {.name = "records",
             .kind = choice,
             .fallback = "alerts",
             .choices = "alerts|flows|all",
             .help = "What it sends; flow records are there as far as store.flows has them stored."}},
    {.key = {.name = "causes", .kind = words, .fallback = "", .help = "Only records of these causes; []: any."}},
    {.key = {.name = "min_severity",
             .kind = count,
             .fallback = "0",
             .least = 0,
             .most = 99,
             .help = "Only alerts of this event.severity at least (21 low, 47 medium, 73 high, 99 critical)."}},
    {.key = {.name = "servers",
             .kind = words,
             .fallback = "",
             .help = "Only records about servers in these networks, as in [192.0.2.0/24]; []: any."}},
    {.key = {.name = "batch",
             .kind = count,
             .fallback = "500",
             .least = 1,
             .most = 100'000,
             .help = "Records handed over at a time."}},
    {.key = {.name = "retry_first_seconds",
             .kind = duration,
             .fallback = "500ms",
             .least = 10 * kMs,
             .most = kHour,
             .help = "After a failure it is tried again after about so long, then after twice that, and so on."}},
    {.key = {.name = "retry_most_seconds",
             .kind = duration,
             .fallback = "15",
             .least = 10 * kMs,
             .most = kHour,
             .help = "The longest pause between two attempts."}},
    {.key = {.name = "timeout_seconds",
             .kind = duration,
             .fallback = "10",
             .least = 100 * kMs,
             .most = kHour,
             .help = "A receiver that does not answer, or takes no data, for so long is taken to be gone."},
     .types = "syslog"},

    {.key = {.name = "path",
             .kind = text,
             .fallback = "",
             .help = "file: the file, one record a line. syslog with transport local: the socket (/dev/log)."},
     .types = "file|syslog",
     .is_path = true},
    {.key = {.name = "rotate_bytes",
             .kind = size,
             .fallback = "0",
             .least = 0,
             .most = kTiB,
             .help = "A file of that size is renamed to PATH.1, an older PATH.1 to PATH.2 and so on; 0: never. SIGUSR1 "
                     "opens the file anew, for logrotate."},
     .types = "file"},
    {.key = {.name = "rotate_seconds",
             .kind = duration,
             .fallback = "0",
             .least = 0,
             .most = 366 * kDay,
             .help = "The same with a file so old; 0: never."},
     .types = "file"},
    {.key = {.name = "keep",
             .kind = count,
             .fallback = "8",
             .least = 0,
             .most = 10'000,
             .help = "Renamed files that are kept."},
     .types = "file"},

    {.key = {.name = "transport",
             .kind = choice,
             .fallback = "tls",
             .choices = "tls|tcp|udp|local",
             .help = "tls (RFC 5425), tcp (RFC 6587 with octet counting), udp (RFC 5426; nothing tells what is lost), "
                     "local (/dev/log)."},
     .types = "syslog"},
    {.key = {.name = "address",
             .kind = text,
             .fallback = "",
             .help = "host:port; without a port 6514 (tls), 601 (tcp) or 514 (udp)."},
     .types = "syslog"},
    {.key = {.name = "facility",
             .kind = choice,
             .fallback = "local0",
             .choices =
                 "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|ntp|audit|alert|clock|local0|"
                 "local1|local2|local3|local4|local5|local6|local7",
             .help = "Of the messages (RFC 5424, table 1)."},
     .types = "syslog"},
    {.key = {.name = "hostname",
             .kind = text,
             .fallback = "",
             .help = "HOSTNAME of the messages; empty: this machine's name."},
     .types = "syslog"},
    {.key = {.name = "resend_bytes",
             .kind = size,
             .fallback = "8MiB",
             .least = 0,
             .most = 1024 * kMiB,
             .help = "Transport tcp and tls: after a broken connection so much of what was sent last is sent again, as "
                     "the receiver may have died with it unread. More than a socket's buffer holds."},
     .types = "syslog"},
    {.key = {.name = "ca",
             .kind = text,
             .fallback = "",
             .help = "File of the certificates (PEM) that the server's is verified with; empty: the system's."},
     .types = "syslog",
     .is_path = true},
    {.key = {.name = "certificate",
             .kind = text,
             .fallback = "",
             .help = "File of our own certificate and its chain (PEM), for servers that want one."},
     .types = "syslog",
     .is_path = true},
    {.key = {.name = "key", .kind = text, .fallback = "", .help = "File of that certificate's private key (PEM)."},
     .types = "syslog",
     .is_path = true},
    {.key = {.name = "server_name",
             .kind = text,
             .fallback = "",
             .help = "Whom the server's certificate must name; empty: the host of the address."},
     .types = "syslog"},
});

}  // namespace

std::span<const SinkKey> sink_keys() noexcept { return kSinkKeys; }

}  // namespace doorslam::config
