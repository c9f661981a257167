#!/usr/bin/env python3
"""Syslog over UDP, TCP and TLS to a receiver that fails in every way a receiver can."""
import itertools
import os
import socket
import ssl
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import (  # noqa: E402
    PATIENCE_S,
    FrameParser,
    SinkTest,
    SyslogServer,
    bodies,
    free_port,
    make_certificates,
    reset,
    wait_until,
)


def read_frames(connection):
    parser, frames = FrameParser(), []
    while octets := connection.recv(65536):
        frames += parser.feed(octets)
    return frames


class ThreadedServer:
    """Each connection is served in a thread by read(connection, its number), which gives the frames that it has read."""

    def __init__(self, test, read):
        self.frames, self.read = [], read
        listener = socket.create_server(("127.0.0.1", 0))
        test.addCleanup(listener.close)
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        for number in itertools.count():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        with connection:
            self.frames += self.read(connection, number)


class ForgetfulServer:
    """Dies `deaths` times over what it has read to the end and not kept, and is back at once."""

    def __init__(self, deaths):
        self.port, self.deaths, self.frames = free_port(), deaths, []
        threading.Thread(target=self._run, args=(self._listen(),), daemon=True).start()

    def _listen(self):
        return socket.create_server(("127.0.0.1", self.port))

    def _run(self, listener):
        while True:
            connection, _ = listener.accept()
            parser, frames = FrameParser(), []
            while octets := connection.recv(65536):
                frames += parser.feed(octets)
            connection.close()
            if frames and self.deaths > 0:
                self.deaths -= 1
                listener.close()
                listener = self._listen()
            else:
                self.frames += frames


class SingleSessionServer(SyslogServer):
    """Whoever comes while somebody is there is sent away."""

    def _accept(self, listener):
        session = None
        while self.alive:
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                continue
            if session and session.is_alive():
                connection.close()
                continue
            session = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            session.start()


