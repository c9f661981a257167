"""File servers: FTP, rsync, SMB."""
import struct
import time

from packages import PROFTPD
from stage import client_address
from talk import Talk

FTP = 21


def _ftp_session(stage, client, six=False):
    return Talk(stage, client, FTP, six).expect(b"220").say(b"NOOP\r\n").expect(b"\r\n")


def _ftp_quit(session):
    session.say(b"QUIT\r\n").expect(b"221").expect_end().close().served("greeted, asked, left with QUIT")


def _proftpd(stage, settings, six=False):
    private = stage.folder / "private"  # it keeps no file in a folder that everybody may write to
    private.mkdir(mode=0o755)
    config = stage.file("proftpd.conf", f"""
ServerName "files"
ServerType standalone
UseReverseDNS off
UseIPv6 {'on' if six else 'off'}
Port {FTP}
User nobody
Group nogroup
PidFile {private}/pid
ScoreboardFile {private}/scoreboard
DelayTable none
SystemLog {private}/system.log
WtmpLog off
RequireValidShell off
{settings}
""")
    stage.server([str(PROFTPD / "usr/sbin/proftpd"), "--nodaemon", "--config", config], FTP)
    stage.record()


def proftpd_max_instances(stage):
    """ProFTPD MaxInstances 3: further clients are hung up on without a word"""
    _proftpd(stage, "MaxInstances 3")
    _ftp_quit(_ftp_session(stage, 12))
    time.sleep(1)
    parked = [_ftp_session(stage, client) for client in (21, 22, 31)]
    for client in (13, 23, 32, 13):
        time.sleep(0.7)
        Talk(stage, client, FTP).expect_end().close().label("connection_limit", "three sessions open, MaxInstances 3")
    time.sleep(1)
    _ftp_quit(parked.pop(0))
    time.sleep(1.5)
    _ftp_quit(_ftp_session(stage, 13))
    time.sleep(1)
    parked.append(_ftp_session(stage, 24))
    for client in (33, 12):
        time.sleep(0.6)
        Talk(stage, client, FTP).expect_end().close().label("connection_limit", "three sessions open, MaxInstances 3")
    for session in parked:
        time.sleep(0.4)
        _ftp_quit(session)
    time.sleep(1)
    _ftp_quit(_ftp_session(stage, 32))


def proftpd_limit_login(stage):
    """ProFTPD <Limit LOGIN> Deny from two addresses, over IPv6 and IPv4"""
    _proftpd(stage, f"""
<Limit LOGIN>
  Order allow,deny
  Deny from {client_address(24)} {client_address(34, True)}
</Limit>""", six=True)
    for round_number in range(3):
        _ftp_quit(_ftp_session(stage, 12 + round_number))
        _ftp_quit(_ftp_session(stage, 22 + round_number % 2, six=True))
        for client, six in (24, False), (34, True):
            time.sleep(0.9)
            Talk(stage, client, FTP, six).expect_end(8).close().label("acl_denied", "address under Deny of <Limit LOGIN>")
        time.sleep(1)
    _ftp_quit(_ftp_session(stage, 35))


def _rsync_ask(stage, client, module, six=False):
    session = Talk(stage, client, 873, six).expect(b"@RSYNCD:")
    return session.say(b"@RSYNCD: 31.0\n" + module + b"\n")


def _rsyncd(stage):
    stage.file("files/readme", "hello\n")
    config = stage.file("rsyncd.conf", f"""
use chroot = no
reverse lookup = no
lock file = {stage.folder}/lock
[open]
  path = {stage.folder}/files
  comment = for everybody
[inside]
  path = {stage.folder}/files
  hosts deny = {client_address(24)} {client_address(35)} {client_address(36, True)}
  max connections = 2
""")
    stage.server(["rsync", "--daemon", "--no-detach", f"--config={config}"], 873)
    stage.record()


def _rsync_list(stage, client, six=False):
    _rsync_ask(stage, client, b"#list", six).expect(b"@RSYNCD: EXIT").expect_end().close().served("list of modules")


def rsyncd_hosts_deny(stage):
    """rsync daemon with `hosts deny` for one module; the list of modules is for everybody"""
    _rsyncd(stage)
    for _ in range(2):
        _rsync_list(stage, 13)
        for client, six in (24, False), (35, False), (36, True):
            time.sleep(0.6)
            _rsync_ask(stage, client, b"inside", six).expect(b"@ERROR").expect_end().close().label(
                "acl_denied", "address under `hosts deny` of the module")
        time.sleep(0.8)
        session = _rsync_ask(stage, 23, b"inside").expect(b"@RSYNCD: OK")
        session.say(b"--server\0--sender\0-e.\0.\0inside/\0\0")
        session.hear(None, 0.7)
        session.close().served("module opened, negotiation begun, then the client left")
        _rsync_list(stage, 37, six=True)


def rsyncd_max_connections(stage):
    """rsync daemon `max connections = 2` for a module"""
    _rsyncd(stage)
    parked = []
    for client in (12, 23):
        parked.append(_rsync_ask(stage, client, b"inside").expect(b"@RSYNCD: OK"))
        time.sleep(0.5)
    for client in (13, 33, 14, 13):
        _rsync_ask(stage, client, b"inside").expect(b"max connections").expect_end().close().label(
            "connection_limit", "two sessions in the module, max connections = 2")
        time.sleep(0.9)
    for session in parked:
        session.close().served("module opened; left while the daemon waited for the arguments")
    time.sleep(1.5)
    session = _rsync_ask(stage, 13, b"inside").expect(b"@RSYNCD: OK")
    time.sleep(0.5)
    session.close().served("module opened; left while the daemon waited for the arguments")
    _rsync_list(stage, 33)


def _smb_negotiate():
    """NetBIOS session message with an SMB1 NEGOTIATE that offers SMB 2 ([MS-SMB2] 3.2.4.2.2.1)."""
    dialects = b"\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0"
    header = b"\xffSMB\x72" + bytes(4) + b"\x18\x53\xc8" + bytes(2 + 8 + 2) + b"\xff\xff\xfe\xff\0\0\0\0"
    body = header + b"\0" + struct.pack("<H", len(dialects)) + dialects
    return struct.pack(">I", len(body)) + body


def smbd_hosts_deny(stage):
    """Samba `hosts deny`: the session is accepted and dropped"""
    config = stage.file("smb.conf", f"""
[global]
  server role = standalone server
  disable netbios = yes
  smb ports = 445
  load printers = no
  printing = bsd
  map to guest = never
  hosts deny = {client_address(25)} {client_address(38)}
  private dir = {stage.folder}
  lock directory = {stage.folder}
  state directory = {stage.folder}
  cache directory = {stage.folder}
  pid directory = {stage.folder}
  ncalrpc dir = {stage.folder}/ncalrpc
  log file = {stage.folder}/smbd.log
""")
    stage.server(["smbd", "--foreground", "--no-process-group", "-s", config], 445)
    stage.record()
    for round_number in range(3):
        for client in (12 + round_number, 24):
            session = Talk(stage, client, 445).say(_smb_negotiate()).expect(b"\xfeSMB")
            time.sleep(0.4)
            session.close().served("SMB 2 negotiated, then the client left")
        for client in (25, 38):
            time.sleep(0.8)
            Talk(stage, client, 445).say(_smb_negotiate()).expect_end().close().label(
                "acl_denied", "address under `hosts deny`")
    session = Talk(stage, 26, 445).say(_smb_negotiate()).expect(b"\xfeSMB")
    time.sleep(1)
    session.close().served("SMB 2 negotiated, then the client left")
