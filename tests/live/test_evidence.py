#!/usr/bin/env python3
"""`doorslam run` writes the evidence that `doorslam read` writes.

Each capture is replayed through DPDK's net_pcap with one worker, and with two behind a receiving thread. The files must
hold the same frames as those of `doorslam read`, and every alert must name one that is there, with the rights that are left
to a sensor. A folder in which only privileges can write is refused in one line. Exit code 1 where not, 77 where the sensor
cannot be run here.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "evidence"))
from pcap_files import read_pcapng  # noqa: E402  (a folder of scripts, no package)

SKIPPED = 77
PATIENCE_S = 300  # a start may have to compile the signatures first
NOBODY = 65534


def contents(alerts):
    """Frames by incident, whose id depends on nanoseconds; net_pcap has microseconds."""
    found = {}
    for line in alerts.splitlines():
        alert = json.loads(line)
        if alert["event"]["action"] != "incident-closed":
            continue
        path = pathlib.Path(alert["file"]["path"])
        assert path.stat().st_mode & 0o777 & ~0o640 == 0, "others may not read it"
        about, frames = read_pcapng(path)
        key = about[0], min(frame.time_ns for frame in frames) // 1000
        assert key not in found
        found[key] = [(frame.time_ns // 1000, frame.octets, frame.wire_length, frame.link_type) for frame in frames]
    return found


def listen(program, capture, folder, *options):
    command = [program, "run", "--no-huge", "--vdev", f"net_pcap0,rx_pcap={capture}", "--alerts", str(folder / "alerts"),
               "--evidence", str(folder / "evidence"), "--stop-when-idle", "0.5", "--set", "run.descriptors=256", "--set",
               "run.telemetry=false", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != 0 and "DPDK cannot be started" in done.stderr:
        print(f"SKIPPED: {done.stderr.strip()}")
        sys.exit(SKIPPED)
    return done


def check(program, capture, workers):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("read", "evidence"):
            (folder / part).mkdir()
        read = subprocess.run([program, "read", capture, "-q", "--evidence", folder / "read", "--alerts", "-"], check=True,
                              capture_output=True, text=True, timeout=PATIENCE_S)
        done = listen(program, capture, folder, "--workers", str(workers))
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr}"
        expected = contents(read.stdout)
        found = contents((folder / "alerts").read_text())
        assert expected, "no evidence"
        assert list(found) and found == expected, f"{sorted(found)} and not {sorted(expected)}"
        return len(found)


def check_rights(program, capture):
    """What root may do, the sensor may not once it listens."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "evidence").mkdir(mode=0o700)
        try:
            os.chown(folder / "evidence", NOBODY, NOBODY)
        except OSError as error:
            return f"not tried, as there is nobody else here: {error}"
        done = listen(program, capture, folder)
        assert done.returncode == 2, f"exit code {done.returncode}\n{done.stderr}"
        lines = [line for line in done.stderr.splitlines() if line.startswith("doorslam: ")]
        assert len(lines) == 1 and f"{folder}/evidence: evidence cannot be written" in lines[0], done.stderr
    return "refused"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("captures", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    for capture in options.captures:
        for workers in (1, 2):
            print(f"{capture.name}, {workers} workers: {check(options.bin, capture, workers)} files")
    if os.geteuid() == 0:
        print(f"a folder of somebody else: {check_rights(options.bin, options.captures[0])}")


if __name__ == "__main__":
    main()