class Tcp(SinkTest):
    def sink(self, server, **more):
        return {"name": "siem", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{server.port}",
                "retry_first_seconds": "10ms", "retry_most_seconds": "200ms", "batch": 100, **more}

    def test_every_alert_arrives_once_and_in_order(self):
        server, capture = SyslogServer(), self.capture(1000)
        code, words = self.run_doorslam(capture, [self.sink(server)])
        self.assertEqual((code, words), (0, ""))
        self.assertEqual(self.check_all_arrived(self.expected(capture), server.bodies()), 0)

    def test_a_second_run_over_the_same_capture_sends_nothing_again(self):
        server, capture = SyslogServer(), self.capture(200)
        for _ in range(2):
            self.assertEqual(self.run_doorslam(capture, [self.sink(server)]), (0, ""))
        self.assertEqual(self.check_all_arrived(self.expected(capture), server.bodies()), 0)

    def test_connection_cut_after_every_k_octets(self):
        for k, servers in ((6_000, 40), (9_973, 40), (65_537, 100), (300_007, 200)):
            with self.subTest(k=k):
                server, capture = SyslogServer(cut_after=k), self.capture(servers)
                # A store of its own: a sink of another name would get what the earlier rounds left in a shared one.
                code, words = self.run_doorslam(capture, [self.sink(server)], drain=120,
                                                settings=[f"store.path={self.path(f'{k}.db')}"])
                self.assertEqual(code, 0, words)
                self.check_all_arrived(self.expected(capture), server.bodies(), in_order=False)
                self.assertGreater(server.connections, 1)

    def test_receiver_killed_with_unread_data_and_restarted(self):
        # It reads slowly, so that its kernel holds what it has acknowledged and nobody has read.
        server, capture = SyslogServer(pause=0.01), self.capture(2000)
        process = self.start(capture, [self.sink(server)])
        for _ in range(5):
            some = len(server.frames) + 200
            wait_until(lambda some=some: len(server.frames) >= some or process.poll() is not None)
            server.die()
            time.sleep(0.2)  # away for a moment
            server.revive()
        server.pause = 0
        _, words = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, words)
        self.check_all_arrived(self.expected(capture), server.bodies(), in_order=False)
        self.assertIn("delivers again", words)

    def test_receiver_killed_over_what_it_had_just_read(self):
        # With nothing unread, the kernel of a dead process ends its connections as a living one would: by FIN.
        server, capture = ForgetfulServer(deaths=6), self.capture(20)
        code, words = self.run_doorslam(capture, [self.sink(server)])
        self.assertEqual(code, 0, words)
        self.assertEqual(server.deaths, 0)
        self.check_all_arrived(self.expected(capture), bodies(server.frames), in_order=False)

    def test_receiver_that_takes_one_connection_at_a_time(self):
        server, capture = SingleSessionServer(), self.capture(50)
        code, words = self.run_doorslam(capture, [self.sink(server)])
        self.assertEqual(code, 0, words)
        self.assertNotIn("behind", words)
        self.check_all_arrived(self.expected(capture), server.bodies(), in_order=False)

    def test_receiver_that_ends_its_side_first(self):
        # Syslog goes one way, so nothing is wrong with that, but there is no receipt.
        def read(connection, _):
            connection.shutdown(socket.SHUT_WR)
            return read_frames(connection)

        self.check_delivered_to(ThreadedServer(self, read), self.capture(300))

    def test_receiver_that_ceases_to_end_connections(self):
        kept_open = []

        def read(connection, number):
            if number == 0:  # from now on in pieces, with a receipt each
                connection.recv(1000)
                reset(connection)
                return []
            frames = read_frames(connection)
            if number > 3 and frames:
                kept_open.append(connection.dup())
            return frames

        self.check_delivered_to(ThreadedServer(self, read), self.capture(200), timeout_seconds="100ms", batch=10)
        self.assertGreater(len(kept_open), 0)

    def check_delivered_to(self, server, capture, **more):
        code, words = self.run_doorslam(capture, [self.sink(server, **more)])
        self.assertEqual(code, 0, words)
        self.assertNotIn("behind", words)
        expected = self.expected(capture)
        wait_until(lambda: len(server.frames) >= len(expected))  # its threads may lag behind its kernel
        self.check_all_arrived(expected, bodies(server.frames), in_order=False)

    def test_receiver_that_is_away_gets_all_with_the_next_run(self):
        server, capture = SyslogServer(), self.capture(200)
        server.die()
        code, words = self.run_doorslam(capture, [self.sink(server)], drain=2)
        self.assertEqual(code, 0)
        self.assertIn("400 records behind", words)
        self.assertIn("Connection refused", words)
        server.revive()
        self.assertEqual(self.run_doorslam(capture, [self.sink(server)]), (0, ""))
        self.assertEqual(self.check_all_arrived(self.expected(capture), server.bodies()), 0)

    def test_what_a_dead_receiver_had_not_read_is_sent_by_the_next_run(self):
        # Its kernel takes some megabytes that it never reads; then it is gone, and so is doorslam before it is back.
        port, capture = free_port(), self.capture(1500)
        listener = socket.create_server(("127.0.0.1", port))
        sink = {"name": "siem", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{port}",
                "timeout_seconds": "300ms", "retry_first_seconds": "10ms", "resend_bytes": "64MiB"}
        code, words = self.run_doorslam(capture, [sink], drain=3)
        self.assertEqual(code, 0, words)
        self.assertIn("takes no more data", words)
        listener.close()
        server = SyslogServer(port=port)
        self.assertEqual(self.run_doorslam(capture, [sink])[0], 0)
        self.check_all_arrived(self.expected(capture), server.bodies(), in_order=False)

    def test_receiver_that_never_closes_its_side_is_not_flooded(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        octets = []

        def read_for_ever():
            while True:
                connection, _ = listener.accept()
                octets.append(connection)  # kept open
                while piece := connection.recv(65536):
                    octets.append(piece)

        threading.Thread(target=read_for_ever, daemon=True).start()
        capture = self.capture(50)
        sink = {"name": "siem", "type": "syslog", "transport": "tcp", "timeout_seconds": "500ms",
                "address": f"127.0.0.1:{listener.getsockname()[1]}", "retry_first_seconds": "10ms"}
        code, words = self.run_doorslam(capture, [sink])
        self.assertEqual(code, 0)
        self.assertNotIn("behind", words)

    def test_filters_choose(self):
        everything, some, nothing = SyslogServer(), SyslogServer(), SyslogServer()
        capture = self.capture(300)
        sinks = [self.sink(everything, name="a"),
                 self.sink(some, name="b", servers=["10.0.1.0/24"], causes=["acl_denied", "app_crash"]),
                 self.sink(nothing, name="c", min_severity=99)]
        self.assertEqual(self.run_doorslam(capture, sinks), (0, ""))
        self.assertEqual(len(everything.frames), 600)
        self.assertEqual(len(some.frames), 2 * 44)
        self.assertEqual(len(nothing.frames), 0)


class Udp(SinkTest):
    def test_datagrams_are_whole_messages(self):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.5)
        capture = self.capture(10)
        sink = {"name": "u", "type": "syslog", "transport": "udp", "address": f"127.0.0.1:{receiver.getsockname()[1]}",
                "facility": "daemon", "hostname": "tap1.example"}
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        frames = []
        try:
            while True:
                frames.append(receiver.recv(65536))
        except socket.timeout:
            pass
        self.check_all_arrived(self.expected(capture), bodies(frames))
        self.assertTrue(frames[0].startswith(b"<29>1 "), frames[0][:80])  # daemon (3), severity 21 is notice (5)
        self.assertIn(b" tap1.example doorslam ", frames[0])

    def test_a_port_that_nobody_listens_on_is_told(self):
        sink = {"name": "u", "type": "syslog", "transport": "udp", "address": f"127.0.0.1:{free_port()}"}
        _, words = self.run_doorslam(self.capture(10), [sink], drain=2)
        self.assertIn("Connection refused", words)

    def test_the_local_socket(self):
        path = self.path("log")
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(path)
        lines = []

        def read():
            while True:
                lines.append(receiver.recv(1 << 20))

        threading.Thread(target=read, daemon=True).start()
        capture = self.capture(100)
        sink = {"name": "l", "type": "syslog", "transport": "local", "path": path}
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        wait_until(lambda: len(lines) >= 200)
        self.assertRegex(lines[0], rb"^<133>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d doorslam\[\d+\]: {")
        self.check_all_arrived(self.expected(capture), [line.split(b": ", 1)[1] for line in lines])


