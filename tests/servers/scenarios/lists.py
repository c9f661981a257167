"""Services that refuse by address list: hosts.deny, agents' allowed hosts, proxies and resolvers."""
import binascii
import struct
import subprocess
import time

from stage import SERVER, client_address
from talk import Talk

SSH = 22
RINETD, SOCKS, NRPE, ZABBIX, DISTCC, DNS = 7000, 1080, 5666, 10050, 3632, 53


def rinetd_deny(stage):
    """rinetd `deny` rules: the forwarder accepts and hangs up"""
    stage.server(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "11211", "-U", "0"], 11211)
    stage.server(["rinetd", "-f", "-c", stage.file("rinetd.conf", f"""
deny {client_address(24)}
deny 198.51.100.4?
0.0.0.0 {RINETD} 127.0.0.1 11211
""")], RINETD)
    stage.record()
    for round_number in range(3):
        session = Talk(stage, 12 + round_number, RINETD).say(b"version\r\n").expect(b"VERSION")
        for client in (24, 41 + round_number):
            time.sleep(0.8)
            Talk(stage, 22 + round_number % 2, RINETD).say(b"version\r\n").expect(b"VERSION").say(b"quit\r\n").expect_end(
            ).close().served("forwarded and answered, while another session was open")
            time.sleep(0.3)
            Talk(stage, client, RINETD).say(b"version\r\n").expect_end().close().label("acl_denied", "address under `deny`")
        session.say(b"quit\r\n").expect_end().close().served("forwarded and answered")
    Talk(stage, 33, RINETD).say(b"version\r\n").expect(b"VERSION").say(b"quit\r\n").expect_end().close().served(
        "forwarded and answered")


RULE_OF_BOTH = f"0.0.0.0 {RINETD} 127.0.0.1 11211"
OUTDATED_DENY = "deny 198.51.100.1?\ndeny 198.51.100.2?"


def rinetd_one_of_two(stage):
    """Two rinetd hosts behind one address, one of them with an outdated `deny`: clients are served and refused by turns"""
    stage.add_second_host()
    for second, deny in (False, ""), (True, OUTDATED_DENY):
        stage.server(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "11211", "-U", "0"], 11211, second=second)
        stage.server(["rinetd", "-f", "-c", stage.file(f"rinetd{second:d}.conf", f"{deny}\n{RULE_OF_BOTH}\n")], RINETD, second=second)
    _ask_both_by_turns(stage)


def rinetd_twins(stage):
    """The same with two hosts of the same make: only the clocks in their SYN-ACKs tell them apart"""
    scripts = []
    for number, deny in enumerate(("", OUTDATED_DENY)):
        rules = stage.file(f"rinetd{number}.conf", f"{deny}\n{RULE_OF_BOTH}\n")
        scripts.append(f"memcached -u nobody -l 127.0.0.1 -p 11211 -U 0 &\nrinetd -f -c {rules} &")
    stage.add_twins(*scripts, ports=(11211, RINETD))
    _ask_both_by_turns(stage)


def _ask_both_by_turns(stage):
    stage.record()

    def ask(client, second):
        return Talk(stage, client, RINETD, second=second).say(b"version\r\n")

    for round_number in range(3):
        for client in (12, 13, 22, 24):
            ask(client, False).expect(b"VERSION").say(b"quit\r\n").expect_end().close().served("forwarded by the first host")
            time.sleep(0.4)
            ask(client, True).expect_end().close().label("acl_denied", "address under `deny` of the second host")
            time.sleep(0.3)
        ask(33 + round_number, round_number == 1).expect(b"VERSION").say(b"quit\r\n").expect_end().close().served(
            "forwarded, by the second host in the second round")


