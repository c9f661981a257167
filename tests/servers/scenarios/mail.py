"""Mail servers."""
import time

from stage import client_address
from talk import Talk

SMTP, IMAP = 25, 143


def _exim(stage, settings):
    config = stage.file("exim.conf", f"""
primary_hostname = mail.example.net
spool_directory = {stage.folder}/spool
log_file_path = {stage.folder}/exim-%slog
pid_file_path = {stage.folder}/exim.pid
exim_user = nobody
exim_group = nogroup
daemon_smtp_ports = {SMTP}
rfc1413_query_timeout = 0s
host_lookup =
{settings}
acl_smtp_rcpt = accept
begin routers
r:
  driver = accept
  transport = t
begin transports
t:
  driver = appendfile
  file = /dev/null
""")
    stage.server(["exim4", "-C", config, "-bdf"], SMTP)
    stage.record()


def _smtp(stage, client, six=False):
    return Talk(stage, client, SMTP, six).expect(b"220 ").say(b"EHLO client.example.org\r\n").expect(b"250 HELP\r\n")


def _smtp_quit(session):
    session.say(b"QUIT\r\n").expect(b"221").expect_end().close().served("EHLO answered, left with QUIT")


def exim_smtp_accept_max(stage):
    """Exim smtp_accept_max = 3"""
    _exim(stage, "smtp_accept_max = 3")
    _smtp_quit(_smtp(stage, 12))
    parked = [_smtp(stage, client) for client in (22, 32, 41)]
    for client in (13, 23, 33, 13, 12):
        time.sleep(0.6)
        Talk(stage, client, SMTP).expect(b"421 ").expect_end().close().label(
            "connection_limit", "three sessions open, smtp_accept_max = 3")
    for session in parked:
        _smtp_quit(session)
        time.sleep(0.5)
    for client in (13, 23):
        _smtp_quit(_smtp(stage, client))


def exim_accept_max_per_host(stage):
    """Exim smtp_accept_max_per_host = 2, over IPv6"""
    _exim(stage, "smtp_accept_max_per_host = 2")
    parked = [_smtp(stage, 22, six=True) for _ in range(2)]
    for _ in range(3):
        time.sleep(0.7)
        Talk(stage, 22, SMTP, six=True).expect(b"421 ").expect_end().close().label(
            "connection_limit", "two sessions of this host open, smtp_accept_max_per_host = 2")
        _smtp_quit(_smtp(stage, 33, six=True))
    for session in parked:
        _smtp_quit(session)
    time.sleep(1)
    _smtp_quit(_smtp(stage, 22, six=True))


def exim_host_reject(stage):
    """Exim host_reject_connection for two addresses"""
    _exim(stage, f"host_reject_connection = {client_address(24)} : {client_address(34)}")
    for round_number in range(3):
        _smtp_quit(_smtp(stage, 12 + round_number))
        for client in (24, 34):
            time.sleep(0.8)
            Talk(stage, client, SMTP).expect(b"554 ").expect_end().close().label(
                "acl_denied", "address in host_reject_connection")
    _smtp_quit(_smtp(stage, 23))


def dovecot_userip_limit(stage):
    """Dovecot mail_max_userip_connections = 2, and a wrong password"""
    config = stage.file("dovecot.conf", f"""
base_dir = {stage.folder}/run
state_dir = {stage.folder}/state
log_path = {stage.folder}/dovecot.log
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{stage.folder}/mail/%u
mail_max_userip_connections = 2
first_valid_uid = 1
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={stage.folder}/mail/%u
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {IMAP}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
""")
    (stage.folder / "mail").mkdir(mode=0o777)
    (stage.folder / "mail").chmod(0o777)
    stage.server(["dovecot", "-F", "-c", config], IMAP)
    stage.record()

    def login(client, password=b"secret", user=b"anna"):
        return Talk(stage, client, IMAP).expect(b"* OK").say(b"a LOGIN " + user + b" " + password + b"\r\n")

    def logout(session):
        session.say(b"z LOGOUT\r\n").expect(b"z OK").expect_end().close().served("logged in and out")

    logout(login(12).expect(b"a OK"))
    parked = [login(23).expect(b"a OK") for _ in range(2)]
    for _ in range(3):
        time.sleep(0.8)
        session = login(23).expect(b"a NO")
        session.hear(None, 1.0)
        session.close().label("connection_limit", "two sessions of this user and address, limit 2")
        logout(login(13, user=b"otto").expect(b"a OK"))
    for client in (32, 14):
        session = login(client, b"wrong").expect(b"a NO", 8)
        session.say(b"z LOGOUT\r\n").expect(b"z OK").expect_end().close().label(
            "auth_failed", "wrong password, then the client logged out")
    for session in parked:
        logout(session)
    time.sleep(1)
    logout(login(23).expect(b"a OK"))
