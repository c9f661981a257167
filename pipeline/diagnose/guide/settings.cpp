#include "pipeline/diagnose/guide/settings.h"

#include <array>

/// Facts from the programs' manuals: which setting refuses connections, and where it stands.
namespace doorslam::diagnose {

namespace {

using enum Cause;

constexpr auto kSettings = std::to_array<Setting>({
    // --- FTP --------------------------------------------------------------------------------------------------------
    {"vsftpd",
     "ftp",
     {connection_limit},
     "max_clients (all sessions: \"421 There are too many connected users\") and max_per_ip (of one address: \"421 "
     "There are too many connections from your internet address\") in /etc/vsftpd.conf; 0 means no limit."},
    {"vsftpd",
     "ftp",
     {acl_denied},
     "tcp_wrappers=YES in /etc/vsftpd.conf hands the client's address to /etc/hosts.allow and /etc/hosts.deny (\"421 "
     "Service not available\"): look there for a rule on the client, its network or its reverse DNS name."},
    {"vsftpd",
     "ftp",
     {auth_failed},
     "/etc/ftpusers, userlist_enable and userlist_file, PAM (/etc/pam.d/vsftpd; pam_shells wants the login shell in "
     "/etc/shells), local_enable; max_login_fails sets after how many failures it closes."},
    {"vsftpd",
     "ftp",
     {app_crash, maintenance},
     "\"500 OOPS: …\" is vsftpd giving up over its own configuration, e.g. a writable root inside chroot() "
     "(allow_writeable_chroot) or a missing secure_chroot_dir."},
    {"proftpd",
     "ftp",
     {connection_limit},
     "MaxInstances (whole daemon, closes without a byte), MaxClients, MaxClientsPerHost, MaxConnectionsPerHost and "
     "MaxHostsPerUser in /etc/proftpd/proftpd.conf; ftpwho shows the sessions."},
    {"proftpd",
     "ftp",
     {rate_limit},
     "MaxConnectionRate (closes without a byte), and mod_ban: BanOnEvent rules; `ftpdctl ban info` lists the banned."},
    {"proftpd",
     "ftp",
     {acl_denied},
     "<Limit LOGIN> with Allow from / Deny from, From classes, and mod_wrap2 (WrapTables, hosts.allow and hosts.deny) "
     "in proftpd.conf."},
    {"proftpd", "ftp", {maintenance}, "ftpshut closes the server (/etc/shutmsg); `ftpshut -R` opens it again."},
    {"proftpd", "ftp", {auth_failed}, "AuthOrder, RequireValidShell, UseFtpUsers, MaxLoginAttempts."},
    {"pure-ftpd",
     "ftp",
     {connection_limit},
     "-c or MaxClientsNumber (all clients), -C or MaxClientsPerIP (one address), -y or PerUserLimits (one account); on "
     "Debian one file each in /etc/pure-ftpd/conf."},
    {"pure-ftpd",
     "ftp",
     {acl_denied},
     "pure-pw usermod -r and -R: the client addresses that a virtual user may and may not come from. Behind inetd or "
     "xinetd: tcpd with /etc/hosts.allow and /etc/hosts.deny."},

    // --- SMTP -------------------------------------------------------------------------------------------------------
    {"postfix",
     "smtp",
     {connection_limit},
     "smtpd_client_connection_count_limit (default 50 at a time for one client), counted by anvil(8); the log says "
     "\"Connection concurrency limit exceeded\". smtpd_client_event_limit_exceptions spares networks (default: "
     "$mynetworks)."},
    {"postfix",
     "smtp",
     {rate_limit},
     "smtpd_client_connection_rate_limit within anvil_rate_time_unit (60 s); the log says \"Connection rate limit "
     "exceeded\". smtpd_client_event_limit_exceptions spares networks. The text 421 4.7.0 is the same as for "
     "concurrency."},
    {"postfix",
     "smtp",
     {acl_denied},
     "smtpd_client_restrictions (check_client_access tables, reject_rbl_client, reject_unknown_client_hostname) and "
     "mynetworks in /etc/postfix/main.cf; `postmap -q ADDRESS cidr:TABLE` tests a table. With "
     "smtpd_delay_reject=no the refusal comes at once."},
    {"postscreen",
     "smtp",
     {acl_denied},
     "postscreen_access_list, postscreen_denylist_action, postscreen_dnsbl_sites and postscreen_greet_action: "
     "postscreen(8) refuses before smtpd sees the client."},
    {"postscreen",
     "smtp",
     {maintenance, connection_limit},
     "postscreen_pre_queue_limit and postscreen_post_queue_limit (default: default_process_limit, 100): \"421 4.3.2 "
     "All server ports are busy\"; raise default_process_limit or smtpd's maxproc in master.cf. "
     "postscreen_client_connection_count_limit counts one client."},
    {"postfix",
     "smtp",
     {tls_refused},
     "smtpd_tls_security_level, smtpd_tls_mandatory_protocols, smtpd_tls_mandatory_ciphers, smtpd_tls_req_ccert."},
    {"postfix",
     "smtp",
     {auth_failed},
     "smtpd_sasl_type, smtpd_sasl_path; the log line \"SASL … authentication failed\"."},
    {"exim",
     "smtp",
     {connection_limit},
     "smtp_accept_max, smtp_accept_max_per_host, smtp_accept_reserve with smtp_reserve_hosts; smtp_load_reserve "
     "refuses under load."},
    {"exim", "smtp", {acl_denied}, "host_reject_connection and acl_smtp_connect; `exim -bh ADDRESS` plays it through."},
    {"exim", "smtp", {rate_limit}, "ratelimit conditions in acl_smtp_connect; exim_dumpdb shows the counters."},
    {"sendmail",
     "smtp",
     {connection_limit, rate_limit},
     "MaxDaemonChildren, ConnectionRateThrottle, FEATURE(conncontrol) and FEATURE(ratecontrol) with ClientConn: and "
     "ClientRate: entries in the access map."},
    {"sendmail", "smtp", {acl_denied}, "Connect: entries in /etc/mail/access, libwrap, DNS block lists."},
    {"sendmail", "smtp", {maintenance}, "RefuseLA and QueueLA: refuses above that load average."},

    // --- POP3, IMAP -------------------------------------------------------------------------------------------------
    {"dovecot",
     "imap pop3",
     {connection_limit},
     "mail_max_userip_connections (default 10 for one user from one address); service imap-login { client_limit, "
     "process_limit } for logins; the log says \"Maximum number of connections … exceeded\"."},
    {"dovecot", "imap pop3", {acl_denied}, "login_access_sockets = tcpwrap, allow_nets of the passdb; firewall."},
    {"dovecot",
     "imap pop3",
     {rate_limit, auth_failed},
     "auth penalty (anvil) delays after failures; auth_policy_*; `doveadm auth test USER` checks the password, "
     "auth_verbose=yes logs why."},
    {"dovecot", "imap pop3", {tls_refused}, "ssl_min_protocol, ssl_cipher_list, ssl_verify_client_cert."},
    {"cyrus",
     "imap pop3",
     {connection_limit, acl_denied},
     "maxlogins_per_host and maxlogins_per_user in imapd.conf; maxchild in cyrus.conf; libwrap by service name."},

    // --- SSH --------------------------------------------------------------------------------------------------------
    {"openssh",
     "ssh",
     {connection_limit},
     "MaxStartups start:rate:full (default 10:30:100) counts connections not yet logged in, PerSourceMaxStartups those "
     "of one source (PerSourceNetBlockSize); LoginGraceTime says how long each may stay. `sshd -T | grep -i startups`; "
     "the log says \"drop connection … past MaxStartups\"."},
    {"openssh",
     "ssh",
     {rate_limit},
     "PerSourcePenalties (9.8 and later: \"Not allowed at this time\") shuts a source out after failures; "
     "PerSourcePenaltyExemptList spares networks. Also fail2ban and sshguard."},
    {"openssh",
     "ssh",
     {acl_denied},
     "/etc/hosts.allow and /etc/hosts.deny for sshd (Debian builds with libwrap; it closes before the version line); "
     "fail2ban. AllowUsers USER@NETWORK and Match Address act later, at login."},
    {"openssh",
     "ssh",
     {auth_failed},
     "MaxAuthTries, PasswordAuthentication, AllowUsers, AllowGroups; StrictModes wants ~/.ssh writable by its owner "
     "alone. `journalctl -u ssh` tells; an agent with many keys uses up MaxAuthTries (IdentitiesOnly yes)."},
    {"dropbear",
     "ssh",
     {connection_limit},
     "MAX_UNAUTH_CLIENTS and MAX_UNAUTH_PER_IP are fixed when dropbear is compiled; -T limits login attempts."},

    // --- HTTP -------------------------------------------------------------------------------------------------------
    {"nginx",
     "http https",
     {connection_limit},
     "limit_conn with its limit_conn_zone (limit_conn_status, default 503; in stream{} it closes without a byte); the "
     "error log says \"limiting connections by zone\". worker_connections and worker_rlimit_nofile when the log says "
     "\"worker_connections are not enough\"."},
    {"nginx",
     "http https",
     {rate_limit},
     "limit_req with its limit_req_zone (rate, burst, nodelay; limit_req_status, default 503); the error log says "
     "\"limiting requests, excess\"."},
    {"nginx",
     "http https any",
     {acl_denied},
     "allow and deny (http: 403; stream: closes without a byte), geo and map blocks, and `return 444`, which closes "
     "without a byte: `nginx -T | grep -nE '444|deny|geo'`."},
    {"nginx",
     "http https",
     {tls_refused},
     "ssl_reject_handshake on (unknown server name), ssl_protocols, ssl_ciphers, ssl_verify_client; error_log … info "
     "logs failed handshakes."},
    {"nginx",
     "http https",
     {http_refused},
     "allow/deny, auth_basic, auth_request, valid_referers, missing index or "
     "file permissions (403); the error log says which (\"access forbidden by rule\")."},
    {"nginx",
     "http https",
     {maintenance},
     "`return 503` or error_page of a maintenance block; upstream down (502, "
     "504): max_fails, fail_timeout."},
    {"nginx", "http https", {app_crash}, "The error log: \"worker process … exited on signal\"; third-party modules."},
    {"nginx", "http https", {accept_queue_overflow}, "listen … backlog=N (default 511) and net.core.somaxconn."},
    {"apache",
     "http https",
     {connection_limit, accept_queue_overflow, server_no_reply},
     "MaxRequestWorkers and ServerLimit: when \"server reached MaxRequestWorkers setting\" stands in the error log, "
     "clients wait in the kernel's queue (ListenBacklog). mod_qos QS_SrvMaxConnPerIP refuses single addresses."},
    {"apache", "http https", {rate_limit}, "mod_evasive (DOSPageCount, DOSBlockingPeriod), mod_qos, mod_security."},
    {"apache",
     "http https",
     {acl_denied, http_refused},
     "Require ip, Require not ip, Require all denied (403): the error log says \"client denied by server "
     "configuration\"."},
    {"apache", "http https", {tls_refused}, "SSLProtocol, SSLCipherSuite, SSLVerifyClient, SSLStrictSNIVHostCheck."},
    {"haproxy",
     "http https",
     {connection_limit},
     "maxconn (global, frontend, server; beyond, clients wait in the kernel's queue and `timeout queue` ends in 503); "
     "stick-table conn_cur with `tcp-request connection reject`."},
    {"haproxy",
     "http https",
     {rate_limit},
     "stick-table conn_rate or http_req_rate with reject, deny deny_status 429 or tarpit; `show table` on the stats "
     "socket."},
    {"haproxy",
     "http https",
     {acl_denied, silent_drop},
     "tcp-request connection reject, http-request deny, silent-drop (leaves the client without any answer)."},
    {"haproxy", "http https", {maintenance}, "503 with no server available: backend health checks, `show stat`."},
    {"squid",
     "http",
     {http_refused, acl_denied},
     "The order of http_access rules in squid.conf (first match wins); access.log says TCP_DENIED/403."},
    {"squid", "http", {connection_limit}, "client_ip_max_connections, acl … maxconn N, max_filedescriptors."},
    {"squid", "http", {auth_failed}, "auth_param and the helper behind it; access.log says TCP_DENIED/407."},
    {"tinyproxy", "http", {connection_limit, acl_denied}, "MaxClients; Allow and Deny in tinyproxy.conf."},
    {"envoy",
     "http https",
     {connection_limit, rate_limit, maintenance},
     "circuit_breakers, overload_manager, local_ratelimit; %RESPONSE_FLAGS% in the access log (UO, RL, UH)."},
    {"elasticsearch",
     "http",
     {rate_limit, maintenance},
     "429: thread pool queue full (es_rejected_execution) or circuit breaker; `GET _nodes/stats/thread_pool`."},

    // --- databases --------------------------------------------------------------------------------------------------
    {"postgresql",
     "postgresql",
     {connection_limit},
     "max_connections and superuser_reserved_connections in postgresql.conf (SQLSTATE 53300), CONNECTION LIMIT of role "
     "or database; pg_stat_activity shows who sits there idle. A pooler (PgBouncer) helps more than a higher limit."},
    {"postgresql",
     "postgresql",
     {acl_denied},
     "pg_hba.conf has no entry, or a reject entry, for this address, user, database and TLS state (SQLSTATE 28000); "
     "first match wins; `SELECT * FROM pg_hba_file_rules`; reload after the change."},
    {"postgresql",
     "postgresql",
     {auth_failed},
     "SQLSTATE 28P01: the password, or the method in pg_hba.conf (scram-sha-256 against an md5 password); the server "
     "log names the matching line of pg_hba.conf."},
    {"postgresql",
     "postgresql",
     {maintenance},
     "SQLSTATE 57P03: starting up, shutting down or in recovery. A smart shutdown waits for open sessions: `pg_ctl "
     "stop -m fast` does not."},
    {"postgresql",
     "postgresql",
     {app_crash},
     "One backend's crash ends all others (SQLSTATE 57P02): the server log says \"server process … was terminated by "
     "signal\"; look for the OOM killer and for extensions written in C."},
    {"pgbouncer",
     "postgresql",
     {connection_limit},
     "max_client_conn, default_pool_size, max_db_connections in pgbouncer.ini; `SHOW POOLS` in its console."},
    {"mysql",
     "mysql",
     {connection_limit},
     "max_connections (error 1040), max_user_connections (1203), MAX_USER_CONNECTIONS of the account (1226); `SHOW "
     "STATUS LIKE 'Max_used_connections'`, wait_timeout for idle ones."},
    {"mysql",
     "mysql",
     {acl_denied},
     "Error 1130: no account with a matching Host in mysql.user (`SELECT user, host FROM mysql.user`); bind_address, "
     "skip_name_resolve."},
    {"mysql",
     "mysql",
     {rate_limit},
     "Error 1129, host blocked: more than max_connect_errors broken handshakes; `FLUSH HOSTS` (or TRUNCATE TABLE "
     "performance_schema.host_cache) frees it. MAX_CONNECTIONS_PER_HOUR of the account (1226)."},
    {"mysql", "mysql", {auth_failed}, "Error 1045: password, account's Host, authentication plugin."},
    {"mysql", "mysql", {accept_queue_overflow}, "back_log and net.core.somaxconn."},
    {"redis",
     "redis",
     {connection_limit},
     "maxclients (default 10000; \"-ERR max number of clients reached\"), lowered at start when `ulimit -n` is less; "
     "`redis-cli CLIENT LIST` shows who is connected, `timeout` ends idle clients."},
    {"redis",
     "redis",
     {acl_denied},
     "protected-mode yes without a password answers \"-DENIED\" to any client but localhost: set requirepass or an "
     "ACL, and bind; do not simply switch it off."},
    {"redis", "redis", {auth_failed}, "requirepass, ACL LIST, ACL LOG (NOAUTH, WRONGPASS)."},
    {"redis",
     "redis",
     {maintenance},
     "-LOADING, -MASTERDOWN, -BUSY: loading its data, replica without master, script."},
    {"redis",
     "redis",
     {accept_queue_overflow},
     "tcp-backlog (511) and net.core.somaxconn; a blocked event loop: "
     "SLOWLOG GET, LATENCY DOCTOR."},
    {"mongodb",
     "mongodb",
     {connection_limit},
     "net.maxIncomingConnections and `ulimit -n`: mongod closes without a byte and logs \"Connection refused because "
     "there are too many open connections\"; db.serverStatus().connections."},
    {"mongodb",
     "mongodb",
     {acl_denied},
     "net.bindIp, authenticationRestrictions (clientSource), clusterIpSourceAllowlist."},
    {"memcached", "memcached", {connection_limit}, "-c (default 1024), -o maxconns_fast; `stats` listen_disabled_num."},
    {"cassandra",
     "cql",
     {connection_limit},
     "native_transport_max_concurrent_connections and …_per_ip in cassandra.yaml; closes without a byte."},
    {"oracle", "tns", {acl_denied}, "tcp.validnode_checking, tcp.invited_nodes, tcp.excluded_nodes in sqlnet.ora."},
    {"oracle",
     "tns",
     {connection_limit, rate_limit},
     "PROCESSES and SESSIONS (ORA-12516, ORA-12520), listener "
     "CONNECTION_RATE."},
    {"mssql",
     "tds",
     {connection_limit, acl_denied},
     "sp_configure 'user connections'; logon triggers; Windows firewall."},
    {"zookeeper",
     "zookeeper",
     {connection_limit},
     "maxClientCnxns (default 60 of one address) and maxCnxns in zoo.cfg; closes without a byte."},
    {"kafka",
     "kafka",
     {connection_limit, rate_limit},
     "max.connections, max.connections.per.ip, max.connection.creation.rate, and their overrides."},

    // --- messaging, directory, files --------------------------------------------------------------------------------
    {"mosquitto",
     "mqtt",
     {connection_limit},
     "max_connections of the listener in mosquitto.conf (closes without a "
     "byte); `ulimit -n`."},
    {"mosquitto",
     "mqtt",
     {acl_denied, auth_failed},
     "allow_anonymous, password_file, acl_file, bind_address; libwrap "
     "where built with it. CONNACK 4 and 5 (MQTT 5: 0x86, 0x87)."},
    {"rabbitmq",
     "amqp",
     {connection_limit},
     "connection_max, vhost and user limits (`rabbitmqctl list_vhost_limits`), "
     "file descriptors."},
    {"rabbitmq", "amqp", {acl_denied, auth_failed}, "loopback_users (guest from localhost only), vhost permissions."},
    {"openldap",
     "ldap",
     {connection_limit},
     "File descriptors of slapd (`ulimit -n`), conn_max_pending, olcIdleTimeout."},
    {"openldap", "ldap", {acl_denied}, "libwrap for slapd (/etc/hosts.deny); olcAccess with peername; olcSecurity."},
    {"openldap", "ldap", {tls_refused}, "olcTLSVerifyClient, olcTLSProtocolMin, olcTLSCipherSuite."},
    {"rsync",
     "rsync",
     {connection_limit},
     "max connections and its lock file in rsyncd.conf: \"@ERROR: max connections "
     "(N) reached\"."},
    {"rsync", "rsync", {acl_denied}, "hosts allow and hosts deny in rsyncd.conf: \"@ERROR: access denied to …\"."},
    {"samba", "smb", {connection_limit}, "max smbd processes, max connections of the share; `smbstatus`."},
    {"samba", "smb", {acl_denied}, "hosts allow, hosts deny, interfaces with bind interfaces only in smb.conf."},
    {"tigervnc",
     "vnc",
     {rate_limit, auth_failed},
     "BlacklistThreshold and BlacklistTimeout shut a host out after "
     "failures."},
    {"bind",
     "dns",
     {connection_limit, acl_denied},
     "tcp-clients; allow-query, blackhole, allow-transfer in named.conf."},
    {"inn", "nntp", {connection_limit, acl_denied}, "maxconnections in inn.conf; access groups in readers.conf."},
    {"ircd",
     "irc",
     {connection_limit, acl_denied, rate_limit},
     "Connection classes (number_per_ip, cidr limits), K-lines and D-lines, throttle settings."},

    // --- whatever the protocol --------------------------------------------------------------------------------------
    {"xinetd",
     "any",
     {connection_limit},
     "instances (of the service) and per_source (of one address) in /etc/xinetd.d/SERVICE; the log says \"FAIL: "
     "SERVICE service_limit\" or per_source_limit."},
    {"xinetd",
     "any",
     {rate_limit},
     "cps = N S: after more than N connections in a second the service is closed for S seconds (SYN meets RST)."},
    {"xinetd",
     "any",
     {acl_denied},
     "only_from, no_access, access_times in /etc/xinetd.conf and /etc/xinetd.d/SERVICE."},
    {"tcp_wrappers",
     "any",
     {acl_denied},
     "/etc/hosts.allow, then /etc/hosts.deny; `tcpdmatch PROGRAM ADDRESS` says what they decide."},
    {"systemd",
     "any",
     {connection_limit},
     "MaxConnections= and MaxConnectionsPerSource= of the .socket unit (Accept=yes): closes without a byte, the "
     "journal says \"Too many incoming connections\"."},
    {"systemd",
     "any",
     {rate_limit, port_closed},
     "TriggerLimitIntervalSec= and TriggerLimitBurst= of the .socket unit: above, the unit fails and the port closes; "
     "`systemctl reset-failed` and start it again."},
    {"systemd", "any", {app_crash}, "Restart=, RestartSec=, LimitNOFILE=, MemoryMax= of the unit; `systemctl status`."},
    {"fail2ban",
     "any",
     {rate_limit, silent_drop, icmp_unreachable, port_closed},
     "`fail2ban-client status JAIL` lists the banned, `fail2ban-client set JAIL unbanip ADDRESS` frees one; ignoreip "
     "spares networks."},
    {"nftables",
     "any",
     {silent_drop, icmp_unreachable, icmp_admin_prohibited, middlebox_reset},
     "`nft list ruleset` and `iptables -L -nv`: drop, reject (port-unreachable by default), reject with tcp reset; the "
     "counters show which rule is hit."},
    {"linux",
     "any",
     {accept_queue_overflow},
     "net.core.somaxconn, net.ipv4.tcp_max_syn_backlog, net.ipv4.tcp_abort_on_overflow, net.ipv4.tcp_syncookies."},
});

}  // namespace

std::span<const Setting> settings() noexcept { return kSettings; }

}  // namespace doorslam::diagnose