def danted_client_block(stage):
    """Dante `client block` for two addresses, `socks block` for a destination"""
    stage.server(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "11211", "-U", "0"], 11211)
    stage.server(["danted", "-f", stage.file("danted.conf", f"""
logoutput: stderr
internal: {SERVER} port = {SOCKS}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client block {{ from: {client_address(24)}/32 to: 0.0.0.0/0 }}
client block {{ from: {client_address(36)}/32 to: 0.0.0.0/0 }}
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""), "-p", str(stage.folder / "pid")], SOCKS)
    stage.record()
    for round_number in range(3):
        session = Talk(stage, 12 + round_number, SOCKS).say(b"\5\1\0").expect(b"\5\0")
        session.say(b"\5\1\0\1\x7f\0\0\1" + struct.pack(">H", 11211)).expect(b"\5\0")
        session.say(b"version\r\n").expect(b"VERSION").say(b"quit\r\n").expect_end().close().served("proxied and answered")
        for client in (24, 36):
            time.sleep(0.8)
            Talk(stage, client, SOCKS).say(b"\5\1\0").expect_end().close().label("acl_denied", "address under `client block`")


def _nrpe_query():
    """NRPE protocol 2 query packet."""
    body = struct.pack(">hhIh", 2, 1, 0, 0) + b"_NRPE_CHECK".ljust(1024, b"\0") + b"SR"
    return body[:4] + struct.pack(">I", binascii.crc32(body)) + body[8:]


def nrpe_allowed_hosts(stage):
    """NRPE allowed_hosts: others are dropped without a word"""
    stage.server(["nrpe", "-n", "-f", "-c", stage.file("nrpe.cfg", f"""
server_port={NRPE}
nrpe_user=nobody
nrpe_group=nogroup
pid_file={stage.folder}/nrpe.pid
allowed_hosts=198.51.100.16/28
""")], NRPE)
    stage.record()
    for round_number in range(3):
        Talk(stage, 17 + round_number, NRPE).say(_nrpe_query()).expect(b"NRPE v").expect_end().close().served("asked and answered")
        for client in (33, 12):
            time.sleep(0.8)
            Talk(stage, client, NRPE).say(_nrpe_query()).expect_end().close().label(
                "acl_denied", "address not among allowed_hosts")
        Talk(stage, 22, NRPE).say(_nrpe_query()).expect(b"NRPE v").expect_end().close().served("asked and answered")


def zabbix_agent_server_list(stage):
    """Zabbix agent `Server=`: whoever is not on the list is hung up on, over IPv4 and IPv6"""
    stage.server(["zabbix_agentd", "-f", "-c", stage.file("zabbix.conf", f"""
Server=198.51.100.16/28,{client_address(22, True)}
ListenPort={ZABBIX}
StartAgents=2
LogType=console
PidFile={stage.folder}/pid
AllowRoot=1
Hostname=host
""")], ZABBIX)
    stage.record()

    def ask(client, six=False):
        key = b"agent.ping"
        return Talk(stage, client, ZABBIX, six).say(b"ZBXD\1" + struct.pack("<Q", len(key)) + key)

    for _ in range(3):
        for client, six in (18, False), (22, True):
            ask(client, six).expect(b"1").expect_end().close().served("item asked and answered")
        for client, six in (33, False), (34, True):
            time.sleep(0.9)
            ask(client, six).expect_end().close().label("acl_denied", "address not in Server=")


def distccd_allow(stage):
    """distccd --allow for the near clients only"""
    stage.server(["distccd", "--no-detach", "--daemon", "--user", "nobody", "--allow", "198.51.100.16/28", "--listen", "0.0.0.0",
                  "--log-file", str(stage.folder / "distccd.log"), "--jobs", "4"], DISTCC)
    stage.record()
    source = b"int answer = 42;\n"
    words = (b"cc", b"-c", b"answer.c", b"-o", b"answer.o")
    job = b"DIST00000001ARGC%08x" % len(words)
    job += b"".join(b"ARGV%08x%s" % (len(word), word) for word in words) + b"DOTI%08x" % len(source) + source
    for round_number in range(3):
        Talk(stage, 17 + round_number, DISTCC).say(job).expect(b"DONE").expect_end().close().served("job answered")
        for client in (33, 42):
            time.sleep(0.8)
            Talk(stage, client, DISTCC).say(job).expect_end().close().label("acl_denied", "address not under --allow")


def _dns_query(identity):
    query = struct.pack(">HHHHHH", identity, 0x0100, 1, 0, 0, 0) + b"\4host\7example\3net\0" + struct.pack(">HH", 1, 1)
    return struct.pack(">H", len(query)) + query


def unbound_access_control(stage):
    """Unbound over TCP: access-control deny (hung up on), refuse (answer REFUSED), allow"""
    stage.server(["unbound", "-d", "-c", stage.file("unbound.conf", f"""
server:
  interface: 0.0.0.0
  username: ""
  chroot: ""
  directory: "{stage.folder}"
  pidfile: ""
  use-syslog: no
  access-control: 0.0.0.0/0 allow
  access-control: {client_address(24)}/32 deny
  access-control: {client_address(34)}/32 refuse
  local-zone: "example.net." static
  local-data: "host.example.net. A 192.0.2.1"
  module-config: "iterator"
remote-control:
  control-enable: no
""")], DNS)
    stage.record()
    for round_number in range(3):
        Talk(stage, 12 + round_number, DNS).say(_dns_query(1)).expect(b"\xc0\0\2\1").close().served("query answered")
        time.sleep(0.8)
        Talk(stage, 24, DNS).say(_dns_query(2)).expect_end().close().label("acl_denied", "address under `deny`")
        time.sleep(0.8)
        session = Talk(stage, 34, DNS).say(_dns_query(3)).expect(b"\x81\x05", 3)
        session.close().label("acl_denied", "address under `refuse`: RCODE REFUSED, then the client left", ["served"])
    Talk(stage, 25, DNS).say(_dns_query(4)).expect(b"\xc0\0\2\1").close().served("query answered")


def _ssh_login(stage, client, key, six=False):
    """A real OpenSSH client logs in with its key and runs a command; returns (session, worked)."""
    session = Talk(stage, client, SSH, six)
    done = session.relay_for(lambda port: subprocess.run(
        ["ssh", "-F", "none", "-p", str(port), "-i", key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
         "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "root@127.0.0.1", "echo worked"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False))
    session.close()
    return session, b"worked" in done.stdout


def _key(stage, name):
    path = stage.folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return str(path)


def sshd_hosts_deny(stage):
    """OpenSSH with hosts.deny (libwrap): two addresses, one of them IPv6; a wrong key from an allowed one"""
    host, client_key, strange_key = _key(stage, "host"), _key(stage, "client"), _key(stage, "strange")
    keys = stage.file("authorized", (stage.folder / "client.pub").read_text())
    stage.on_server("mkdir", "-p", "/run/sshd")
    stage.server(["/usr/sbin/sshd", "-D", "-f", stage.file("sshd.conf", f"""
Port {SSH}
HostKey {host}
AuthorizedKeysFile {keys}
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
UseDNS no
MaxAuthTries 1
""")], SSH, hosts_deny=f"sshd: {client_address(24)} [{client_address(34, True)}]\n")
    stage.record()

    def login(client, six=False):
        session, worked = _ssh_login(stage, client, client_key, six)
        if not worked:
            raise AssertionError("an allowed client could not log in")
        session.served("logged in with its key, ran a command")

    for round_number in range(3):
        login(12 + round_number)
        for client, six in (24, False), (34, True):
            time.sleep(0.9)
            Talk(stage, client, SSH, six).say(b"SSH-2.0-OpenSSH_9.2\r\n").expect_end(8).close().label(
                "acl_denied", "address in hosts.deny")
    login(23, six=True)
    session, worked = _ssh_login(stage, 25, strange_key)
    if worked:
        raise AssertionError("a strange key was let in")
    session.label("auth_failed", "key not authorised, MaxAuthTries 1")


def dropbear_unauthenticated(stage):
    """Dropbear drops an address that has 5 sessions open without having logged in"""
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", str(stage.folder / "hostkey")], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stage.server(["dropbear", "-F", "-E", "-p", str(SSH), "-r", str(stage.folder / "hostkey"), "-P",
                  str(stage.folder / "pid"), "-I", "0"], SSH)
    stage.record()

    def greet(client):
        return Talk(stage, client, SSH).say(b"SSH-2.0-client_1\r\n").expect(b"SSH-2.0-dropbear")

    parked = []
    for _ in range(5):
        parked.append(greet(23))
        time.sleep(0.3)
    for turn in range(4):
        Talk(stage, 23, SSH).say(b"SSH-2.0-client_1\r\n").expect_end().close().label(
            "connection_limit", "five sessions of this address not logged in")
        time.sleep(0.9)
        if turn % 2:
            other = greet(13 + turn)
            time.sleep(0.4)
            other.close().label("client_abort", "read the server's identification and left", ["served"])
    for session in parked:
        session.close().label("client_abort", "parked without logging in, then the client left", ["served"])
    time.sleep(1)
    greet(23).close().label("client_abort", "read the server's identification and left", ["served"])
