#!/usr/bin/env python3
"""How long a receiver that was away takes to get what has gathered.

  measure_backlog.py [ALERTS]     600000 without an argument: ten minutes at 1,000 alerts a second

The backlog is stored with the receiver away; then the receiver comes back. It reads RFC 6587 frames and takes the
event.id of each; order and completeness are checked. Needs about 12 KiB of disk an alert, in TMPDIR.
"""
import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
import many_alerts  # noqa: E402
from harness import DOORSLAM, free_port  # noqa: E402

IDENTITY = re.compile(rb'\[doorslam@32473 id="([0-9a-f]{32})"')


class Receiver:
    def __init__(self, port):
        self.identities = []
        self.last = time.monotonic()
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            tail = b""
            while octets := connection.recv(1 << 20):
                octets = tail + octets
                found = list(IDENTITY.finditer(octets))
                self.identities += [match[1] for match in found]
                tail = octets[max(found[-1].end() if found else 0, len(octets) - 60):]
                self.last = time.monotonic()
            connection.close()


def identities(folder):
    """event.id of what is stored, in order."""
    with contextlib.closing(sqlite3.connect(f"{folder}/alerts.db")) as store:
        return [row[0].encode() for row in store.execute("SELECT id FROM record ORDER BY seq")]


def main():
    alerts = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    with tempfile.TemporaryDirectory(prefix="doorslam-backlog-") as folder:
        capture, port = os.path.join(folder, "many.pcap"), free_port()
        few = os.path.join(folder, "few.pcap")
        many_alerts.write_capture(capture, alerts // 2, connections_a_second=500)
        many_alerts.write_capture(few, 1)
        sink = f"sinks=[{{name: siem, type: syslog, transport: tcp, address: '127.0.0.1:{port}'}}]"

        def read(path, drain):
            began = time.monotonic()
            done = subprocess.run([DOORSLAM, "read", "--quiet", path, "--set", f"store.path={folder}/alerts.db", "--set",
                                   "store.max_bytes=64GiB", "--set", sink, "--set", f"store.drain_seconds={drain}",
                                   "--set", "alerts.max_open=1000000"], stderr=subprocess.PIPE, check=True)
            return time.monotonic() - began, done.stderr.decode()

        seconds, _ = read(capture, 0)
        stored = len(identities(folder))
        print(f"{stored} alerts stored in {seconds:.1f} s with the receiver away "
              f"({os.path.getsize(folder + '/alerts.db') / 1e9:.2f} GB)")
        receiver = Receiver(port)
        began = time.monotonic()
        _, words = read(few, 600)
        print(f"{len(receiver.identities)} received within {receiver.last - began:.1f} s of its return; {words.strip()}")
        expected = identities(folder)
        print("all of them, in order" if receiver.identities == expected else "NOT all, or not in order")


if __name__ == "__main__":
    main()
