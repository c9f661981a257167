#!/usr/bin/env python3
"""Reads made-up floods and scans with doorslam: each must be one incident, counted to the last connection, in bounded memory.

  floods.py CASE --bin DOORSLAM [--keep FILE] [--any-memory]

Exit 0 where the alerts are as CASE says, and no more memory was used than it allows, else 1. --keep leaves the capture in
FILE; --any-memory is for programs built with a sanitizer, which needs memory of its own.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from frames import ACK, FIN, PSH, RST, SYN, address, frame, write_capture

TIMEOUT_S = 120
START = 1_800_000_000.0
SERVER = address(198, 51, 100, 5)
SCANNER = address(192, 0, 2, 66)
ROUND_TRIP = 0.0004


def closed_ports():
    """Every port of one host, in half a minute. Five are open."""
    packets = []
    for port in range(1, 65536):
        at = START + port * 0.0005
        here, there = (SCANNER, 33000 + port % 20000), (SERVER, port)
        packets.append((at, frame(here, there, SYN, port)))
        if port in (22, 80, 443, 3306, 8080):
            packets += [(at + ROUND_TRIP, frame(there, here, SYN | ACK, 9, port + 1)),
                        (at + 2 * ROUND_TRIP, frame(here, there, RST, port + 1))]
        else:
            packets.append((at + ROUND_TRIP, frame(there, here, RST | ACK, 0, port + 1)))
    return packets, [{"cause": "port_closed", "scope": "server", "refused": 65530, "clients": 1, "ports": 65530}]


def many_hosts():
    """One port of 8,192 hosts: half of them do not answer, half have it closed."""
    packets = []
    for host in range(8192):
        at = START + host * 0.003
        here, there = (SCANNER, 40000 + host % 20000), (address(198, 18, host >> 8, host & 255), 445)
        packets.append((at, frame(here, there, SYN, host)))
        if host % 2:
            packets.append((at + ROUND_TRIP, frame(there, here, RST | ACK, 0, host + 1)))
        else:
            packets.append((at + 1.0, frame(here, there, SYN, host)))
    return packets, [{"cause": "port_closed", "scope": "client", "refused": 4096, "clients": 1, "ports": 1, "servers": 4096},
                     {"cause": "silent_drop", "scope": "client", "refused": 4096, "clients": 1, "ports": 1, "servers": 4096}]


def made_up_address(number):
    """Scattered like addresses that a program draws; never twice the same."""
    return address(20, 0, 0, 0) + number * 7919 % (1 << 26)


def served(number, at):
    """A session of an ordinary client beside the flood."""
    here, there = (address(203, 0, 113, number % 200 + 1), 50000 + number), (SERVER, 80)
    steps = [(here, SYN, 1, 0, b""), (there, SYN | ACK, 1, 2, b""), (here, ACK, 2, 2, b""),
             (here, PSH | ACK, 2, 2, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
             (there, PSH | ACK, 2, 28, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
             (here, FIN | ACK, 28, 40, b""), (there, FIN | ACK, 40, 29, b""), (here, ACK, 29, 41, b"")]
    return [(at + i * ROUND_TRIP, frame(end, there if end is here else here, flags, seq, ack, payload=payload))
            for i, (end, flags, seq, ack, payload) in enumerate(steps)]


def syn_flood():
    """40,000 made-up addresses, a SYN each, in eight seconds. The server answers, and answers again; it goes on serving."""
    packets = []
    for number in range(40_000):
        at = START + number * 0.0002
        here, there = (made_up_address(number), 1024 + number % 60000), (SERVER, 80)
        packets += [(at, frame(here, there, SYN, number)),
                    (at + ROUND_TRIP, frame(there, here, SYN | ACK, 7, number + 1)),
                    (at + 1.0, frame(there, here, SYN | ACK, 7, number + 1))]
    for number in range(30):
        packets += served(number, START + number * 0.3)
    packets += served(30, START + 120)
    return packets, [{"cause": "client_vanished", "scope": "endpoint", "refused": 40_000, "clients": 40_000, "ports": 1,
                      "says": "SYN flood"}]


def drowning_flood():
    """The same, but the server has no room left and answers nobody."""
    packets = []
    for number in range(40_000):
        here, there = (made_up_address(number), 1024 + number % 60000), (SERVER, 80)
        packets.append((START + number * 0.0002, frame(here, there, SYN, number)))
    packets += served(0, START + 120)
    return packets, [{"cause": "silent_drop", "scope": "endpoint", "refused": 40_000, "clients": 40_000, "ports": 1,
                      "says": "SYN flood"}]


CASES = {case.__name__: case for case in (closed_ports, many_hosts, syn_flood, drowning_flood)}


# What a case may take at its peak, all pools and tables included: half as much again as it took when this was written.
MOST_MIB = {"closed_ports": 170, "many_hosts": 80, "syn_flood": 370, "drowning_flood": 370}
# A process counts the memory of the one that started it, and this one holds the packets: a small one starts doorslam.
RUN_AND_MEASURE = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""


def incidents_of(alerts):
    """What was opened and did not go into a wider incident, as it stood at its last alert."""
    latest = {}
    for line in alerts.read_text(encoding="utf-8").splitlines():
        alert = json.loads(line)
        latest[alert["doorslam"]["incident"]["id"]] = alert
    return [alert for alert in latest.values() if "folded_into" not in alert["doorslam"]["incident"]]


def number_of(count):
    """Beyond its bound a count is estimated."""
    return count.get("estimate", count["count"])


def differences(found, expected):
    out = []
    said = sorted((alert["doorslam"]["cause"], alert["doorslam"]["incident"]["scope"]) for alert in found)
    if said != sorted((one["cause"], one["scope"]) for one in expected):
        return [f"incidents {said}"]
    for one in expected:
        alert = next(alert for alert in found if alert["doorslam"]["cause"] == one["cause"])
        incident = alert["doorslam"]["incident"]
        if incident["refused"] != one["refused"]:
            out.append(f"{one['cause']}: {incident['refused']} refused, not {one['refused']}")
        if incident["ports"]["count"] != one["ports"]:
            out.append(f"{one['cause']}: {incident['ports']['count']} ports, not {one['ports']}")
        for what in ("clients", "servers"):
            number, right = number_of(incident[what]), one.get(what, 1)
            if abs(number - right) > 0.1 * right:
                out.append(f"{one['cause']}: {number} {what}, not about {right}")
        if one.get("says", "") not in alert["event"]["reason"]:
            out.append(f"{one['cause']}: says {alert['event']['reason']!r}")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--any-memory", action="store_true")
    args = parser.parse_args()
    packets, expected = CASES[args.case]()
    with tempfile.TemporaryDirectory() as folder:
        capture, alerts = args.keep or pathlib.Path(folder) / "flood.pcap", pathlib.Path(folder) / "alerts.ndjson"
        write_capture(capture, packets)
        run = subprocess.run([sys.executable, "-c", RUN_AND_MEASURE, args.bin, "read", capture, "--quiet", "--alerts", alerts],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
        if run.returncode != 0:
            print(f"doorslam ended with {run.returncode}: {run.stderr}")
            return 1
        found = incidents_of(alerts)
        lines = len(alerts.read_text(encoding="utf-8").splitlines())
    peak = int(run.stdout) // 1024
    for alert in found:
        print(f"{alert['message']}\n  {alert['event']['reason']}")
    print(f"{len(packets)} packets, {lines} alerts, peak memory {peak} MiB")
    wrong = differences(found, expected)
    if peak > MOST_MIB[args.case] and not args.any_memory:
        wrong.append(f"{peak} MiB, more than {MOST_MIB[args.case]}")
    for one in wrong:
        print(f"WRONG {one}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
