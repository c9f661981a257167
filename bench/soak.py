"""A sensor under full load for a long time: called by soak.sh.

A generator in a second process sends conversations over net_memif as fast as the sensor takes them, with a million
connections open at a time. Looks at the sensor's memory all the while. At the end the counters of both sides must agree to
the packet, and memory must be flat: what it was at half time is what it is at the end, within 1 %.
Prints one JSON object with what was measured. Exit code 1 where it did not hold.
"""
import argparse
import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "live"))
from harness import Generator, Sensor  # noqa: E402  (a folder of scripts, no package)

GROWTH_ALLOWED = 0.01  # in the second half: in the first, tables and queues come to the size they need
CAPACITY = 6_000_000  # a million open ones, and what 600,000 that close in a second leave behind for flows.timeout.closing


def watch(sensor, seconds, interval):
    """Resident memory in MiB, once in an interval."""
    began = time.monotonic()
    seen = []
    while time.monotonic() - began < seconds:
        time.sleep(min(interval, seconds))
        seen.append(sensor.resident_mebi())
        print(f"{time.monotonic() - began:6.0f} s  {seen[-1]} MiB", file=sys.stderr)
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--open", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doorslam-soak-") as folder:
        socket = f"{folder}/memif"
        sensor = Sensor("--vdev", f"net_memif0,role=server,socket={socket},socket-abstract=yes", "--workers",
                        options.workers, "--alerts", f"{folder}/alerts", "--set", f"flows.capacity={CAPACITY}",
                        "--set", f"flows.capacity_ipv6={CAPACITY // 6}")
        started = time.monotonic() - sensor.began
        generator = Generator(socket, "--seconds", options.seconds, "--open", options.open, "--refused-every", 50,
                              "--v6-every", 10)
        memory = watch(sensor, options.seconds, max(options.seconds / 60, 1))
        sent = generator.result()
        stopped = sensor.end()
        generator.close()
        said = sensor.said
        received, _ = sensor.balance("net_memif0 on the wire")
        connections, ways = sensor.balance("connections")
        alerts = sum(1 for _ in open(f"{folder}/alerts", "rb"))
    settled = memory[len(memory) // 2]
    growth = memory[-1] / settled - 1
    wrong = []
    if received != sent["sent"] or "every packet is accounted for" not in said or "— off by" in said:
        wrong.append("the counters do not agree")
    if growth > GROWTH_ALLOWED:
        wrong.append("memory grows")
    if sensor.process.returncode != 0:
        wrong.append(f"exit code {sensor.process.returncode}")
    print(json.dumps({"seconds": sent["seconds"], "packets": sent["sent"], "received": received,
                      "packets_per_second": round(sent["sent"] / sent["seconds"]), "connections": connections,
                      "ended": ways, "alerts": alerts, "resident_mebi": {"settled": settled, "end": memory[-1],
                                                                         "most": max(memory)},
                      "start_seconds": round(started, 2), "stop_seconds": round(stopped, 2), "wrong": wrong}, indent=2))
    print(said.splitlines()[-1], file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
