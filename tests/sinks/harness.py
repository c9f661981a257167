"""What the tests of sinks share: running doorslam, receivers that fail on demand, and certificates."""
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import many_alerts

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from namespaces import die_with_parent  # noqa: E402, F401  (a folder of scripts, no package)
from ports import free_port  # noqa: E402

DOORSLAM = os.environ.get("DOORSLAM", "build/test/pipeline/app/doorslam")
PATIENCE_S = 180  # what has not come by then does not come

# RFC 5424, section 6, as doorslam writes it.
SYSLOG = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) doorslam (\d+) (alert|flow) "
    rb"\[doorslam@32473((?: \w+=\"[^\"\\\]]*\")*)\] (.*)",
    re.DOTALL,
)


class SinkTest(unittest.TestCase):
    """A folder of its own, a store in it, and captures that give alerts."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="doorslam-sinks-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def capture(self, servers):
        path = self.path(f"{servers}.pcap")
        if not os.path.exists(path):
            many_alerts.write_capture(path, servers)
        return path

    def command(self, capture, sinks, drain=120, settings=()):
        """`sinks` are maps, as the configuration has them; `drain` in seconds, for the receivers that never take all."""
        with open(self.path("doorslam.yaml"), "w", encoding="utf-8") as file:
            json.dump({"sinks": sinks}, file)  # JSON is YAML
        command = [DOORSLAM, "read", "--quiet", "-c", self.path("doorslam.yaml"), capture]
        settings = [f"store.path={self.path('alerts.db')}", f"store.drain_seconds={drain}", "alerts.max_open=1000000",
                    *settings]
        for setting in settings:
            command += ["--set", setting]
        return command

    def start(self, *args, **options):
        cache = os.path.join(tempfile.gettempdir(), f"doorslam-sinks-cache-{os.getuid()}")
        environment = dict(os.environ, XDG_CACHE_HOME=cache)
        process = subprocess.Popen(self.command(*args, **options), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=environment, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)  # where it has not ended
        return process

    def run_doorslam(self, *args, **options):
        process = self.start(*args, **options)
        _, words = process.communicate(timeout=PATIENCE_S)
        return process.returncode, words

    def expected(self, capture):
        """event.id and body of every alert, in order."""
        path = self.path(os.path.basename(capture) + ".alerts")
        if not os.path.exists(path):
            subprocess.run([DOORSLAM, "read", "--quiet", "--set", "alerts.max_open=1000000", "--alerts", path, capture],
                           check=True)
        return alerts_in(path)

    def check_all_arrived(self, expected, lines, in_order=True):
        """No alert is missing; more than one of a kind only with the same event.id, and then with the same content."""
        arrived = {}
        order = []
        for line in lines:
            identity = json.loads(line)["event"]["id"]
            if identity in arrived:
                self.assertEqual(arrived[identity], line, "two records share an event.id")
                continue
            arrived[identity] = line
            order.append(identity)
        missing = [identity for identity in expected if identity not in arrived]
        self.assertEqual(len(missing), 0, f"{len(missing)} of {len(expected)} alerts are missing, as {missing[:1]}")
        self.assertEqual(len(arrived), len(expected))
        for identity, line in expected.items():
            self.assertEqual(arrived[identity], line)
        if in_order:
            self.assertEqual(order, list(expected))
        return len(lines) - len(order)


def wait_until(holds, seconds=PATIENCE_S, pause=0.05):
    """Waits for a condition, which is looked at after each pause; what it last gave."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(pause)
    return found


def alerts_in(path):
    with open(path, "rb") as file:
        return {json.loads(line)["event"]["id"]: line.rstrip(b"\n") for line in file}


def bodies(frames):
    """The messages proper of syslog frames; each must be what RFC 5424 allows."""
    out = []
    for frame in frames:
        match = SYSLOG.fullmatch(frame)
        if match is None:
            raise AssertionError(f"no RFC 5424 message: {frame[:300]!r}")
        out.append(match[7])
    return out


class FrameParser:
    """RFC 6587, section 3.4.1: what is not whole is not a message."""

    def __init__(self):
        self.buffer = b""

    def feed(self, octets):
        self.buffer += octets
        frames = []
        while True:
            blank = self.buffer.find(b" ", 0, 12)
            if blank < 0:
                if len(self.buffer) > 11:
                    raise AssertionError(f"no octet count: {self.buffer[:40]!r}")
                return frames
            length = int(self.buffer[:blank])
            if len(self.buffer) < blank + 1 + length:
                return frames
            frames.append(self.buffer[blank + 1:blank + 1 + length])
            self.buffer = self.buffer[blank + 1 + length:]


class SyslogServer:
    """A receiver over TCP (or TLS, with `wrap`), in a thread, that can be made to fail.

    cut_after: each connection is reset after so many octets were read. Dying (die()) closes everything with whatever
    is unread, as a killed process does; revive() listens again on the same port.
    """

    def __init__(self, cut_after=None, wrap=None, pause=0.0, port=None):
        self.cut_after, self.wrap, self.pause = cut_after, wrap, pause
        self.port = port or free_port()
        self.frames = []
        self.connections = 0
        self.errors = []
        self.lock = threading.Lock()
        self.open = []
        self.revive()

    def revive(self):
        self.alive = True
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.listener.settimeout(0.05)
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def _accept(self, listener):
        while self.alive:
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw):
        connection = raw
        try:
            if self.wrap:
                raw.settimeout(PATIENCE_S)
                connection = self.wrap(raw)
            connection.settimeout(0.05)
            self.open.append(connection)
            parser, read = FrameParser(), 0
            while self.alive:
                most = 65536 if self.cut_after is None else min(65536, self.cut_after - read)
                try:
                    octets = connection.recv(most)
                except socket.timeout:
                    continue
                if not octets:
                    connection.close()
                    return
                read += len(octets)
                frames = parser.feed(octets)
                with self.lock:
                    if not self.alive:
                        break
                    self.frames += frames
                if self.cut_after is not None and read >= self.cut_after:
                    break
                if self.pause:
                    time.sleep(self.pause)
        except OSError as error:
            self.errors.append(error)
        except AssertionError as error:
            self.errors.append(error)
            raise
        reset(connection)

    def die(self):
        with self.lock:
            self.alive = False
        self.thread.join()
        self.listener.close()
        for connection in self.open:
            reset(connection)
        self.open = []

    def bodies(self):
        with self.lock:
            return bodies(self.frames)


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass


def make_certificates(folder):
    """A test CA, a server's and a client's certificate, and what must be refused: expired, other name, other CA."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def authority(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def certificate(name, authority_name, subject_alternative, *validity):
        with open(os.path.join(folder, f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={subject_alternative}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority_name}.pem", "-CAkey", f"{authority_name}.key",
                "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem", *(validity or ("-days", "2")))

    authority("ca")
    authority("other-ca")
    certificate("server", "ca", "DNS:localhost,IP:127.0.0.1")
    certificate("client", "ca", "DNS:sensor.example")
    certificate("expired", "ca", "DNS:localhost,IP:127.0.0.1", "-days", "-1")
    certificate("othername", "ca", "DNS:elsewhere.example")
    certificate("stranger", "other-ca", "DNS:localhost,IP:127.0.0.1")
