"""Message brokers, chat, monitoring of power."""
import struct
import subprocess
import time

from talk import Talk

MQTT, NATS, IRC, UPS = 1883, 4222, 6667, 3493


def _mqtt_connect(stage, client, user=None, password=None, six=False):
    """MQTT 3.1.1 CONNECT with a client identifier, and user name and password where given."""
    def text(value):
        return struct.pack(">H", len(value)) + value

    flags = 0x02 | (0xC0 if user else 0)
    body = text(b"MQTT") + bytes((4, flags)) + struct.pack(">H", 60) + text(b"c%d-%d" % (client, six))
    if user:
        body += text(user) + text(password)
    return Talk(stage, client, MQTT, six).say(bytes((0x10, len(body))) + body)


def _mqtt_leave(session):
    session.say(b"\xc0\0").expect(b"\xd0\0").say(b"\xe0\0").expect_end().close().served(
        "CONNACK 0, ping answered, left with DISCONNECT")


def mosquitto_max_connections(stage):
    """Mosquitto max_connections 3: the fourth client's CONNECT is never read"""
    stage.server(["mosquitto", "-c", stage.file("mosquitto.conf", f"""
user nobody
listener {MQTT}
allow_anonymous true
max_connections 3
""")], MQTT)
    stage.record()
    accepted = b"\x20\x02\0\0"
    parked = [_mqtt_connect(stage, client).expect(accepted) for client in (22, 31, 41)]
    for client in (13, 23, 33, 13):
        time.sleep(0.9)
        _mqtt_connect(stage, client).expect_end().close().label("connection_limit", "three clients, max_connections 3")
    for session in parked:
        _mqtt_leave(session)
        time.sleep(0.3)
    for client in (33, 13):
        time.sleep(0.5)
        _mqtt_leave(_mqtt_connect(stage, client).expect(accepted))


