#!/usr/bin/env python3
"""Workers that poll side by side follow every connection whole, wherever its packets arrive.

Frames of captures are sent over a veth pair in a network namespace. `doorslam run` listens on the other end through
net_af_packet, whose two queues the kernel fills by a hash of its own, with two workers that pass on what belongs to the
other. The same connections with the same history must come out as of `doorslam read`, and some packets must have been
passed on. Exit code 1 where not, 77 where no namespace or packet socket is to be had.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PATIENCE_S = 180
PACE_S = 0.002  # more than the window in which a frame seen twice counts as the mirror's doing
NAME = f"doorslam{os.getpid()}"


def frames(capture):
    data = capture.read_bytes()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack("<I", data[at + 8:at + 12])[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def connections(path):
    """Who spoke with whom, and how it went; times are those of the sending."""
    rows = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        rows.append((record["source"]["ip"], record["source"]["port"], record["destination"]["ip"],
                     record["destination"]["port"], record["doorslam"]["conn_state"], record["doorslam"]["history"]))
    return sorted(rows)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def received(said):
    """What the last status line tells."""
    return max(map(int, re.findall(r"received (\d+) packets", said)), default=0)


def make_link():
    ip("netns", "add", NAME)
    ip("-n", NAME, "link", "add", "tap", "type", "veth", "peer", "name", "wire")
    for device in ("tap", "wire"):
        subprocess.run(["ip", "netns", "exec", NAME, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1"],
                       check=False, capture_output=True)
        ip("-n", NAME, "link", "set", device, "up")


def sensor(program, flows, log):
    """The sensor, once it listens."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", NAME, program, "run", "--no-huge", "--workers", "2", "--set", "run.steering=workers",
         "--set", "run.log_seconds=1", "--vdev", "net_af_packet0,iface=tap,qpairs=2", "--flows", str(flows)],
        stderr=log.open("w"))
    wait_until(process, log, "the sensor does not listen", lambda said: "listening on" in said)
    return process


def wait_until(process, log, otherwise, holds):
    """Returns once `holds` is true of what the sensor has said."""
    end = time.monotonic() + PATIENCE_S
    while not holds(log.read_text()):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            process.wait()
            sys.exit(f"{otherwise}:\n{log.read_text()}")
        time.sleep(0.1)


def send(capture):
    """From within the namespace: a child that enters it. Returns the number of frames."""
    child = os.fork()
    if child == 0:
        with open(f"/var/run/netns/{NAME}") as namespace:
            libc = __import__("ctypes").CDLL(None)
            assert libc.setns(namespace.fileno(), 0) == 0
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("wire", 0))
        for frame in frames(capture):
            wire.send(frame)
            time.sleep(PACE_S)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, f"{capture.name} could not be sent"
    return sum(1 for _ in frames(capture))


def check(program, capture, folder):
    """None, or what is wrong."""
    flows, expected, log = folder / "run.ndjson", folder / "read.ndjson", folder / "log"
    log.touch()
    subprocess.run([program, "read", capture, "--quiet", "--flows", expected], check=True)
    process = sensor(program, flows, log)
    sent = send(capture)
    wait_until(process, log, f"{sent} frames were not received", lambda said: received(said) >= sent)
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=PATIENCE_S)
    said = log.read_text()
    if code != 0 or "every packet is accounted for" not in said:
        return f"exit code {code}\n{said}"
    if "packets reached the wrong worker" not in said:
        return f"no packet was passed on:\n{said}"
    if connections(flows) != connections(expected):
        gone = [row for row in connections(expected) if row not in connections(flows)]
        return f"{len(gone)} of {len(connections(expected))} connections differ: {gone[:3]}\n{said}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("captures", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    try:
        make_link()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"SKIPPED: no network namespace: {error}")
        sys.exit(SKIPPED)
    failures = 0
    try:
        for capture in options.captures:
            with tempfile.TemporaryDirectory() as folder:
                wrong = check(options.bin, capture, pathlib.Path(folder))
            failures += wrong is not None
            print(f"{capture.name}: {wrong or 'the same'}")
    finally:
        ip("netns", "del", NAME)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