class Tls(SinkTest):
    @classmethod
    def setUpClass(cls):
        import tempfile
        cls.certificates = tempfile.TemporaryDirectory(prefix="doorslam-ca-")
        make_certificates(cls.certificates.name)

    @classmethod
    def tearDownClass(cls):
        cls.certificates.cleanup()

    def pem(self, name):
        return os.path.join(self.certificates.name, name)

    def server(self, name="server", ask_for_certificate=False, **more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem(f"{name}.pem"), self.pem(f"{name}.key"))
        if ask_for_certificate:
            context.load_verify_locations(self.pem("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return SyslogServer(wrap=lambda raw: context.wrap_socket(raw, server_side=True), **more)

    def sink(self, server, **more):
        return {"name": "siem", "type": "syslog", "transport": "tls", "address": f"localhost:{server.port}",
                "ca": self.pem("ca.pem"), "retry_first_seconds": "10ms", "retry_most_seconds": "200ms", **more}

    def test_every_alert_arrives_over_tls_with_a_client_certificate(self):
        server, capture = self.server(ask_for_certificate=True), self.capture(500)
        sink = self.sink(server, certificate=self.pem("client.pem"), key=self.pem("client.key"))
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        self.assertEqual(self.check_all_arrived(self.expected(capture), server.bodies()), 0)

    def test_connection_cut_after_every_k_octets(self):
        server, capture = self.server(cut_after=70_001), self.capture(200)
        code, words = self.run_doorslam(capture, [self.sink(server)])
        self.assertEqual(code, 0, words)
        self.check_all_arrived(self.expected(capture), server.bodies(), in_order=False)

    def check_refused(self, server, *reasons, **more):
        code, words = self.run_doorslam(self.capture(20), [self.sink(server, **more)], drain=2)
        self.assertEqual(code, 0)
        self.assertEqual(server.frames, [], "an alert went to a server that is not trusted")
        for reason in reasons:
            self.assertIn(reason, words)
        first = words.splitlines()[0]
        self.assertIn("sink siem: localhost:", first)

    def test_certificate_of_an_unknown_authority(self):
        self.check_refused(self.server("stranger"), "certificate is not accepted", "local issuer")

    def test_expired_certificate(self):
        self.check_refused(self.server("expired"), "certificate is not accepted", "expired")

    def test_certificate_for_another_name(self):
        self.check_refused(self.server("othername"), "certificate is not accepted", "hostname mismatch")

    def test_certificate_for_another_address(self):
        server = self.server("othername")
        code, words = self.run_doorslam(self.capture(20), [self.sink(server, address=f"127.0.0.1:{server.port}")],
                                        drain=2)
        self.assertEqual((code, server.frames), (0, []))
        self.assertIn("IP address mismatch", words)

    def test_another_name_can_be_expected(self):
        server, capture = self.server("othername"), self.capture(20)
        self.assertEqual(self.run_doorslam(capture, [self.sink(server, server_name="elsewhere.example")]), (0, ""))
        self.assertEqual(len(server.frames), 40)

    def test_server_that_wants_a_certificate_which_is_not_there(self):
        self.check_refused(self.server(ask_for_certificate=True), "records behind")

    def test_a_certificate_refused_after_the_handshake_delivers_nothing(self):
        # In TLS 1.3 ours is judged when the handshake is over for us; whoever has read ahead by then resets nothing.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem("server.pem"), self.pem("server.key"))
        context.load_verify_locations(self.pem("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        kept = []

        def read(connection, _):
            arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = context.wrap_bio(arriving, leaving, server_side=True)
            try:
                while octets := connection.recv(1 << 20):
                    arriving.write(octets)
                    if read_ahead(connection, arriving):
                        break
                    shake_hands(session)
                    connection.sendall(leaving.read())
                shake_hands(session)
                kept.append(session.read(1))
            except ssl.SSLError:
                connection.sendall(leaving.read())
            return []

        def shake_hands(session):
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                pass

        def read_ahead(connection, arriving):
            """All that comes within a moment; whether that was the last."""
            connection.settimeout(0.3)
            try:
                while octets := connection.recv(1 << 20):
                    arriving.write(octets)
                return True
            except socket.timeout:
                return False
            finally:
                connection.settimeout(None)

        server = ThreadedServer(self, read)
        for certificate in ({}, {"certificate": self.pem("stranger.pem"), "key": self.pem("stranger.key")}):
            with self.subTest(certificate=certificate):
                code, words = self.run_doorslam(self.capture(20), [self.sink(server, **certificate)], drain=3,
                                                settings=[f"store.path={self.path(str(len(certificate)) + '.db')}"])
                self.assertEqual(code, 0)
                self.assertEqual(kept, [])
                self.assertIn("40 records behind", words)
                self.assertRegex(words, "alert (certificate required|unknown ca)")

    def test_unusable_files_end_the_program_with_a_line(self):
        server = self.server()
        for key, file, reason in (("ca", "missing.pem", "missing.pem"), ("ca", "server.key", "PEM"),
                                  ("certificate", "client.pem", "belong together")):
            code, words = self.run_doorslam(self.capture(20), [self.sink(server, **{key: self.pem(file)})])
            self.assertEqual(code, 2, words)
            self.assertEqual(words.count("\n"), 1, words)
            self.assertIn(reason, words)
            self.assertIn("sink siem", words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
