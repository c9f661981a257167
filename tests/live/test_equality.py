#!/usr/bin/env python3
"""`doorslam run` finds what `doorslam read` finds.

Each capture is read, and replayed through DPDK's net_pcap into `doorslam run`: with one worker, with two, and taken
apart by direction into two ports of one port group, as a passive tap delivers it. The same connections must get the same
causes. Prints one line a capture; exit code 1 where one differs, 77 where the sensor cannot be run here.
"""
import argparse
import concurrent.futures
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77
ETHERNET = 1  # link type
BYTE_ORDERS = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}


def records(path):
    """What must be equal, of each connection. Times to the microsecond: net_pcap has no finer ones."""
    rows = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        own = record["doorslam"]
        rows.append((record["event"]["start"][:26], record["source"]["ip"], record["source"]["port"],
                     record["destination"]["ip"], record["destination"]["port"], own["cause"], own["confidence"],
                     own["stage"], own["conn_state"], own["history"]))
    return sorted(rows)


def could_come_from_a_port(capture):
    """A port delivers Ethernet. What a pcapng holds is not looked at: those here are of Ethernet."""
    header = capture.read_bytes()[:24]
    order = BYTE_ORDERS.get(header[:4])
    return order is None or struct.unpack(order + "I", header[20:24])[0] == ETHERNET


def split_by_direction(capture, folder):
    """Two captures: frames from the lower Ethernet address to the higher, and the others."""
    data = capture.read_bytes()
    order = BYTE_ORDERS.get(data[:4])
    if order is None:
        return None
    parts = [bytearray(data[:24]), bytearray(data[:24])]
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + length]
        parts[frame[6:12] > frame[0:6]] += data[at:at + 16] + frame
        at += 16 + length
    paths = [folder / "direction0.pcap", folder / "direction1.pcap"]
    for path, part in zip(paths, parts):
        path.write_bytes(part)
    return paths


def read(program, capture, flows, *options):
    subprocess.run([program, "read", capture, "--quiet", "--flows", flows, *options], check=True)
    return records(flows)


def run(program, captures, workers, flows, *options):
    """Connections of a run over these captures, one port each. Exits where the sensor cannot be run at all."""
    flows.unlink(missing_ok=True)
    # Few buffers: most of the time goes into providing them.
    command = [program, "run", "--no-huge", "--workers", str(workers), "--flows", str(flows), "--stop-when-idle", "0.5",
               "--set", "run.descriptors=256", "--set", "run.steering_ring=1024", *options]
    for number, capture in enumerate(captures):
        command += ["--vdev", f"net_pcap{number},rx_pcap={capture}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0 and "DPDK cannot be started" in done.stderr:
        print(f"SKIPPED: {done.stderr.strip()}")
        sys.exit(SKIPPED)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stderr}"
    assert "every packet is accounted for" in done.stderr, done.stderr
    return records(flows)


def difference(expected, found):
    gone = [row for row in expected if row not in found]
    new = [row for row in found if row not in expected]
    return f"{len(gone)} of {len(expected)} differ; read: {gone[:2]}; run: {new[:2]}"


def compare(program, capture):
    """Returns the number of connections, the number of ways, and what is wrong, one line a way."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        expected = read(program, capture, folder / "read.ndjson")
        ways = {"1 worker": ([capture], 1), "2 workers, steered": ([capture], 2)}
        parts = split_by_direction(capture, folder)
        if parts:
            ways |= {"2 ports, 1 worker": (parts, 1), "2 ports, 2 workers": (parts, 2)}
        wrong = []
        for way, (captures, workers) in ways.items():
            found = run(program, captures, workers, folder / "run.ndjson")
            if found != expected:
                wrong.append(f"{capture.name}, {way}: {difference(expected, found)}")
        return len(expected), len(ways), wrong


def compare_filtered(program, captures):
    """Both leave out what a filter does not match, and account for it. Returns what is wrong, one line a way."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for capture in captures:
            everything = read(program, capture, folder / "read.ndjson")
            clients = sorted({row[1] for row in everything})
            options = ["--filter", f"host {clients[0]}"] if clients else []
            expected = read(program, capture, folder / "read.ndjson", *options)
            if 0 < len(expected) < len(everything):
                break
        else:
            return ["no capture has two clients of which a filter could choose one"]
        wrong = []
        for workers in (1, 2):
            found = run(program, [capture], workers, folder / "run.ndjson", *options)
            if found != expected:
                wrong.append(f"{capture.name}, {options}, {workers} workers: {difference(expected, found)}")
        return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("captures", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    failures = 0
    captures = [capture for capture in options.captures if could_come_from_a_port(capture)]
    for capture in options.captures:
        if capture not in captures:
            print(f"{capture.name}: not of Ethernet, left out")
    # A run mostly waits: for DPDK to start, and for the end of its capture to be one.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda capture: compare(options.bin, capture), captures)
        for capture, (connections, ways, wrong) in zip(captures, done):
            failures += len(wrong)
            for line in wrong:
                print(line)
            print(f"{capture.name}: {connections} connections, {ways} ways")
    for line in compare_filtered(options.bin, captures):
        failures += 1
        print(line)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
