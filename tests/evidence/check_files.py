#!/usr/bin/env python3
"""What an evidence file holds is what was on the wire, and it speaks for itself.

Each capture is read with --evidence. Every frame in a file must be the beginning of a frame of the capture, of the same
time and length; every connection that a file introduces must be one of the capture's that was refused for the incident's
cause; and read by doorslam itself, the file must hold exactly these connections, ended as they did. In captures whose
refusals show their cause each by itself (--alone), they must be read for the same cause again.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from pcap_files import read_pcap, read_pcapng

SNAP = 256
INTRODUCTION = re.compile(r"connection (\d+) of (\d+): (\S+) → (\S+), conn_state (\w+), (\w+) ")


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def end(record, side):
    address = record[side]["ip"]
    return f"[{address}]:{record[side]['port']}" if ":" in address else f"{address}:{record[side]['port']}"


def by_ends(flows):
    """Connections by their two ends; ports are used again now and then."""
    found = {}
    for flow in flows:
        found.setdefault((end(flow, "source"), end(flow, "destination")), []).append(flow)
    return found


def course(flow):
    own = flow["doorslam"]
    return own["conn_state"], own["history"], own["stage"], flow["source"]["packets"], flow["destination"]["packets"]


def check_file(program, path, alert, flows, frames_of_capture, alone):
    about, frames = read_pcapng(path)
    cause = alert["doorslam"]["cause"]
    assert alert["message"] in about[0] and cause in about[0], about
    assert alert["doorslam"]["incident"]["id"] in about[1] and alert["doorslam"]["incident"]["id"] in path.name, about
    assert frames == sorted(frames, key=lambda frame: frame.time_ns), "frames in order of time"
    assert all(frame.comments for frame in frames), "a comment on each"
    for frame in frames:
        assert len(frame.octets) <= SNAP
        whole = frames_of_capture[frame.time_ns]
        assert any(one.octets[:SNAP] == frame.octets and one.wire_length == frame.wire_length and
                   one.link_type == frame.link_type for one in whole), f"{path.name}: a frame that was not there: {frame}"
    introduced = [match for frame in frames for comment in frame.comments if (match := INTRODUCTION.match(comment))]
    assert 1 <= len(introduced) <= 5 and len(introduced) == int(introduced[0][2]), introduced
    known = by_ends(flows)
    again = by_ends(run(program, "read", path, "-q", "-C", "--flows", "-"))
    left_out = any("left out before it" in comment for frame in frames for comment in frame.comments)
    for match in introduced:
        ends = match[3], match[4]
        assert match[6] == cause
        assert any(flow["doorslam"]["cause"] == cause for flow in known[ends]), f"{ends} was not refused so"
        for flow in again[ends]:
            if not left_out:
                assert course(flow) in [course(one) for one in known[ends]], f"{ends} ended otherwise"
            if alone:
                assert flow["doorslam"]["cause"] == cause, f"{path.name}: {ends} is {flow['doorslam']['cause']}"
    assert set(again) == {(match[3], match[4]) for match in introduced}, "no other connection"
    return len(introduced)


def check_capture(program, capture, alone):
    """Returns the number of files and of connections in them."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "evidence").mkdir()
        command = (program, "read", capture, "-q", "--evidence", folder / "evidence")
        alerts = run(*command, "--alerts", "-")
        flows = run(*command, "--flows", "-")
        frames = {}
        for frame in read_pcap(capture):
            frames.setdefault(frame.time_ns, []).append(frame)
        closed = [alert for alert in alerts if alert["event"]["action"] == "incident-closed"]
        assert closed, f"{capture}: no alert"
        connections = 0
        for alert in closed:
            path = pathlib.Path(alert["file"]["path"])
            connections += check_file(program, path, alert, flows, frames, alone)
        files = sorted((folder / "evidence").iterdir())
        assert files == sorted({pathlib.Path(alert["file"]["path"]) for alert in alerts}), "every file is named, and no other"
        before = {path: path.read_bytes() for path in files}
        run(*command, "-w", "3")
        assert before == {path: path.read_bytes() for path in (folder / "evidence").iterdir()}, "with 3 workers"
        return len(files), connections


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--alone", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--together", nargs="*", type=pathlib.Path, default=[])
    options = parser.parse_args()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [(capture, pool.submit(check_capture, options.bin, capture, alone))
                for captures, alone in ((options.alone, True), (options.together, False)) for capture in captures]
        for capture, job in jobs:
            try:
                print(f"{capture.name}: %d files, %d connections" % job.result())
            except AssertionError as error:
                failed += 1
                print(f"{capture.name}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
