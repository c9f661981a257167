#!/usr/bin/env python3
"""Real servers, a real kernel, a real mirror: refusals that vsftpd and Mosquitto hand out to clients of other
namespaces, seen by `doorslam run` on a packet socket at a bridge's monitor port, get their right causes.

Protects the whole way from the port to the records, over IPv4 and IPv6, and that the link may go down and come again.
"""
import os
import signal
import socket
import threading
import time

from harness import LiveTest, NotHere, main, own_signature, records
from mirror import SERVER, SERVER6, Mirror, client_address
from namespaces import inside

FTP, MQTT = 21, 1883
BARRED = 66
MQTT_CONNECT = bytes.fromhex("100c00044d5154540402003c0000")  # MQTT 3.1.1, 3.1: protocol level 4, clean session, no id
MQTT_CONNACK = b"\x20\x02\0\0"
SETTLED_S = 1.0
PATIENCE_S = 180
# A server that closes within 10 ms of the client's words has answered them, as far as can be told: who is in the midst of
# a session has been silent for longer.
IN_MIDST_S = 0.5  # a loaded machine sees a packet late by a good part of that


class MirrorTest(LiveTest):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.mirror = Mirror(self.folder)
        try:
            self.mirror.__enter__()
        except NotHere as reason:
            self.skipTest(str(reason))
        self.addCleanup(self.mirror.__exit__, None, None, None)
        self.expected = {}  # (client address, client port): causes that are right

    def listen(self, *arguments):
        sensor = self.sensor("--vdev", "net_af_packet0,iface=mon", "--workers", 2, "--flows", self.path("flows"),
                             "--alerts", self.path("alerts"), *arguments, namespace=self.mirror.monitor)
        return sensor

    def label(self, talk, *causes):
        self.expected[talk.getsockname()[:2]] = causes

    def judged(self):
        return {(flow["source"]["ip"], flow["source"]["port"]): flow["doorslam"]["cause"]
                for flow in records(self.path("flows"))}

    def check_causes(self):
        judged = self.judged()
        wrong = {ends: (judged.get(ends), causes) for ends, causes in self.expected.items()
                 if judged.get(ends) not in causes}
        self.assertFalse(wrong, "client: (what it was taken for, what it was)")
        self.assertEqual(len(judged), len(self.expected), "connections that nobody made")

    def check_alert(self, cause, server, port):
        found = [alert for alert in records(self.path("alerts"))
                 if (alert["doorslam"]["cause"], alert["destination"]["ip"], alert["destination"]["port"]) ==
                 (cause, server, port)]
        self.assertTrue(found, f"no alert of {cause} at {server}, port {port}")

    # vsftpd

    def start_vsftpd(self, **settings):
        empty = self.path("empty")
        os.mkdir(empty)
        options = {"listen": "NO", "listen_ipv6": "YES", "background": "NO", "anonymous_enable": "YES",
                   "no_anon_password": "YES", "secure_chroot_dir": empty, "anon_root": empty,
                   "ftp_username": "nobody", "xferlog_enable": "NO", "seccomp_sandbox": "NO", **settings}
        text = "".join(f"{key}={value}\n" for key, value in options.items())
        barred = f"vsftpd: {client_address(BARRED)} [{client_address(BARRED, True)}]\n"
        self.mirror.start(["vsftpd", self.mirror.file("vsftpd.conf", text)], FTP, hosts_deny=barred)

    def ftp(self, client, six=False):
        """A session that the server has greeted."""
        talk = self.mirror.connect(client, FTP, six)
        self.addCleanup(talk.close)
        greeting = talk.recv(200)
        self.assertTrue(greeting.startswith(b"220"), greeting)
        self.label(talk, "served")
        return talk

    def ftp_when_free(self, client, six):
        """A session at a server whose master process may not have buried an earlier one yet: until then it refuses."""
        until = time.monotonic() + PATIENCE_S
        while True:
            talk = self.mirror.connect(client, FTP, six)
            greeting = talk.recv(200)
            if greeting.startswith(b"220") or time.monotonic() > until:
                break
            self.label(talk, "connection_limit")
            talk.close()
            time.sleep(0.2)
        self.addCleanup(talk.close)
        self.assertTrue(greeting.startswith(b"220"), greeting)
        self.label(talk, "served")
        return talk

    def ftp_quit(self, talk):
        talk.sendall(b"QUIT\r\n")
        while talk.recv(200):
            pass
        talk.close()

    def ftp_refused(self, client, cause, six=False):
        talk = self.mirror.connect(client, FTP, six)
        self.label(talk, cause)
        said = b""
        while part := talk.recv(200):
            said += part
        self.assertFalse(said.startswith(b"220"), said)
        talk.close()

    def test_vsftpd_tcp_wrappers(self):
        """One client's address is in hosts.deny."""
        self.start_vsftpd(tcp_wrappers="YES")
        sensor = self.listen()
        for six in (False, True):
            for client in (11, 12, 13):
                self.ftp_quit(self.ftp(client, six))
                self.ftp_refused(BARRED, "acl_denied", six)
        time.sleep(SETTLED_S)
        sensor.end()
        self.assert_exact(sensor)
        self.check_causes()
        for server in (SERVER, SERVER6):
            self.check_alert("acl_denied", server, FTP)

    def test_vsftpd_max_clients(self):
        """Two sessions are open, and more are not allowed."""
        self.start_vsftpd(max_clients=2)
        sensor = self.listen()
        for six in (False, True):
            first, second = self.ftp_when_free(11, six), self.ftp_when_free(12, six)
            for client in (13, 14, 15):
                self.ftp_refused(client, "connection_limit", six)
            self.ftp_quit(first)
            self.ftp_quit(self.ftp_when_free(13, six))
            self.ftp_quit(second)
        time.sleep(SETTLED_S)
        sensor.end()
        self.assert_exact(sensor)
        self.check_causes()
        for server in (SERVER, SERVER6):
            self.check_alert("connection_limit", server, FTP)

    # Mosquitto

    def mqtt(self, client, six=False):
        talk = self.mirror.connect(client, MQTT, six)
        self.addCleanup(talk.close)
        talk.sendall(MQTT_CONNECT)
        self.assertEqual(talk.recv(10), MQTT_CONNACK)
        return talk

    def mqtt_refused(self, client, six=False):
        talk = self.mirror.connect(client, MQTT, six)
        self.label(talk, "connection_limit")
        try:
            talk.sendall(MQTT_CONNECT)
            self.assertEqual(talk.recv(10), b"")
        except ConnectionError:
            pass  # it was reset, as its words were not read
        talk.close()

    def limit_then_killed(self, six):
        broker = self.mirror.start(["mosquitto", "-c", self.mirror.file(
            "mosquitto.conf", f"user nobody\nlistener {MQTT}\nallow_anonymous true\nmax_connections 3\n")], MQTT)
        sensor = self.listen()
        sessions = [self.mqtt(client, six) for client in (21, 22, 23)]
        for client in (24, 25, 26, 24):
            time.sleep(0.2)
            self.mqtt_refused(client, six)
        leaving = sessions.pop(0)
        self.label(leaving, "served")
        leaving.sendall(b"\xe0\0")  # DISCONNECT
        self.assertEqual(leaving.recv(10), b"")  # its place is free
        sessions.append(self.mqtt(24, six))
        for session in sessions:
            self.label(session, "app_crash")
        time.sleep(IN_MIDST_S)
        broker.kill()
        broker.wait()
        for client in (25, 26):
            with self.assertRaises(ConnectionRefusedError):
                self.mirror.connect(client, MQTT, six)
        time.sleep(SETTLED_S)
        sensor.end()
        self.assert_exact(sensor)
        closed = [ends for ends, cause in self.judged().items() if cause == "port_closed"]
        self.assertEqual(sorted(address for address, _ in closed), [client_address(n, six) for n in (25, 26)])
        self.expected.update(dict.fromkeys(closed, ("port_closed",)))
        self.check_causes()
        self.check_alert("connection_limit", SERVER6 if six else SERVER, MQTT)

    def test_mosquitto_limit_then_killed(self):
        """A broker that is full says nothing; then it is killed, and its port is closed."""
        self.limit_then_killed(six=False)

    def test_mosquitto_limit_then_killed_ipv6(self):
        """The same over IPv6."""
        self.limit_then_killed(six=True)

    # The link

    def test_link_down_and_up(self):
        """The monitor port goes down and comes again: what comes then is seen, and the counters hold. (DPDK's driver of
        packet sockets tells nothing of the link.)"""
        self.start_vsftpd(tcp_wrappers="YES")
        sensor = self.listen()
        self.ftp_quit(self.ftp(11))
        for state in ("down", "up"):
            self.mirror.set_link(self.mirror.monitor, "mon", state)
        self.ftp_quit(self.ftp(12))
        self.ftp_refused(BARRED, "acl_denied")
        time.sleep(SETTLED_S)
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0)
        self.assert_exact(sensor)
        self.check_causes()

    # Reloading

    def refuse_in_words(self, words, *ports):
        """A server of our own, on these ports of the server host: says its words to everybody, and hangs up."""
        def serve(listener):
            while True:
                try:
                    talk, _ = listener.accept()
                except OSError:  # its end
                    return
                talk.sendall(words)
                talk.close()

        for port in ports:
            with inside(self.mirror.server):
                listener = socket.create_server((SERVER, port))
            self.addCleanup(listener.close)
            self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
            threading.Thread(target=serve, args=(listener,), daemon=True).start()

    def refused_in_words(self, client, port):
        """Returns the client's end."""
        with self.mirror.connect(client, port) as talk:
            while talk.recv(200):
                pass
            return talk.getsockname()[:2]

    def record_of(self, ends):
        """Its flow record, as soon as it is written."""
        until = time.monotonic() + PATIENCE_S
        while True:
            for flow in records(self.path("flows")):
                if (flow["source"]["ip"], flow["source"]["port"]) == ends:
                    return flow
            self.assertLess(time.monotonic(), until, f"no record of {ends}")
            time.sleep(0.1)

    def test_reload_takes_effect(self):
        """After SIGHUP a later refusal is read by the new signature, a client that is expected to be refused raises no
        alert any more, and no packet is lost meanwhile."""
        before, unread, expected, after = 2001, 2002, 2003, 2004
        signature = (self.folder / "own.yaml")
        config = (self.folder / "doorslam.yaml")
        settings = "signatures:\n  paths: [{}]\nanalysis:\n  settle_seconds: 1\nalerts:\n  expected: [{}]\n"
        signature.write_text(own_signature("own-other-words", "999 other words"), encoding="utf-8")
        config.write_text(settings.format(signature, ""), encoding="utf-8")
        self.refuse_in_words(b"999 other words\r\n", before)
        self.refuse_in_words(b"000 the house is full\r\n", unread, expected, after)
        sensor = self.listen("-c", config, "--set", "flows.timeout.closing_seconds=1")
        ends = [self.refused_in_words(31, port) for port in (before, unread)]
        first, second = map(self.record_of, ends)
        self.assertEqual(first["doorslam"]["signature"]["name"], "own-other-words")
        self.assertNotIn("signature", second["doorslam"])
        signature.write_text(own_signature("own-house-full", "000 the house is full"), encoding="utf-8")
        config.write_text(settings.format(signature, f'"client {client_address(31)}"'), encoding="utf-8")
        sensor.send(signal.SIGHUP)
        sensor.wait_for("signatures and thresholds were read again")
        ends = [self.refused_in_words(client, port) for client, port in ((31, expected), (32, after))]
        refused = list(map(self.record_of, ends))
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        for record in refused:
            self.assertEqual(record["doorslam"]["signature"]["name"], "own-house-full")
            self.assertEqual(record["doorslam"]["cause"], "connection_limit")
        alarmed = {alert["destination"]["port"] for alert in records(self.path("alerts"))}
        self.assertEqual(alarmed - {unread}, {before, after})
        self.assert_exact(sensor)
        came, ways = sensor.balance("net_af_packet0 on the wire")
        self.assertEqual(ways, {"polled": came})

    # Losses

    def test_losses_of_a_packet_socket(self):
        """A sensor that stands still while more frames come than its ring holds: received and lost are all that came."""
        monitor = self.mirror.monitor
        self.mirror.run_in(monitor, "ip", "link", "add", "from", "type", "veth", "peer", "name", "to")
        for device in ("from", "to"):  # where nobody says anything unasked
            self.mirror.run_in(monitor, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
            self.mirror.run_in(monitor, "ip", "link", "set", device, "up")
        sensor = self.sensor("--vdev", "net_af_packet0,iface=to", "--workers", 1, namespace=monitor)
        sensor.send(signal.SIGSTOP)
        os.waitid(os.P_PID, sensor.process.pid, os.WSTOPPED | os.WNOWAIT)
        with inside(monitor):
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(sender.close)
        sender.bind(("from", 0))
        frame = bytes.fromhex("02000000000202000000000188b5").ljust(60, b"\0")  # of an experimental protocol
        for _ in range(20_000):
            sender.send(frame)
        sensor.send(signal.SIGCONT)
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.assert_exact(sensor)
        came, ways = sensor.balance("net_af_packet0 on the wire")
        self.assertEqual(came, 20_000)
        self.assertGreater(ways.get("missed", 0), 0)
        self.assertEqual(ways.get("polled", 0) + ways["missed"], came)


if __name__ == "__main__":
    main()