def mosquitto_not_authorised(stage):
    """Mosquitto with a password file: CONNACK 5, over IPv4 and IPv6"""
    passwords = stage.file("passwords", "anna:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    (stage.folder / "passwords").chmod(0o644)
    stage.server(["mosquitto", "-c", stage.file("mosquitto.conf", f"""
user nobody
listener {MQTT}
allow_anonymous false
password_file {passwords}
""")], MQTT)
    stage.record()
    for round_number in range(3):
        _mqtt_leave(_mqtt_connect(stage, 12 + round_number, b"anna", b"secret").expect(b"\x20\x02\0\0"))
        for client, six in (23, False), (34, True):
            time.sleep(0.7)
            _mqtt_connect(stage, client, b"anna", b"guess", six).expect(b"\x20\x02\0\5").expect_end().close().label(
                "auth_failed", "CONNACK 5: wrong password")
        _mqtt_leave(_mqtt_connect(stage, 34, b"anna", b"secret", six=True).expect(b"\x20\x02\0\0"))


def _nats(stage, settings):
    stage.server(["nats-server", "-c", stage.file("nats.conf", f"listen: 0.0.0.0:{NATS}\n{settings}\n")], NATS)
    stage.record()


def _nats_ask(stage, client, options=b'{"verbose":false}'):
    return Talk(stage, client, NATS).expect(b"INFO ").say(b"CONNECT " + options + b"\r\nPING\r\n")


def nats_max_connections(stage):
    """NATS max_connections: 3"""
    _nats(stage, "max_connections: 3")
    parked = [_nats_ask(stage, client).expect(b"PONG") for client in (22, 31)]
    _nats_ask(stage, 12).expect(b"PONG").close().served("PING answered, then the client left")
    parked.append(_nats_ask(stage, 13).expect(b"PONG"))
    for client in (14, 24, 33, 14):
        time.sleep(0.8)
        Talk(stage, client, NATS).expect(b"maximum connections exceeded").expect_end().close().label(
            "connection_limit", "three clients, max_connections: 3")
    for session in parked:
        session.say(b"PING\r\n").expect(b"PONG").close().served("PING answered, then the client left")
    time.sleep(1)
    _nats_ask(stage, 14).expect(b"PONG").close().served("PING answered, then the client left")


def nats_authorization(stage):
    """NATS with a token: Authorization Violation"""
    _nats(stage, 'authorization { token: "secret", timeout: 2 }')
    for round_number in range(3):
        _nats_ask(stage, 12 + round_number, b'{"auth_token":"secret"}').expect(b"PONG").close().served(
            "PING answered, then the client left")
        for client in (23, 34):
            time.sleep(0.7)
            _nats_ask(stage, client, b'{"auth_token":"guess"}').expect(b"Authorization Violation").expect_end().close(
            ).label("auth_failed", "wrong token")


def ngircd_limits(stage):
    """ngIRCd MaxConnectionsIP = 2 and MaxConnections = 4"""
    stage.server(["ngircd", "-n", "-f", stage.file("ngircd.conf", f"""
[Global]
Name = irc.example.net
Info = test
Listen = 0.0.0.0
Ports = {IRC}
ServerUID = nobody
ServerGID = nogroup
MotdPhrase = hello
[Limits]
MaxConnections = 4
MaxConnectionsIP = 2
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
""")], IRC)
    stage.record()

    def join(client, nick):
        return Talk(stage, client, IRC).say(b"NICK %s\r\nUSER u 0 * :u\r\n" % nick).expect(b" 376 ")

    def leave(session):
        session.say(b"QUIT :bye\r\n").expect_end().close().served("welcomed, left with QUIT")

    leave(join(12, b"a1"))
    parked = [join(23, b"b1"), join(23, b"b2")]
    for turn in range(3):
        time.sleep(0.9)
        Talk(stage, 23, IRC).say(b"NICK b3\r\nUSER u 0 * :u\r\n").expect_end(8).close().label(
            "connection_limit", "two sessions of this address, MaxConnectionsIP = 2")
        leave(join(13, b"c%d" % turn))
    parked += [join(14, b"d1"), join(32, b"d2")]
    for client in (15, 33, 15):
        time.sleep(0.9)
        Talk(stage, client, IRC).say(b"NICK e1\r\nUSER u 0 * :u\r\n").expect_end(8).close().label(
            "connection_limit", "four sessions open, MaxConnections = 4")
    for session in parked:
        leave(session)
    time.sleep(0.8)
    leave(join(23, b"b4"))
    leave(join(15, b"e2"))


def upsd_maxconn(stage):
    """NUT upsd MAXCONN: further clients wait in the accept queue until they give up"""
    for name, text in (("upsd.conf", f"LISTEN 0.0.0.0 {UPS}\nMAXCONN 5\nMAXAGE 25\n"), ("upsd.users", ""),
                       ("ups.conf", "[office]\n driver = dummy-ups\n port = none.dev\n")):
        stage.file(f"nut/{name}", text, 0o644)
    state = stage.folder / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    stage.server(["/lib/nut/upsd", "-F", "-u", "nobody"], UPS, environment={
        "NUT_CONFPATH": str(stage.folder / "nut"), "NUT_STATEPATH": str(state), "NUT_ALTPIDPATH": str(state)})
    stage.record()

    parked, refused = [], 0
    for client in (12, 13, 22, 23, 31, 32, 41, 42):
        session = Talk(stage, client, UPS).say(b"VER\n")
        if b"upsd" in session.hear(b"\n", 2):
            parked.append(session)
        else:
            refused += 1
            session.hear(None, 2)
            session.close().label("connection_limit", "as many clients as MAXCONN allows: left in the accept queue",
                                  ["server_no_reply"])
        time.sleep(0.5)
    if not refused or not parked:
        raise AssertionError("MAXCONN refused nobody")
    for session in parked:
        session.say(b"LOGOUT\n").expect_end().close().served("asked, left with LOGOUT")
    time.sleep(1)
    for client in (41, 42):
        Talk(stage, client, UPS).say(b"VER\n").expect(b"upsd").say(b"LOGOUT\n").expect_end().close().served(
            "asked, left with LOGOUT")
