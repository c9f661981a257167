"""Web servers and proxies."""
import pathlib
import ssl
import subprocess
import time

from stage import client_address
from talk import PATIENCE_S, Talk

HTTP = 80
BODY = b"all is well"


def _get(stage, client, port=HTTP, six=False, target="/", close=True, patience_s=PATIENCE_S):
    ending = "Connection: close\r\n" if close else ""
    return Talk(stage, client, port, six, patience_s).say(
        f"GET {target} HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: client/1.0\r\n{ending}\r\n".encode())


def _got(stage, client, port=HTTP, **how):
    _get(stage, client, port, **how).expect(BODY).expect_end().close().served("page delivered")


def _haproxy(stage, rules):
    config = stage.file("haproxy.cfg", f"""
global
  maxconn 100
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend web
  bind :::{HTTP} v4v6
{rules}
  http-request return status 200 content-type text/plain string "{BODY.decode()}"
""")
    stage.server(["haproxy", "-db", "-f", config], HTTP)
    stage.record()


def haproxy_reject_address(stage):
    """HAProxy `tcp-request connection reject` for two addresses: hung up on without a word, over IPv4 and IPv6"""
    _haproxy(stage, f"  tcp-request connection reject if {{ src {client_address(24)} {client_address(34, True)} }}")
    for round_number in range(3):
        _got(stage, 12 + round_number)
        _got(stage, 33, six=True)
        for client, six in (24, False), (34, True):
            time.sleep(0.8)
            _get(stage, client, six=six).expect_end().close().label("acl_denied", "src in `tcp-request connection reject`")
        time.sleep(0.6)
    _got(stage, 25)


def haproxy_connection_rate(stage):
    """HAProxy rejects an address with more than 4 connections in 5 s (stick table), others go on"""
    _haproxy(stage, """  stick-table type ipv6 size 1k expire 30s store conn_rate(5s)
  tcp-request connection track-sc0 src
  tcp-request connection reject if { sc0_conn_rate gt 4 }""")
    _got(stage, 12)
    for _ in range(4):
        _got(stage, 23)
        time.sleep(0.1)
    for turn in range(5):
        _get(stage, 23).expect_end().close().label("rate_limit", "more than 4 connections of this address in 5 s")
        time.sleep(0.15)
        if turn % 2:
            _got(stage, 13)
    time.sleep(10)
    _got(stage, 23)
    _got(stage, 12)


def haproxy_maxconn_session(stage):
    """HAProxy rejects an address with more than 2 connections at a time (sc_conn_cur)"""
    _haproxy(stage, """  stick-table type ipv6 size 1k expire 30s store conn_cur
  tcp-request connection track-sc0 src
  tcp-request connection reject if { sc0_conn_cur gt 2 }""")
    _got(stage, 22)
    parked = []
    for _ in range(2):
        parked.append(_get(stage, 22, close=False).expect(BODY))
        time.sleep(0.4)
    for turn in range(4):
        _get(stage, 22).expect_end().close().label("connection_limit", "two connections of this address open, limit 2")
        time.sleep(0.9)
        if turn % 2:
            _got(stage, 13)
    for session in parked:
        session.close().served("page delivered, kept alive, then the client left")
    time.sleep(1.2)
    _got(stage, 22)


def lighttpd_deny(stage):
    """lighttpd denies two addresses with 403; the page's own absence is a 404 for everybody"""
    stage.file("root/index.txt", BODY.decode())
    config = stage.file("lighttpd.conf", f"""
server.port = {HTTP}
server.document-root = "{stage.folder}/root"
server.modules = ( "mod_access" )
index-file.names = ( "index.txt" )
$HTTP["remoteip"] == "{client_address(24)}" {{ url.access-deny = ( "" ) }}
$HTTP["remoteip"] == "{client_address(35)}" {{ url.access-deny = ( "" ) }}
""")
    stage.server(["lighttpd", "-D", "-f", config], HTTP)
    stage.record()
    for round_number in range(3):
        _got(stage, 12 + round_number)
        for client in (24, 35):
            time.sleep(0.6)
            _get(stage, client).expect(b"403").expect_end().close().label(
                "http_refused", "403: url.access-deny for the address", ["acl_denied"])
    _get(stage, 25, target="/absent").expect(b"404").expect_end().close().served("404 for a page that is not there")
    _got(stage, 25)


