#!/usr/bin/env python3
"""What the store and a sink cost a running sensor, and how late an alert is: doorslam run on a veth pair.

  measure_live.py latency [CONNECTIONS]          one refused connection each 50 ms; how long after its last packet and
                                                 the settle time its alert is at a syslog receiver over TCP
  measure_live.py store [SECONDS [RECORDS_A_SECOND]]
                                                 each connection becomes a flow record in the store, beside a file sink;
                                                 what was stored a second, and what the sensor says it lost

Needs root, for a network namespace of its own. No pass or fail: figures for docs/siem.md.
"""
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import DOORSLAM, SYSLOG, FrameParser  # noqa: E402
from many_alerts import ACK, CLIENT, FIN, SYN, frame  # noqa: E402

RST = 4
SETTLE_S = 10


class Receiver:
    """Syslog over TCP: when each server's incident-opened arrived."""

    def __init__(self):
        self.arrived = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        parser = FrameParser()
        while octets := connection.recv(1 << 16):
            now = time.monotonic()
            for message in parser.feed(octets):
                record = json.loads(SYSLOG.fullmatch(message)[7])
                if record["event"]["action"] == "incident-opened" and "destination" in record:
                    self.arrived.setdefault(record["destination"]["ip"], now)
        connection.close()


class Sensor:
    def __init__(self, folder, *settings):
        command = [DOORSLAM, "run", "--no-huge", "--vdev", "net_af_packet0,iface=tap1,framesz=2048,blocksz=4096,"
                   "framecnt=32768", "--set", "run.frame_octets=1518", "--set", f"store.path={folder}/alerts.db"]
        for setting in settings:
            command += ["--set", setting]
        environment = dict(os.environ, RUNTIME_DIRECTORY=folder, XDG_CACHE_HOME=folder)
        self.log = open(f"{folder}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log, env=environment)
        deadline = time.monotonic() + 60
        while "listening on" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"doorslam run does not start: {self.said()}")
            time.sleep(0.1)
        time.sleep(0.5)

    def said(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return self.said()


def interface():
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("tap0", 0))
    return sender


def measure_latency(connections):
    with tempfile.TemporaryDirectory(prefix="doorslam-latency-") as folder:
        receiver = Receiver()
        sink = f"sinks=[{{name: siem, type: syslog, transport: tcp, address: '127.0.0.1:{receiver.port}'}}]"
        sensor = Sensor(folder, sink, f"analysis.settle_seconds={SETTLE_S}")
        sender, ended = interface(), {}
        for number in range(connections):
            server = bytes([10, 0, number >> 8, number & 255])
            up, down = (30000, 7000), (7000, 30000)
            for packet in (frame(CLIENT, server, up, 100, 0, SYN), frame(server, CLIENT, down, 500, 101, SYN | ACK),
                           frame(CLIENT, server, up, 101, 501, ACK), frame(server, CLIENT, down, 501, 101, FIN | ACK),
                           frame(CLIENT, server, up, 101, 502, FIN | ACK), frame(server, CLIENT, down, 502, 102, ACK)):
                sender.send(packet)
            ended[socket.inet_ntoa(server)] = time.monotonic()
            time.sleep(0.05)
        deadline = time.monotonic() + 30
        while len(receiver.arrived) < connections and time.monotonic() < deadline:
            time.sleep(0.05)
        sensor.stop()
        late = sorted(1000 * (receiver.arrived[server] - ended[server] - SETTLE_S) for server in receiver.arrived)
        print(f"{len(late)} of {connections} alerts; beyond {SETTLE_S} s to settle: median "
              f"{statistics.median(late):.0f} ms, 99 % within {late[len(late) * 99 // 100 - 1]:.0f} ms, "
              f"the latest {late[-1]:.0f} ms")


def measure_store(seconds, rate):
    with tempfile.TemporaryDirectory(prefix="doorslam-store-") as folder:
        sensor = Sensor(folder, "store.flows=all", "store.max_bytes=64GiB", "analysis.settle_seconds=1",
                        "flows.timeout.closing_seconds=1",
                        f"sinks=[{{name: all, type: file, records: all, path: '{folder}/all.ndjson', batch: 5000}}]")
        sender = interface()
        pairs = []
        for number in range(65536):  # a SYN that is answered by a reset: two packets, one flow record
            server = bytes([10, 0, number >> 8, number & 255])
            pairs.append((frame(CLIENT, server, (30000, 7000), 100, 0, SYN),
                          frame(server, CLIENT, (7000, 30000), 0, 101, RST | ACK)))
        began, sent, wanted = time.monotonic(), 0, seconds * rate
        while sent < wanted:
            due = min(int((time.monotonic() - began) * rate), wanted)
            if due <= sent:
                time.sleep(0.0005)
            for number in range(sent, due):
                syn, answer = pairs[number & 65535]
                sender.send(syn)
                sender.send(answer)
            sent = max(sent, due)
        took = time.monotonic() - began
        store = sqlite3.connect(f"file:{folder}/alerts.db?mode=ro", uri=True)

        def stored():
            return store.execute("SELECT count(*) FROM record WHERE kind = 2").fetchone()[0]

        at_end, before, count = stored(), -1, stored()
        while count != before:
            time.sleep(3)
            before, count = count, stored()
        words = sensor.stop()
        with open(f"{folder}/all.ndjson", "rb") as file:
            delivered = sum(1 for _ in file)
        print(f"{sent} connections in {took:.1f} s: {sent / took:.0f} a second; {at_end} stored by then "
              f"({at_end / took:.0f} a second), {count} in the end; the file sink has {delivered} lines")
        print(words[words.find("stopped within"):])


def main():
    if os.environ.get("DOORSLAM_OWN_NETWORK") != "1":
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], dict(os.environ, DOORSLAM_OWN_NETWORK="1"))
    for command in ("ip link set lo up", "ip link add tap0 type veth peer name tap1", "ip link set tap0 up",
                    "ip link set tap1 up"):
        subprocess.run(command.split(), check=True)
    for name in ("tap0", "tap1"):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="utf-8") as file:
            file.write("1")
    what, arguments = (sys.argv[1:2] or [""])[0], [int(word) for word in sys.argv[2:]]
    if what == "latency":
        measure_latency(*(arguments or [200]))
    elif what == "store":
        measure_store(*(arguments + [20, 25_000][len(arguments):]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
