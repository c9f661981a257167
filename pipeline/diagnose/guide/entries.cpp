#include <array>

#include "pipeline/diagnose/guide/guide.h"

/// The guide's prose: one entry a cause, in the order of Cause.
namespace doorslam::diagnose {

namespace {

using Strings = std::string_view;

// --- served ---------------------------------------------------------------------------------------------------------

constexpr std::array kServedLookalikes = {
    Lookalike{Cause::client_abort, "the client closes before it has asked for anything"},
    Lookalike{Cause::http_refused, "requests are answered, but with an error status"},
};
constexpr std::array<Strings, 1> kServedReferences = {"RFC 9293, section 3.6 (closing a connection)"};

// --- acl_denied -----------------------------------------------------------------------------------------------------

constexpr std::array kAclLookalikes = {
    Lookalike{Cause::connection_limit,
              "a limit meets any client, and only while many sessions are open; an access list always meets the same "
              "clients, also when nobody else is connected"},
    Lookalike{Cause::rate_limit, "a rate limit lets the client in again when it has waited"},
    Lookalike{Cause::app_crash,
              "a crash ends many connections in the same instant, and the port answers RST from then on"},
    Lookalike{Cause::bad_handshake_ack, "a faulty ACK is answered with RST by the kernel, never with FIN"},
    Lookalike{Cause::middlebox_reset, "a third party sends RST with another TTL, IP ID or window than the server's"},
    Lookalike{Cause::icmp_admin_prohibited, "a packet filter refuses before the handshake is complete"},
    Lookalike{Cause::port_closed, "a port without a listener answers every client's SYN by RST"},
};
constexpr std::array<Strings, 5> kAclChecks = {
    "Read the application's log at this time for this client's address; most programs log the refusal although they "
    "tell the client nothing.",
    "On hosts with tcp_wrappers look into /etc/hosts.allow and /etc/hosts.deny; `ldd $(which PROGRAM) | grep libwrap` "
    "says whether the program asks them, `tcpdmatch PROGRAM ADDRESS` what they answer.",
    "Does the client come from a new network, a VPN or behind another NAT? Then the list may simply not know it yet.",
    "Is the same client served and refused by turns? Then several servers may stand behind the address, and one of "
    "them has another list: the alert says so where their SYN-ACKs differ, in their make or in their clocks.",
    "Did a RST answer the SYN? Then no application was asked: `nft list ruleset`, `iptables -S | grep tcp-reset` and "
    "the lists of ban daemons (fail2ban, CrowdSec) on the server.",
};
constexpr std::array<Strings, 3> kAclReferences = {"hosts_access(5), hosts_options(5)",
                                                   "RFC 9293, section 3.6.1 (RST when data remain unread)",
                                                   "socket(7): with SO_LINGER and a time of 0 a close is a RST"};

// --- connection_limit -----------------------------------------------------------------------------------------------

constexpr std::array kLimitLookalikes = {
    Lookalike{Cause::acl_denied, "an access list refuses the same clients even when few sessions are open"},
    Lookalike{Cause::rate_limit,
              "a rate limit depends on how fast connections arrive, not on how many are open; it ends with time, not "
              "with a session's end"},
    Lookalike{Cause::accept_queue_overflow,
              "there the kernel refuses: the handshake itself does not get through, nothing is closed politely"},
    Lookalike{Cause::maintenance, "a service that is shutting down refuses everybody, however few are connected"},
};
constexpr std::array<Strings, 4> kLimitChecks = {
    "Count the sessions: `ss -Htn state established '( sport = :PORT )' | awk '{print $4}' | sort | uniq -c` on the "
    "server. Does the number stand at a round figure whenever clients are refused?",
    "Who holds the sessions? Idle or leaked ones (no data for hours, clients long gone) ask for shorter idle timeouts "
    "and TCP keep-alives rather than for a higher limit.",
    "Before raising a limit check what stands behind it: file descriptors (`ulimit -n`, LimitNOFILE=), memory per "
    "session, licences.",
    "Do the refusals come in spells, or at the same time of the hour or day (the alert says so where it is beyond "
    "chance)? Then look for what runs at these times: backups, batch jobs, reloads.",
};
constexpr std::array<Strings, 2> kLimitReferences = {"RFC 959 and RFC 5321: reply 421, service not available",
                                                     "RFC 6585, RFC 9110: status 429 and 503"};

// --- rate_limit -----------------------------------------------------------------------------------------------------

constexpr std::array kRateLookalikes = {
    Lookalike{Cause::connection_limit, "a session limit depends on open sessions; waiting alone does not help"},
    Lookalike{Cause::acl_denied, "an access list never lets the client in, however slowly it comes"},
    Lookalike{
        Cause::port_closed,
        "super-servers close the port after a burst, so that SYNs meet RST: xinetd (cps) opens it again by itself, "
        "systemd (TriggerLimit) does not"},
};
constexpr std::array<Strings, 3> kRateChecks = {
    "How fast does this client connect, and must it? A client that reconnects in a loop after an error keeps itself "
    "locked out; connection pooling or back-off mends it.",
    "Several people behind one NAT address share one budget: consider a higher limit for that address.",
    "Ban daemons count failures and add firewall rules: `fail2ban-client status`, `cscli decisions list`, sshguard.",
};
constexpr std::array<Strings, 2> kRateReferences = {"RFC 6585, section 4: status 429", "xinetd.conf(5): cps"};

// --- app_crash ------------------------------------------------------------------------------------------------------

constexpr std::array kCrashLookalikes = {
    Lookalike{Cause::acl_denied, "only some clients are met, and other sessions of the server go on"},
    Lookalike{Cause::maintenance, "an orderly stop says so (421, 57P01, 503) or closes the idle sessions one by one"},
    Lookalike{Cause::middlebox_reset, "an injected RST differs from the server's packets; other servers suffer too"},
};
constexpr std::array<Strings, 4> kCrashChecks = {
    "`journalctl -k | grep -iE 'segfault|oom|killed process'` and `journalctl -u SERVICE` around this time.",
    "`coredumpctl list` and `coredumpctl info PID` name the program and the signal.",
    "Was it a restart by hand, a package upgrade, logrotate or a watchdog? Those end every session at once, too.",
    "What did the connection just before the crash send? Its record (--flows) may show the request that kills.",
};
constexpr std::array<Strings, 3> kCrashReferences = {
    "signal(7), core(5)", "systemd.service(5): Restart=, WatchdogSec=", "RFC 9293, section 3.5.2 (reset generation)"};

// --- port_closed ----------------------------------------------------------------------------------------------------

constexpr std::array kClosedLookalikes = {
    Lookalike{Cause::middlebox_reset,
              "a firewall that rejects with a reset answers in the server's name: other TTL than the server's packets, "
              "no round trip to the server"},
    Lookalike{Cause::acl_denied,
              "a packet filter that rejects one client with a reset: always the same client, while others are accepted "
              "on the same port"},
    Lookalike{Cause::app_crash, "the same port was serving a moment ago and its sessions ended in one instant"},
    Lookalike{Cause::rate_limit,
              "a super-server closed the port after a burst: xinetd opens it again by itself; or a filter that counts "
              "resets some SYNs and lets others through, by turns"},
    Lookalike{Cause::silent_drop, "there nothing answers at all"},
};
constexpr std::array<Strings, 5> kClosedChecks = {
    "`ss -ltnp '( sport = :PORT )'` on the server: does anything listen, and on the address that the client uses "
    "(not 127.0.0.1 or ::1 only)?",
    "`systemctl status SERVICE`: is it stopped, failed, or waiting for its socket?",
    "Are others accepted on this port meanwhile? Then something listens: look for a packet filter that rejects with "
    "tcp reset (`nft list ruleset`, `iptables -S`), or for one of several servers behind the address that is down "
    "(`ipvsadm -Ln`, the endpoints of the Kubernetes service, the load balancer's pool).",
    "Is the client's configuration right: port, host name, the address behind it (`getent ahosts NAME`)?",
    "One client, many ports or many servers: that is a scan; ask whose it is.",
};
constexpr std::array<Strings, 2> kClosedReferences = {"RFC 9293, section 3.5.2, case 1 (no connection: reset)",
                                                      "ss(8), systemd.socket(5)"};

// --- icmp_unreachable -----------------------------------------------------------------------------------------------

constexpr std::array kUnreachableLookalikes = {
    Lookalike{Cause::icmp_admin_prohibited,
              "the code says that a rule forbids it (3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6)"},
    Lookalike{Cause::silent_drop, "there nobody reports an error"},
    Lookalike{Cause::port_closed, "the server's own kernel answers TCP with RST, never with ICMP"},
};
constexpr std::array<Strings, 3> kUnreachableChecks = {
    "Who reports it? The server's own address: a REJECT rule of its packet filter. A router: no route, or no answer to "
    "ARP or neighbour discovery.",
    "On the reporting router: `ip route get SERVER`, `ip neigh show SERVER`; is the host up, is its link up?",
    "On the server: `nft list ruleset | grep -i reject`, `iptables -S | grep REJECT`; port-unreachable is their "
    "default.",
};
constexpr std::array<Strings, 3> kUnreachableReferences = {"RFC 792 (ICMP type 3), RFC 1812, section 5.2.7.1",
                                                           "RFC 4443, section 3.1 (ICMPv6 type 1)",
                                                           "RFC 5461 (how TCP reacts to soft errors)"};

// --- icmp_admin_prohibited ------------------------------------------------------------------------------------------

constexpr std::array kProhibitedLookalikes = {
    Lookalike{Cause::icmp_unreachable, "other ICMP codes: no route, host down, port unreachable"},
    Lookalike{Cause::silent_drop, "a rule that drops instead of rejecting"},
    Lookalike{Cause::acl_denied, "the application's own list lets the handshake complete first"},
};
constexpr std::array<Strings, 3> kProhibitedChecks = {
    "The reporting address names the device with the rule: the server itself, or a router or firewall before it.",
    "On Linux: `nft list ruleset`, `iptables -L -nv --line-numbers` (counters of REJECT rules); firewalld rejects what "
    "its zone does not allow: `firewall-cmd --list-all`.",
    "On routers: the access list of the interface towards the client, and its hit counters.",
};
constexpr std::array<Strings, 2> kProhibitedReferences = {"RFC 1812, section 5.2.7.1 (codes 9, 10 and 13)",
                                                          "RFC 4443, section 3.1 (codes 1, 5 and 6)"};

// --- silent_drop ----------------------------------------------------------------------------------------------------

constexpr std::array kDropLookalikes = {
    Lookalike{
        Cause::accept_queue_overflow,
        "a full listen queue drops SYNs as well, but other connections to this port have completed, and it passes"},
    Lookalike{Cause::icmp_unreachable, "somebody reports an error"},
    Lookalike{Cause::port_closed, "the server answers RST"},
};
constexpr std::array<Strings, 4> kDropChecks = {
    "Does the SYN reach the server? `tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0 and host CLIENT'` on it decides "
    "between the path and the host.",
    "If it arrives: DROP rules (`nft list ruleset`, `iptables -L -nv`), `nstat -az TcpExtListenDrops "
    "TcpExtIPReversePathFilter`, a full conntrack table (`dmesg | grep nf_conntrack`).",
    "If it does not: security groups, firewalls on the path, a route that ends nowhere, the host switched off.",
    "Does the answer take another way, past this capture? Then other connections look one-sided as well.",
};
constexpr std::array<Strings, 2> kDropReferences = {"RFC 9293, section 3.8.3 (retries of the SYN)",
                                                    "RFC 3704 (reverse path filtering)"};

// --- accept_queue_overflow ------------------------------------------------------------------------------------------

constexpr std::array kQueueLookalikes = {
    Lookalike{Cause::server_no_reply,
              "there the connection is complete and data are acknowledged; only the application is mute"},
    Lookalike{Cause::silent_drop, "a filter drops every SYN of the client, also when the server is idle"},
    Lookalike{Cause::bad_handshake_ack, "RST after the third segment as well, but that segment's numbers are wrong"},
    Lookalike{Cause::served,
              "TCP_DEFER_ACCEPT repeats the SYN-ACK until data arrive, too; then the connection goes on normally"},
};
constexpr std::array<Strings, 4> kQueueChecks = {
    "`ss -ltn '( sport = :PORT )'`: Recv-Q is the queue now, Send-Q its limit, the smaller of listen()'s backlog and "
    "net.core.somaxconn.",
    "`nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDoCookies`: do they grow?",
    "Why does the application not accept()? Stopped, out of file descriptors (EMFILE), one thread busy, waiting for a "
    "lock, swapping. A longer queue only hides it.",
    "net.ipv4.tcp_abort_on_overflow=1 turns the silence into RST; net.ipv4.tcp_max_syn_backlog sets the SYN queue.",
};
constexpr std::array<Strings, 2> kQueueReferences = {"listen(2), tcp(7)", "RFC 4987 (SYN flooding), SYN cookies"};

// --- middlebox_reset ------------------------------------------------------------------------------------------------

constexpr std::array kMiddleboxLookalikes = {
    Lookalike{Cause::port_closed, "the server's own RST has the TTL of its other packets and comes a round trip later"},
    Lookalike{Cause::app_crash, "the server's own RSTs fit its TTL, and all of its sessions end"},
    Lookalike{Cause::acl_denied, "the server's own RST after unread data fits its TTL, IP ID and window"},
};
constexpr std::array<Strings, 2> kMiddleboxChecks = {
    "The RST's TTL gives the distance of its sender: compare with traceroute towards the server to find the hop.",
    "Ask for the logs of firewall, IPS, proxy and load balancer at this time for the client's and the server's "
    "address.",
};
constexpr std::array<Strings, 2> kMiddleboxLateChecks = {
    "Idle before the reset? Then a session timeout of a stateful device: set TCP keep-alives below it.",
    "After certain data only? Then content inspection; the last payload before the reset is what it dislikes.",
};
constexpr std::array<Strings, 3> kMiddleboxReferences = {
    "RFC 3360 (inappropriate TCP resets considered harmful)", "RFC 5961 (blind reset attacks)",
    "iptables-extensions(8), nft(8): REJECT --reject-with tcp-reset"};

// --- bad_handshake_ack ----------------------------------------------------------------------------------------------

constexpr std::array kBadAckLookalikes = {
    Lookalike{Cause::accept_queue_overflow, "RST after a correct third segment, where tcp_abort_on_overflow is set"},
    Lookalike{Cause::middlebox_reset, "the numbers are right and the RST is not the server's own"},
    Lookalike{Cause::client_abort, "an old duplicate SYN-ACK makes the client reset, not the server"},
};
constexpr std::array<Strings, 3> kBadAckChecks = {
    "What sits between them and changes numbers: a firewall that randomises sequence numbers on one direction only, a "
    "load balancer, a NAT with an old mapping?",
    "Does the client reuse a port that the server still remembers (TIME-WAIT, a half-open connection)? Then the ACK "
    "fits the earlier connection.",
    "Is the client a scanner or a stack of its own (raw sockets, embedded device)?",
};
constexpr std::array<Strings, 2> kBadAckReferences = {
    "RFC 9293, section 3.10.7.4 (SYN-RECEIVED: an unacceptable ACK is answered with RST)",
    "RFC 9293, section 3.5.1 (half-open connections)"};

// --- client_abort ---------------------------------------------------------------------------------------------------

constexpr std::array kAbortLookalikes = {
    Lookalike{Cause::acl_denied, "there the server closes first"},
    Lookalike{Cause::server_no_reply, "the client has asked something and gives up after waiting"},
    Lookalike{Cause::middlebox_reset, "the RST bears the client's address but not its TTL"},
};
constexpr std::array<Strings, 2> kAbortChecks = {
    "Regular, from one address, to every server: the health check of a load balancer or monitor. Nothing to do.",
    "Many ports or many servers from one address: a scan; ask whose it is.",
};
constexpr std::array<Strings, 1> kAbortReferences = {"RFC 9293, section 3.6 (closing), 3.5.2 (reset)"};

// --- client_vanished ------------------------------------------------------------------------------------------------

constexpr std::array kVanishedLookalikes = {
    Lookalike{Cause::client_zero_window, "the client still acknowledges, but its window is closed"},
    Lookalike{Cause::server_no_reply, "there the server is the silent one"},
    Lookalike{Cause::unknown, "a capture that lost one direction shows the same; look at the capture quality"},
};
constexpr std::array<Strings, 3> kVanishedChecks = {
    "Did the client lose its link, sleep, roam or change its address? Other servers see the same at the same time.",
    "A NAT or firewall on the path that forgot the session drops what follows: compare the idle time with its timeout.",
    "TCP_USER_TIMEOUT and keep-alives on the server free the session sooner.",
};
constexpr std::array<Strings, 2> kVanishedReferences = {"RFC 9293, section 3.8.3 (retransmission, R1 and R2)",
                                                        "tcp(7): tcp_retries2, tcp_keepalive_time"};

// --- client_zero_window ---------------------------------------------------------------------------------------------

constexpr std::array kWindowLookalikes = {
    Lookalike{Cause::client_vanished, "there not even acknowledgements come"},
    Lookalike{Cause::server_no_reply, "the server has nothing to send although the window is open"},
};
constexpr std::array<Strings, 2> kWindowChecks = {
    "The client program does not read: hung, stopped (Ctrl-Z, debugger), waiting for a full disk or a slow consumer.",
    "On the client: `ss -tnm dst SERVER` (Recv-Q full?), then the stack of the process.",
};
constexpr std::array<Strings, 1> kWindowReferences = {"RFC 9293, section 3.8.6.1 (zero-window probing)"};

// --- server_no_reply ------------------------------------------------------------------------------------------------

constexpr std::array kNoReplyLookalikes = {
    Lookalike{Cause::accept_queue_overflow, "there the kernel does not let the handshake complete"},
    Lookalike{Cause::client_abort, "the client did not wait for an answer"},
    Lookalike{Cause::client_zero_window, "the client has closed its window"},
};
constexpr std::array<Strings, 3> kNoReplyChecks = {
    "The kernel acknowledges, the program does not answer: is it stopped, deadlocked, swapping, waiting for a backend "
    "or for DNS? `ps -o stat,wchan -p PID`, `cat /proc/PID/stack`.",
    "`ss -ltn` (Recv-Q of the listener above 0: nobody accepts) and `ss -tn` (Recv-Q of the connection: nobody reads).",
    "Does the client speak the right protocol? A server that waits for TLS, or for the end of a request, is mute too.",
};
constexpr std::array<Strings, 1> kNoReplyReferences = {"ss(8), proc(5)"};

// --- tls_refused ----------------------------------------------------------------------------------------------------

constexpr std::array kTlsLookalikes = {
    Lookalike{Cause::acl_denied, "a refusal by address comes without an alert and whatever the ClientHello says"},
    Lookalike{Cause::middlebox_reset, "filters on the server name (SNI) reset with another TTL than the server's"},
    Lookalike{Cause::auth_failed, "passwords come after the TLS handshake, inside it"},
};
constexpr std::array<Strings, 4> kTlsChecks = {
    "`openssl s_client -connect SERVER:PORT -servername NAME` from the client's side prints alert, protocol and chain.",
    "Who sent the alert? From the client, 42 to 46 and 48 mean that it does not trust the server's certificate: is "
    "that expired, issued for another name, sent without its intermediate certificates, or by a CA that the client "
    "does not know? From the server, 42 to 46, 48 and 116 are about the client's certificate.",
    "Alert 40 handshake_failure: no common cipher; 70: protocol version; 112: server name unknown. An old client "
    "against a hardened server (TLS 1.0, RC4, SHA-1) is a usual reason.",
    "No alert at all: do both speak TLS? Plain HTTP to a TLS port, or a ClientHello to a port without TLS, ends so.",
};
constexpr std::array<Strings, 3> kTlsReferences = {"RFC 8446, section 6 (alerts)", "RFC 5246, section 7.2",
                                                   "RFC 6066, section 3 (server name)"};

// --- http_refused ---------------------------------------------------------------------------------------------------

constexpr std::array kHttpLookalikes = {
    Lookalike{Cause::rate_limit, "status 429, or 503 for fast clients only"},
    Lookalike{Cause::connection_limit, "status 503 while many connections are open"},
    Lookalike{Cause::maintenance, "status 503 for everybody, often with Retry-After"},
    Lookalike{Cause::auth_failed, "status 401 or 407"},
};
constexpr std::array<Strings, 2> kHttpChecks = {
    "The access log names the request, the status and the rule's location; 403 is policy, 400 is the request itself.",
    "Was it the server or a proxy before it? The headers Server and Via of the answer say.",
};
constexpr std::array<Strings, 1> kHttpReferences = {"RFC 9110, section 15 (status codes)"};

// --- auth_failed ----------------------------------------------------------------------------------------------------

constexpr std::array kAuthLookalikes = {
    Lookalike{Cause::acl_denied, "refused before any name or password was sent"},
    Lookalike{Cause::rate_limit, "after many failures the refusal comes at once"},
    Lookalike{Cause::tls_refused, "a client certificate is refused inside the TLS handshake"},
};
constexpr std::array<Strings, 2> kAuthChecks = {
    "The server's authentication log (journalctl, /var/log/auth.log) names the account and the reason.",
    "Changed password, expired account or key, a job with old credentials that repeats? Or many names from one "
    "address: guessing.",
};
constexpr std::array<Strings, 1> kAuthReferences = {"RFC 4252, RFC 4954, RFC 9110 section 11 (authentication)"};

// --- maintenance ----------------------------------------------------------------------------------------------------

constexpr std::array kMaintenanceLookalikes = {
    Lookalike{Cause::connection_limit, "a limit lets newcomers in as soon as a session ends"},
    Lookalike{Cause::app_crash, "a crash says nothing first and cuts the open sessions"},
    Lookalike{Cause::http_refused, "only some requests or clients get the error"},
};
constexpr std::array<Strings, 2> kMaintenanceChecks = {
    "Is there a planned shutdown, restart or recovery? `journalctl -u SERVICE`, the change calendar.",
    "Does it last? A service that stays in recovery or overload needs its administrator, not patience.",
};
constexpr std::array<Strings, 2> kMaintenanceReferences = {"RFC 5321: 421, RFC 3463: 4.3.2",
                                                           "RFC 9110, section 15.6.4 (503, Retry-After)"};

// --- unknown --------------------------------------------------------------------------------------------------------

constexpr std::array<Strings, 3> kUnknownChecks = {
    "Capture both directions and the beginning of the connections; look at the capture quality in the record.",
    "Capture with the full packet length: a short snap length hides what the server said.",
    "A longer capture shows who else was served meanwhile, which tells limits from access lists.",
};

constexpr std::array<GuideEntry, kCauseCount> kEntries = {{
    {Cause::served,
     "Served",
     "The client got what it came for.",
     "The connection was established and used. That includes one-shot services that speak and close, clients that end "
     "a finished session with RST, idle sessions that the server ends after its timeout, receivers that take a file "
     "and close without a word, and sessions where a refusal was not the last word: a login that succeeds at the next "
     "attempt, a request for credentials (HTTP 401, 407), a mail server's answer about one recipient or a greylisted "
     "one.",
     "+0.000000  client ──▶ server  SYN\n"
     "+0.000400  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  ACK\n"
     "+0.001000  client ──▶ server  PSH,ACK  len 78    GET / HTTP/1.1\n"
     "+0.002100  client ◀── server  PSH,ACK  len 612   HTTP/1.1 200 OK\n"
     "+0.002500  client ──▶ server  FIN,ACK            client closes when it is done\n",
     "nobody",
     kServedLookalikes,
     {},
     kServedReferences},
    {Cause::acl_denied, "Refused by client address",
     "The application, or a packet filter on the server, refused this client by its address.",
     "The kernel completes the handshake before the application learns who calls. An application (or its wrapper: "
     "tcp_wrappers, xinetd, nginx allow/deny, pg_hba.conf) that does not want this address therefore refuses an "
     "established connection: it closes at once, with or without a line of explanation. FIN when nothing was left "
     "unread, RST when the client had already spoken. A packet filter on the server that rejects with a reset answers "
     "the SYN already: then the RST has the server's own TTL, and only this client meets it.",
     "+0.000000  client ──▶ server  SYN       seq 0           len 0\n"
     "+0.000420  client ◀── server  SYN,ACK   seq 0  ack 1    len 0\n"
     "+0.000790  client ──▶ server  ACK       seq 1  ack 1    len 0   handshake complete\n"
     "+0.001350  client ◀── server  FIN,ACK   seq 1  ack 1    len 0   server closes without a byte\n"
     "+0.001700  client ──▶ server  FIN,ACK   seq 1  ack 2    len 0\n",
     "the administrator of the server's application", kAclLookalikes, kAclChecks, kAclReferences},
    {Cause::connection_limit, "Connection limit reached",
     "The server refused the connection because as many sessions as it allows were open.",
     "A limit on sessions held at the same time: of the whole service, of one address, of one account, or licence "
     "seats. Programs with manners say so (FTP and SMTP 421, PostgreSQL 53300, MySQL 1040, HTTP 503); others close "
     "without a byte. The ledger tells: refusals come exactly while the number of open sessions stands at its ceiling, "
     "and the next client is served when one of them ends.",
     "+0.000000  client ──▶ server  SYN\n"
     "+0.000410  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  ACK                handshake complete\n"
     "+0.002300  client ◀── server  PSH,ACK  len 57    421 There are too many connected users …\n"
     "+0.002310  client ◀── server  FIN,ACK            server closes\n",
     "the administrator of the server's application", kLimitLookalikes, kLimitChecks, kLimitReferences},
    {Cause::rate_limit, "Rate limit exceeded",
     "The server refused the connection because too many connections or requests came in too short a time.",
     "A budget per unit of time: connections per minute (Postfix anvil, xinetd cps), requests per second (nginx "
     "limit_req), failures before a ban (MySQL max_connect_errors, OpenSSH penalties, fail2ban). It depends on how "
     "fast the client comes, not on what is open, and mostly goes away with waiting (a blocked MySQL host does not).",
     "+0.000000  client ──▶ server  SYN                the 5th connection within 3 s\n"
     "+0.000400  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  ACK\n"
     "+0.003900  client ◀── server  PSH,ACK  len 72    421 4.7.0 … Error: too many connections from …\n"
     "+0.003950  client ◀── server  FIN,ACK            server closes\n",
     "the administrator of the server's application, and the owner of the client", kRateLookalikes, kRateChecks,
     kRateReferences},
    {Cause::app_crash, "Application crashed",
     "The server process died while this connection was open, being accepted or waiting in the queue.",
     "When a process dies the kernel closes all of its connections in the same instant: with FIN where nothing was "
     "unread, with RST where something was, and resets those that still waited to be accepted. From then on nothing "
     "listens, so new SYNs get RST until something restarts the service.",
     "+12.400000  client ◀── server  FIN,ACK            and 11 other sessions in the same millisecond\n"
     "+12.400400  client ──▶ server  ACK\n"
     "+12.400500  client ──▶ server  PSH,ACK  len 20\n"
     "+12.400900  client ◀── server  RST\n"
     "+13.100000  client ──▶ server  SYN                the next connection\n"
     "+13.100400  client ◀── server  RST,ACK            nothing listens any more\n",
     "the administrator of the server's application", kCrashLookalikes, kCrashChecks, kCrashReferences},
    {Cause::port_closed, "Port closed", "Nothing listens on this port: the server's kernel answered the SYN with RST.",
     "The host is up and reachable, but no program has opened the port on that address. The RST acknowledges the SYN "
     "(ACK = ISN + 1), has window 0 and the server's own TTL, and comes one round trip after the SYN.",
     "+0.000000  client ──▶ server  SYN       seq 0           len 0   win 64240  ttl 63\n"
     "+0.000380  client ◀── server  RST,ACK   seq 0  ack 1    len 0   win 0      ttl 64\n",
     "the administrator of the server", kClosedLookalikes, kClosedChecks, kClosedReferences},
    {Cause::icmp_unreachable, "ICMP unreachable", "The SYN was answered with ICMP destination unreachable.",
     "A router has no way to the server, the last router gets no answer from it (host unreachable), or a packet filter "
     "on the server rejects with port unreachable. The ICMP message quotes the SYN, so it belongs to this connection "
     "beyond doubt; its source address names who reports.",
     "+0.000000  client ──▶ server  SYN       seq 0           len 0\n"
     "+0.000350  client ◀── 192.0.2.1  ICMP 3/1  destination unreachable: host unreachable\n",
     "the network administrator", kUnreachableLookalikes, kUnreachableChecks, kUnreachableReferences},
    {Cause::icmp_admin_prohibited, "Administratively prohibited",
     "A packet filter refused the SYN and said so by ICMP.",
     "A rule of a firewall, a router's access list or the server's own packet filter forbids this connection and "
     "reports it: ICMP type 3 codes 9, 10 or 13, ICMPv6 type 1 codes 1, 5 or 6. The source address of the message "
     "names the device that has the rule.",
     "+0.000000  client ──▶ server  SYN       seq 0           len 0\n"
     "+0.000350  client ◀── 192.0.2.1  ICMP 3/13  communication administratively prohibited\n",
     "the administrator of the firewall", kProhibitedLookalikes, kProhibitedChecks, kProhibitedReferences},
    {Cause::silent_drop, "Silently dropped", "The SYN was never answered.",
     "The client repeats its SYN after 1, 3, 7, 15 … seconds and gives up. A packet filter with a DROP rule, a route "
     "into nowhere, a host that is switched off, or a listen queue that overflows. From the packets alone these look "
     "the same; whether the SYN reaches the server decides.",
     "+0.000000  client ──▶ server  SYN\n"
     "+1.024000  client ──▶ server  SYN       asked again\n"
     "+3.072000  client ──▶ server  SYN       asked again\n"
     "+7.168000  client ──▶ server  SYN       asked again; no answer\n",
     "the administrator of the firewall, then of the server", kDropLookalikes, kDropChecks, kDropReferences},
    {Cause::accept_queue_overflow, "Accept queue full",
     "The listen queue of the server was full: its kernel discarded the last step of the handshake or reset it.",
     "The application does not accept() as fast as connections arrive. Linux then ignores the client's final ACK and "
     "repeats the SYN-ACK, drops further SYNs, or (tcp_abort_on_overflow) answers the final ACK with RST. The client "
     "believes itself connected, sends, and meets silence. With SYN cookies there is not even a second SYN-ACK.",
     "+0.000000  client ──▶ server  SYN\n"
     "+0.000400  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  ACK                the client thinks it is connected\n"
     "+1.010000  client ◀── server  SYN,ACK            again: the server has not taken the ACK\n"
     "+1.010400  client ──▶ server  ACK\n"
     "+3.030000  client ◀── server  SYN,ACK            and again\n",
     "the administrator of the server's application", kQueueLookalikes, kQueueChecks, kQueueReferences},
    {Cause::middlebox_reset, "Reset by a third party",
     "The RST was not the server's own: a device on the path made it.",
     "A firewall, intrusion prevention system, load balancer or filter resets the connection in the name of the server "
     "(and often of the client as well). Its RST betrays itself by TTL, IP ID, options or window that do not fit the "
     "other packets of that side, or by coming sooner than a round trip allows.",
     "+0.000000  client ──▶ server  SYN       ttl 64\n"
     "+0.024100  client ◀── server  SYN,ACK   ttl 57   a round trip of 24 ms\n"
     "+0.024200  client ──▶ server  ACK       ttl 64\n"
     "+0.024900  client ◀── server  RST       ttl 63   0.7 ms later and six hops nearer: not the server\n",
     "the administrator of the firewall or IPS", kMiddleboxLookalikes, kMiddleboxChecks, kMiddleboxReferences,
     kMiddleboxLateChecks},
    {Cause::bad_handshake_ack, "Faulty handshake ACK",
     "The client's third handshake segment acknowledged a number that the server had not offered; the server reset it.",
     "In SYN-RECEIVED an ACK that is not acceptable is answered with a RST whose sequence number is that ACK number. "
     "Causes are address translation or load balancing that mixes connections, devices that rewrite sequence numbers "
     "in one direction only, and clients with a TCP stack of their own.",
     "+0.000000  client ──▶ server  SYN       seq 0\n"
     "+0.000400  client ◀── server  SYN,ACK   seq 0       ack 1\n"
     "+0.000800  client ──▶ server  ACK       seq 1       ack 4711     should be 1\n"
     "+0.001150  client ◀── server  RST       seq 4711                 the server refuses that number\n",
     "the network administrator", kBadAckLookalikes, kBadAckChecks, kBadAckReferences},
    {Cause::client_abort, "Client went away",
     "The client itself closed or reset the connection before it asked for anything.",
     "Health checks, port scans and banner grabs: the client has learnt what it wanted to know by connecting. Not a "
     "refusal.",
     "+0.000000  client ──▶ server  SYN\n"
     "+0.000400  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  RST,ACK            the client has seen enough\n",
     "nobody, or the owner of the client", kAbortLookalikes, kAbortChecks, kAbortReferences},
    {Cause::client_vanished, "Client vanished",
     "The client fell silent in the middle of the connection: no ACK, no FIN, no RST.",
     "The server repeats its data with growing pauses and gets no answer at all. The client lost its link or its "
     "power, moved to another network, or a device on the path forgot the session.",
     "+2.000000  client ◀── server  PSH,ACK  len 1448\n"
     "+2.210000  client ◀── server  PSH,ACK  len 1448  again\n"
     "+2.650000  client ◀── server  PSH,ACK  len 1448  again\n"
     "+3.530000  client ◀── server  PSH,ACK  len 1448  again, no answer\n",
     "the owner of the client, or the network administrator", kVanishedLookalikes, kVanishedChecks,
     kVanishedReferences},
    {Cause::client_zero_window, "Client stopped reading",
     "The client's receive window stayed at zero: its program no longer reads.",
     "The client's kernel acknowledges but has no room, so the server may not send. It probes the window with growing "
     "pauses until it opens or a timeout ends the connection.",
     "+4.000000  client ──▶ server  ACK      win 0     zero window\n"
     "+4.200000  client ◀── server  ACK      len 0     window probe (Linux; others send one octet)\n"
     "+4.200400  client ──▶ server  ACK      win 0\n"
     "+4.600000  client ◀── server  ACK      len 0     window probe\n",
     "the owner of the client program", kWindowLookalikes, kWindowChecks, kWindowReferences},
    {Cause::server_no_reply, "Server does not answer",
     "The handshake completed and the client's data were acknowledged, but the application never answered.",
     "The kernel does its part: it completes the handshake and acknowledges what the client sends. The program behind "
     "it does not read or does not answer: stopped, deadlocked, overloaded, waiting for something else. The client "
     "gives up in the end.",
     "+0.000000  client ──▶ server  SYN\n"
     "+0.000400  client ◀── server  SYN,ACK\n"
     "+0.000800  client ──▶ server  ACK\n"
     "+0.001000  client ──▶ server  PSH,ACK  len 14\n"
     "+0.001400  client ◀── server  ACK                acknowledged by the kernel; then nothing\n"
     "+30.00100  client ──▶ server  FIN,ACK            the client gives up\n",
     "the administrator of the server's application", kNoReplyLookalikes, kNoReplyChecks, kNoReplyReferences},
    {Cause::tls_refused, "TLS negotiation refused", "Client and server could not agree on TLS.",
     "No common version or cipher suite, a certificate that the other side does not trust (the server's or the "
     "client's), a server name that the server does not know, or only one of the two speaks TLS at all and the server "
     "closes without an answer. Usually a TLS alert says which; under TLS 1.3 the alert about the client's certificate "
     "comes encrypted, after the handshake seems complete.",
     "+0.000800  client ──▶ server  PSH,ACK  len 517   ClientHello\n"
     "+0.001900  client ◀── server  PSH,ACK  len 7     Alert: fatal, handshake_failure (40)\n"
     "+0.001950  client ◀── server  FIN,ACK            server closes\n",
     "the administrator of the server's application, and the owner of the client", kTlsLookalikes, kTlsChecks,
     kTlsReferences},
    {Cause::http_refused, "HTTP error answer", "The server answered the request with an HTTP error.",
     "TCP (and TLS) worked; the answer to the request is a refusal such as 400 or 403, given by the web server or by a "
     "proxy before it. An error 502, 503 or 504 belongs here, too, where other clients were served and none was "
     "refused, and the server went on to serve: it is of what lies behind the server. 403 stands here whatever its "
     "reason: a status line does not tell a list of addresses from a rule about requests.",
     "+0.001000  client ──▶ server  PSH,ACK  len 78    GET /admin HTTP/1.1\n"
     "+0.001800  client ◀── server  PSH,ACK  len 318   HTTP/1.1 403 Forbidden\n",
     "the administrator of the web server or proxy", kHttpLookalikes, kHttpChecks, kHttpReferences},
    {Cause::auth_failed, "Authentication failed", "The server did not accept the client's credentials and closed.",
     "Wrong password, key or account. Most servers answer with a code (FTP 530, SMTP 535, PostgreSQL 28P01, HTTP 401); "
     "SSH closes after MaxAuthTries without anything readable on the wire. Who logs in at the next attempt was served; "
     "so was whoever is asked for credentials (HTTP 401 or 407) and had not sent any.",
     "+0.010000  client ──▶ server  PSH,ACK  len 16    PASS ********\n"
     "+2.900000  client ◀── server  PSH,ACK  len 22    530 Login incorrect.\n"
     "+2.900100  client ◀── server  FIN,ACK            server closes\n",
     "the owner of the account, then the administrator of the application", kAuthLookalikes, kAuthChecks,
     kAuthReferences},
    {Cause::maintenance, "Service unavailable",
     "The service serves nobody for now: it is shutting down, starting, recovering or too busy as a whole.",
     "The program runs and answers, but serves nobody for now: PostgreSQL 57P03, SMTP 421 4.3.2, HTTP 503 with "
     "Retry-After, a maintenance page. It meets every client alike, while it lasts. A service may say nothing, a proxy "
     "whose server is gone above all: then only the time tells, up to which clients were served.",
     "+0.001000  client ──▶ server  PSH,ACK  len 84    startup message\n"
     "+0.002000  client ◀── server  PSH,ACK  len 69    FATAL 57P03 the database system is shutting down\n"
     "+0.002050  client ◀── server  FIN,ACK            server closes\n",
     "the administrator of the server's application", kMaintenanceLookalikes, kMaintenanceChecks,
     kMaintenanceReferences},
    {Cause::unknown,
     "Cause unknown",
     "The evidence does not reach to say why the connection ended.",
     "Something is missing: one direction, the beginning, the octets, or anything to compare with. doorslam says so "
     "rather than guess; the hypotheses and their probabilities are in the record. A client that speaks another "
     "protocol than all who are served (no PROXY header, SMB version 1) stands here as well, with that sentence: it is "
     "refused by no list, no limit and no fault of the server's. Single connections of unknown cause make no alert. "
     "Five or more, of at least two clients, that one port accepted and closed without a word within five minutes make "
     "one, if it served no newcomer meanwhile: an outage, whatever its reason.",
     "",
     "whoever runs the capture; in an outage, the administrator of the server's application",
     {},
     kUnknownChecks,
     {}},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    if (kEntries[i].cause != static_cast<Cause>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "guide entries stand in the order of Cause");

}  // namespace

const GuideEntry& guide_entry(Cause cause) noexcept { return kEntries[static_cast<std::size_t>(cause)]; }

}  // namespace doorslam::diagnose
