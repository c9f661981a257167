"""Which server program stands behind a labelled connection: what a fold leaves out.

BY_NAME names a capture's program by its file name; some captures hold several programs, told by port. Where no program
decides (closed ports, full queues, firewalls, devices between, clients) there is no program to leave out; then one
scenario is, with the captures derived from it.
"""
import re

# What a capture's name begins with, after the prefixes of derived captures: the program.
BY_NAME = (
    ("accept_queue", None), ("lighttpd_stopped", None), ("server_no_reply", None), ("bad_handshake_ack", None),
    ("client_", None), ("host_firewall", None), ("icmp_router|router_", None), ("middlebox", None), ("port_closed", None),
    ("app_segv", "own crashing server"), ("postfix", "Postfix"), ("licence", "own licence server"),
    ("postgres", "PostgreSQL"), ("redis", "Redis"),
    ("nginx|tls_nginx", "nginx"), ("xinetd", "xinetd"), ("vsftpd", "vsftpd"), ("sshd", "OpenSSH"),
    ("pureftpd", "Pure-FTPd"), ("squid", "Squid"),
    ("tls_client_cert|tls_no_shared", "OpenSSL s_server"),
    ("apache", "Apache httpd"), ("danted", "Dante"), ("distccd", "distcc"), ("dovecot", "Dovecot"), ("dropbear", "Dropbear"),
    ("exim", "Exim"), ("haproxy", "HAProxy"), ("icecast", "Icecast"), ("lighttpd", "lighttpd"), ("mariadb", "MariaDB"),
    ("memcached", "memcached"), ("mosquitto", "Mosquitto"), ("nats", "NATS"), ("ngircd", "ngIRCd"), ("nrpe", "NRPE"),
    ("pgbouncer", "PgBouncer"), ("privoxy", "Privoxy"), ("proftpd", "ProFTPD"), ("rinetd", "rinetd"), ("rsyncd", "rsync"),
    ("smbd", "Samba"), ("stunnel", "stunnel"), ("tinyproxy", "tinyproxy"), ("unbound", "Unbound"),
    ("upsd", "Network UPS Tools"), ("zabbix", "Zabbix agent"),
)
DERIVED = re.compile(r"^(?:capture_loss|midstream|oneway_from_server|oneway_to_server|snaplen96|span_dup_vlan|span_dup)_")
# In captures of several programs.
BY_PORT = {
    "baseline_all_served": {7013: "xinetd", 13: "xinetd", 80: "nginx", 6379: "Redis", 21: "vsftpd"},
    "mixed_branch_office": {27000: "own licence server", 80: "nginx", 6379: "Redis", 7100: "xinetd", 21: "vsftpd",
                            5900: None, 3389: None, 8080: None},
    "ordinary_traffic": {80: "Apache httpd", 11211: "memcached"},
}
VANTAGE = re.compile(r"_(?:clientside|serverside|vlan|v6)$")
# A protocol that no other program of the corpora speaks is unknown as well when its program is (see --strict).
OWN_PROTOCOLS = {
    "MariaDB": ("mysql",), "PostgreSQL": ("postgresql",), "PgBouncer": ("postgresql",), "Redis": ("redis",),
    "memcached": ("memcached",), "NATS": ("nats",), "Mosquitto": ("mqtt",), "rsync": ("rsync",), "ngIRCd": ("irc",),
    "Dovecot": ("imap",), "Network UPS Tools": ("nut", "ups"), "Samba": ("smb",), "Unbound": ("dns",), "Dante": ("socks",),
}
# Other names by which signatures call a program or what it consists of.
ALIASES = {
    "Redis": ("Valkey",), "MariaDB": ("MySQL",), "Apache httpd": ("Apache",), "xinetd": ("tcp_wrappers",),
    "OpenSSH": ("tcp_wrappers",), "vsftpd": ("tcp_wrappers",), "Samba": ("Windows",),
}


def program_of(capture, port):
    """The program behind a connection, or the scenario in angle brackets where there is none; raises KeyError where the
    capture is unknown: a new one must be added here."""
    name = DERIVED.sub("", capture.rsplit(".", 1)[0])
    scenario = f"<{VANTAGE.sub('', name)}>"
    if name in BY_PORT:
        return BY_PORT[name][port] or scenario
    for pattern, program in BY_NAME:
        if re.match(pattern, name):
            return program or scenario
    raise KeyError(f"{capture}: which server program is it? Add it to {__file__}")


def names_of(program):
    return (program, *ALIASES.get(program, ()))
