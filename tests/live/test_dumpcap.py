#!/usr/bin/env python3
"""dpdk-dumpcap attaches to a running sensor, as the deployment guide says, and writes what goes through a port.

It is a second process that shares the sensor's memory, so this needs huge pages: some are reserved for the time of the
test, and a hugetlbfs is mounted in a mount namespace of the test's own.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from harness import LiveTest, main
from namespaces import die_with_parent, inside

PACKETS = 400  # fewer than any ring on the way holds: none is dropped, however slow somebody is
FRAME = bytes.fromhex("02000000000202000000000188b5")  # of an experimental protocol
ENHANCED_PACKET = 6  # block type
PATIENCE_S = 180


def frames_in(path):
    """Of a pcapng file that may be in the making: the frames of its whole Enhanced Packet Blocks."""
    if not os.path.exists(path):
        return []
    data, at, frames = pathlib.Path(path).read_bytes(), 0, []
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("=II", data, at)
        if at + length > len(data):
            break
        if kind == ENHANCED_PACKET:
            captured, = struct.unpack_from("=I", data, at + 20)
            frames.append(data[at + 28:at + 28 + captured])
        at += length
    return frames


class DumpcapTest(LiveTest):
    def dumpcap(self, environment, namespace, *arguments):
        """Started, and capturing. Its words go into `self.words`."""
        process = subprocess.Popen(["ip", "netns", "exec", namespace, "dpdk-dumpcap", *arguments],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
                                   env={**os.environ, **environment})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.words = b""
        capturing = threading.Event()

        def read():
            while words := os.read(process.stdout.fileno(), 4096):  # its count has no end of line
                self.words += words
                if b"Packets captured" in self.words:
                    capturing.set()
            capturing.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        self.assertTrue(capturing.wait(PATIENCE_S), "it does not capture")
        self.assertIsNone(process.poll(), self.words)
        return process

    def namespace(self):
        """With a link of two ends, `from` and `to`, where nobody says anything unasked."""
        name = f"dumpcap{os.getpid()}"
        self.addCleanup(subprocess.run, ["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
        commands = [("ip", "netns", "add", name),
                    ("ip", "-n", name, "link", "add", "from", "type", "veth", "peer", "name", "to")]
        for device in ("from", "to"):
            commands += [("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1"),
                         ("ip", "-n", name, "link", "set", device, "up")]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"`{' '.join(command)}`: {done.stderr.strip()}")
        return name

    def test_what_goes_through_is_written(self):
        if shutil.which("dpdk-dumpcap") is None:
            self.skipTest("dpdk-dumpcap is not installed (Debian package dpdk-dev)")
        self.have_huge_pages()
        namespace = self.namespace()
        prefix = f"dumpcap-test-{os.getpid()}"
        environment = {"RUNTIME_DIRECTORY": str(self.folder)}
        sensor = self.sensor("--vdev", "net_af_packet0,iface=to", "--workers", 1, "--set", f"run.file_prefix={prefix}",
                             huge_pages=True, environment=environment, namespace=namespace)
        dumpcap = self.dumpcap(environment, namespace, "--file-prefix", prefix, "-i", "0", "-w",
                               self.path("sample.pcapng"))
        frames = [FRAME + number.to_bytes(4, "big").ljust(46, b"\0") for number in range(PACKETS)]
        with inside(namespace):
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(sender.close)
        sender.bind(("from", 0))
        for frame in frames:
            sender.send(frame)
        until = time.monotonic() + PATIENCE_S
        while len(frames_in(self.path("sample.pcapng"))) < PACKETS:
            self.assertIsNone(dumpcap.poll(), f"dpdk-dumpcap ended: {self.words}")
            self.assertLess(time.monotonic(), until, "not all packets were written")
            time.sleep(0.1)
        dumpcap.send_signal(signal.SIGINT)
        dumpcap.wait(PATIENCE_S)
        self.reader.join()
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.assert_exact(sensor)
        self.assertEqual(sensor.balance("net_af_packet0 on the wire"), (PACKETS, {"polled": PACKETS}))
        self.assertEqual(frames_in(self.path("sample.pcapng")), frames)


if __name__ == "__main__":
    main()