def _apache(stage, settings, mpm):
    modules = "/usr/lib/apache2/modules"
    stage.file("root/index.html", BODY.decode())
    config = stage.file("apache.conf", f"""
ServerName www.example.net
ServerRoot {stage.folder}
PidFile {stage.folder}/apache.pid
ErrorLog {stage.folder}/error.log
DefaultRuntimeDir {stage.folder}
Listen {HTTP}
User nobody
Group nogroup
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_host_module {modules}/mod_authz_host.so
LoadModule dir_module {modules}/mod_dir.so
DocumentRoot {stage.folder}/root
DirectoryIndex index.html
{settings}
""")
    server = stage.server(["apache2", "-D", "FOREGROUND", "-f", config], HTTP)
    time.sleep(1)
    stage.record()
    return server


def apache_mod_evasive(stage):
    """Apache mod_evasive: an address that asks for a page more than 3 times in 2 s gets 403 for 5 s"""
    _apache(stage, """
LoadModule evasive20_module /usr/lib/apache2/modules/mod_evasive20.so
ServerLimit 1
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
DOSHashTableSize 97
DOSPageCount 3
DOSPageInterval 2
DOSSiteCount 100
DOSSiteInterval 2
DOSBlockingPeriod 5
""", "event")
    _got(stage, 12)
    for _ in range(3):
        _got(stage, 23)
    for turn in range(6):
        session = _get(stage, 23)
        said = session.hear()
        session.close()
        if b"403" in said:
            session.label("rate_limit", "403 by mod_evasive: too many requests of this address", ["http_refused"])
        else:
            session.served("page delivered, before mod_evasive's count was reached")
        time.sleep(0.1)
        if turn % 3 == 2:
            _got(stage, 13)
    if sum(label["truth"]["cause"] == "rate_limit" for label in stage.labels) < 3:
        raise AssertionError("mod_evasive blocked nobody")
    time.sleep(7)
    _got(stage, 23)
    _got(stage, 12)


def tinyproxy_allow(stage):
    """tinyproxy Allow list: others get 403 before they are listened to"""
    stage.file("root/index.txt", BODY.decode())
    stage.server(["lighttpd", "-D", "-f", stage.file("lighttpd.conf", f"""
server.port = 8080
server.bind = "127.0.0.1"
server.document-root = "{stage.folder}/root"
index-file.names = ( "index.txt" )
""")], 8080)
    config = stage.file("tinyproxy.conf", f"Port 8888\nTimeout 60\nMaxClients 20\nAllow 198.51.100.16/28\nLogFile \"{stage.folder}/log\"\n")
    stage.server(["tinyproxy", "-d", "-c", config], 8888)
    stage.record()
    for round_number in range(3):
        _got(stage, 17 + round_number, 8888, target="http://127.0.0.1:8080/")
        for client in (33, 42):
            time.sleep(0.8)
            _get(stage, client, 8888, target="http://127.0.0.1:8080/").expect(b"403").expect_end().close().label(
                "http_refused", "403: address not on the Allow list", ["acl_denied"])
    _got(stage, 21, 8888, target="http://127.0.0.1:8080/")


def privoxy_deny_access(stage):
    """Privoxy permit-access and deny-access: who may not use it is hung up on"""
    config = stage.file("privoxy.conf", f"""
listen-address :8118
keep-alive-timeout 30
permit-access 198.51.100.0/24
deny-access {client_address(35)}
deny-access {client_address(44)}
confdir /etc/privoxy
logdir {stage.folder}
""")
    stage.server(["privoxy", "--no-daemon", config], 8118)
    stage.record()

    def ask(client, ending="Connection: close\r\n"):
        return Talk(stage, client, 8118).say(
            f"GET http://p.p/send-banner?type=trans HTTP/1.1\r\nHost: p.p\r\n{ending}\r\n".encode())

    kept = ask(12, ending="").expect(b"200 OK")
    for round_number in range(3):
        ask(22 + round_number).expect(b"200 OK").expect_end().close().served("answered by the proxy itself")
        for client in (35, 44):
            time.sleep(0.8)
            ask(client).expect_end().close().label("acl_denied", "address under deny-access")
    kept.close().served("answered by the proxy itself, kept alive, then the client left")
    time.sleep(0.6)
    ask(13).expect(b"200 OK").expect_end().close().served("answered by the proxy itself")


