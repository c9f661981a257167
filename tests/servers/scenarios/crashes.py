"""Servers that die, stall, are shut down, or serve everybody."""
import os
import signal
import time

from scenarios.databases import MEMCACHED, _memcached, _memcached_ask, _memcached_quit
from scenarios.web import BODY, HTTP, _apache, _get, _got
from talk import Talk


def apache_child_crash(stage):
    """A prefork child of Apache dies of SIGSEGV while it serves a connection; the other children go on"""
    _apache(stage, """StartServers 4
MinSpareServers 2
MaxRequestWorkers 8
KeepAlive On
KeepAliveTimeout 20
""", "prefork")
    _got(stage, 12)
    parked = [_get(stage, client, close=False).expect(BODY) for client in (22, 32)]
    for client in (13, 23, 33):
        victim = Talk(stage, client, HTTP).say(b"GET / HTTP/1.1\r\nHost: www.example.net\r\n")
        time.sleep(0.8)
        os.kill(stage.owner_of(victim), signal.SIGSEGV)
        victim.expect_end().close().label("app_crash", "the child process that read its request died of SIGSEGV")
        time.sleep(1.2)
        _got(stage, 14)
    for session in parked:
        session.close().served("page delivered, kept alive, then the client left")
    time.sleep(1)
    _got(stage, 13)


def lighttpd_stopped(stage):
    """lighttpd with a backlog of 4 is stopped: the accept queue fills, further handshakes are ignored"""
    stage.file("root/index.txt", BODY.decode())
    server = stage.server(["lighttpd", "-D", "-f", stage.file("lighttpd.conf", f"""
server.port = {HTTP}
server.listen-backlog = 4
server.document-root = "{stage.folder}/root"
index-file.names = ( "index.txt" )
""")], HTTP)
    stage.record()
    _got(stage, 12)
    _got(stage, 22)
    server.send_signal(signal.SIGSTOP)
    waiting = []
    for client in (13, 14, 23, 24, 33):
        waiting.append(_get(stage, client))
        time.sleep(0.3)
    ignored = [_get(stage, client, patience_s=3.0) for client in (15, 25, 34)]
    for session in waiting:
        session.hear(None, 1.0)
        if session.heard or not session.connected:
            raise AssertionError("a stopped server answered")
        session.close().label("server_no_reply", "in the accept queue of a stopped process; the client gave up")
    for session in ignored:
        session.close().label("accept_queue_overflow", "accept queue full: backlog 4, five connections in it",
                              ["silent_drop"])
    time.sleep(2)
    server.send_signal(signal.SIGCONT)
    time.sleep(4)
    _got(stage, 12)
    _got(stage, 34)


def memcached_stopped_orderly(stage):
    """memcached is ended with SIGTERM: its sessions are closed with it, then nothing listens"""
    server = _memcached(stage)
    _memcached_quit(_memcached_ask(stage, 12))
    parked = [_memcached_ask(stage, client) for client in (21, 32, 13)]
    time.sleep(2)
    server.terminate()
    server.wait()
    for session in parked:
        session.expect_end().close().label("maintenance", "session open when the server was shut down with SIGTERM",
                                           ["app_crash"])
    for client in (14, 23, 14):
        time.sleep(0.9)
        session = Talk(stage, client, MEMCACHED).close()
        if session.connected:
            raise AssertionError("connected to a server that was shut down")
        session.label("port_closed", "nothing listens after the shutdown")


def ordinary_traffic(stage):
    """Nobody is refused: one-shot answers, keep-alive, clients that end with RST, bursts, an idle session"""
    _apache(stage, "StartServers 3\nMaxRequestWorkers 20\nKeepAlive On\nKeepAliveTimeout 3\n", "prefork")
    stage.server(["memcached", "-u", "nobody", "-p", str(MEMCACHED), "-U", "0"], MEMCACHED)
    idle = _memcached_ask(stage, 41)
    for client in (12, 23, 34, 13):
        _got(stage, client)
        _memcached_quit(_memcached_ask(stage, client, six=True))
    kept = [_get(stage, client, close=False).expect(BODY) for client in (14, 24, 33)]
    for session in kept:
        session.expect_end(6).close().served("page delivered; the server's keep-alive timeout ended it")
    for _ in range(6):
        _got(stage, 25)
    burst = [_memcached_ask(stage, client) for client in (15, 26, 35, 16)]
    for session in burst:
        session.close().served("command answered; four clients left together")
    for client in (17, 27):
        _memcached_ask(stage, client).close(reset=True).served("command answered; the client ended with RST")
    for target in ("/absent", "/absent"):
        _get(stage, 18, target=target).expect(b"404").expect_end().close().served("404 for a page that is not there")
    _memcached_quit(idle)