def icecast_limits(stage):
    """Icecast with 3 clients at most (403 above), and a deny-ip list (silent)"""
    pathlib.Path(stage.folder / "web").mkdir()
    stage.file("web/status.txt", BODY.decode())
    config = stage.file("icecast.xml", f"""<icecast>
<limits><clients>3</clients><sources>1</sources><client-timeout>20</client-timeout><header-timeout>20</header-timeout></limits>
<authentication><source-password>s</source-password><admin-user>a</admin-user><admin-password>b</admin-password></authentication>
<hostname>radio.example.net</hostname>
<listen-socket><port>8000</port></listen-socket>
<fileserve>1</fileserve>
<paths><logdir>{stage.folder}</logdir><webroot>{stage.folder}/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
<deny-ip>{stage.file("denied", client_address(36) + chr(10))}</deny-ip></paths>
<logging><errorlog>error.log</errorlog><accesslog>access.log</accesslog><loglevel>3</loglevel></logging>
<security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>""")
    stage.server(["icecast2", "-c", config], 8000)
    stage.record()

    def fetch(client):
        _get(stage, client, 8000, target="/status.txt").expect(BODY).expect_end().close().served("file delivered")

    fetch(12)
    for _ in range(2):
        _get(stage, 36, 8000).expect_end().close().label("acl_denied", "address in the deny-ip file")
        time.sleep(0.9)
        fetch(22)
    parked = [Talk(stage, client, 8000).say(b"GET /status.txt HTTP/1.0\r\n") for client in (13, 23, 33)]
    for client in (14, 24, 12, 14):
        time.sleep(0.8)
        _get(stage, client, 8000, target="/status.txt").expect(b"limit").expect_end().close().label(
            "connection_limit", "three clients connected, limit 3", ["http_refused"])
    for session in parked:
        session.say(b"\r\n").expect(BODY).expect_end().close().served("a slow request, answered")
    time.sleep(0.8)
    fetch(14)
    _get(stage, 36, 8000).expect_end().close().label("acl_denied", "address in the deny-ip file")


def _certificate(stage):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "3650", "-subj", "/CN=www.example.net", "-keyout", stage.folder / "key.pem", "-out",
                    stage.folder / "cert.pem"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(stage.folder / "cert.pem"), str(stage.folder / "key.pem")


def stunnel_verify(stage):
    """stunnel verifyChain: clients without a certificate are refused with a TLS alert"""
    certificate, key = _certificate(stage)
    config = stage.file("stunnel.conf", f"""
foreground = yes
pid =
[web]
accept = :::8443
exec = /bin/cat
execArgs = cat {stage.file("answer", BODY.decode())}
cert = {certificate}
key = {key}
CAfile = {certificate}
verifyChain = yes
""")
    stage.server(["stunnel4", config], 8443)
    stage.record()

    def context(with_certificate, newest):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        made.maximum_version = newest
        if with_certificate:
            made.load_cert_chain(certificate, key)
        return made

    for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        for client, six in (13, False), (22, True):
            session = Talk(stage, client, 8443, six)
            if session.start_tls(context(True, newest)) is not None:
                raise AssertionError("a client with a certificate was refused")
            session.hear(BODY)
            session.close().served("TLS negotiated with a client certificate, answer delivered")
        for client, six in (24, False), (35, True):
            time.sleep(0.7)
            session = Talk(stage, client, 8443, six)
            if session.start_tls(context(False, newest)) is None:
                session.expect_end()
            session.close().label("tls_refused", "no client certificate, verifyChain = yes")
