"""What the live tests share: a sensor in a process of its own, the load generator, and network namespaces.

Where a sensor cannot be run at all (no DPDK, no namespaces), tests are skipped with the reason, on standard error.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from namespaces import die_with_parent  # noqa: E402  (a folder of scripts, no package)

DOORSLAM = os.environ.get("DOORSLAM", "build/test/pipeline/app/doorslam")
GENERATOR = os.environ.get("GENERATOR", "build/test/bench/generator/load_generator")
SKIPPED = 77
START_S = 180  # signatures of its own may have to be compiled first
HUGE_PAGES = 320  # of 2 MiB, for a sensor that is to use such
RESERVED = pathlib.Path("/proc/sys/vm/nr_hugepages")
CLONE_NEWNS = 0x00020000
STOP_S = 180  # of the harness; what is promised is checked where it is measured


def records(path):
    """The objects of a file of one JSON object a line; it may be in the making."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def free_pages():
    return int(re.search(r"HugePages_Free:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii")).group(1))


def own_signature(name, words):
    """A site's signature file with one refusal text."""
    return f"""signatures:
  - name: {name}
    program: any
    protocol: text
    expression: '^{words}'
    causes: {{connection_limit: 0.9}}
    specificity: exact
    source: a test
    sample: '{words}'
"""


class NotHere(Exception):
    """The sensor cannot be run on this machine; the message says why."""


class Sensor:
    """`doorslam run`, from its start to its end. Its words are kept in `said`."""

    def __init__(self, *arguments, namespace=None, wait=True, huge_pages=False, environment=None):
        command = [DOORSLAM, "run", *(() if huge_pages else ("--no-huge",)), "--set", "run.telemetry=false",
                   *map(str, arguments)]
        if namespace:
            command = ["ip", "netns", "exec", namespace, *command]
        cache = os.path.join(tempfile.gettempdir(), f"doorslam-live-cache-{os.getuid()}")
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
                                        env={**os.environ, "XDG_CACHE_HOME": cache, **(environment or {})})
        self._lines = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_for("listening on")

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._lines.append(None)
            self._news.notify_all()

    @property
    def said(self):
        with self._news:
            return "".join(line for line in self._lines if line)

    def wait_for(self, words, seconds=START_S):
        """Returns once a line has these words. Fails when the sensor ends without, or does not say them in time."""
        with self._news:
            found = self._news.wait_for(lambda: any(line is None or words in line for line in self._lines), seconds)
            lines = [line for line in self._lines if line]
        if found and any(words in line for line in lines):
            return
        text = "".join(lines)
        if "DPDK cannot be started" in text:
            raise NotHere(text.strip())
        raise AssertionError(f"the sensor did not say '{words}' in {seconds} s (exit code {self.process.poll()}): {text}")

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Ends the sensor. Returns how long that took, in seconds."""
        began = time.monotonic()
        if number is not None:
            self.process.send_signal(number)
        self.process.wait(STOP_S)
        took = time.monotonic() - began
        self._reader.join()
        self.process.stderr.close()
        return took

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()

    def wait_until_received(self, packets, seconds=START_S):
        """Returns once a status line (run.log_seconds) tells of so many packets."""
        until = time.monotonic() + seconds
        while max(map(int, re.findall(r"received (\d+) packets", self.said)), default=0) < packets:
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError(f"{packets} packets were not received in {seconds} s: {self.said}")
            time.sleep(0.1)

    def resident_mebi(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) // 1024

    def balance(self, stage):
        """A line of the closing account: what went in, and a map of what became of it."""
        line = re.search(rf"^(?:.*\] )?{re.escape(stage)}: (\d+) =(.*)$", self.said, re.MULTILINE)
        if not line:
            raise AssertionError(f"no account of '{stage}' in: {self.said}")
        parts = {name.strip(): int(count) for count, name in re.findall(r"(\d+) ([^+—]+)", line.group(2))}
        return int(line.group(1)), parts

    def counted(self, what):
        """A figure of the last status line, e.g. "events lost"; 0 where it is not mentioned, as zeros are not."""
        line = [line for line in self.said.splitlines() if "received " in line and "connections" in line][-1]
        found = re.search(rf"(\d+) {re.escape(what)}(?:;|,|$)", line)
        return int(found.group(1)) if found else 0


class Generator:
    """The load generator at the other end of a memif, whose (abstract) socket goes with the sensor."""

    def __init__(self, socket, *arguments):
        port = f"net_memif0,role=client,socket={socket},socket-abstract=yes,rsize=11"
        self.process = subprocess.Popen([GENERATOR, "--port", port, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)
        if self.process.stdout.readline() != "ready\n":
            said = self.process.stderr.read()
            self.close()
            raise AssertionError(f"the generator did not start: {said}")

    def result(self, stop=False):
        """What was sent, once all was. The port stays open until close()."""
        if stop:
            self.process.terminate()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the generator failed: {self.process.stderr.read()}")
        return json.loads(line)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class LiveTest(unittest.TestCase):
    """A folder of its own, and sensors and generators that end with the test."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="doorslam-live-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return str(self.folder / name)

    def sensor(self, *arguments, **options):
        try:
            sensor = Sensor(*arguments, **options)
        except NotHere as reason:
            self.skipTest(str(reason))
        self.addCleanup(sensor.kill)
        return sensor

    def generator(self, *arguments):
        generator = Generator(self.path("memif"), *arguments)
        self.addCleanup(generator.close)
        return generator

    def memif_sensor(self, *arguments, **options):
        """A sensor at whose port a generator may be plugged in."""
        return self.sensor("--vdev", f"net_memif0,role=server,socket={self.path('memif')},socket-abstract=yes",
                           *arguments, **options)

    def have_mounts_of_its_own(self):
        """For the rest of this process; skips the test where there can be none."""
        if os.geteuid() != 0:
            self.skipTest("only root can mount")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            self.skipTest(f"no mount namespace is to be had: {os.strerror(ctypes.get_errno())}")
        done = subprocess.run(("mount", "--make-rprivate", "/"), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(done.stderr.strip())

    def have_huge_pages(self):
        """For the time of the test, with a hugetlbfs in a mount namespace of its own; skips it where there can be none."""
        self.have_mounts_of_its_own()
        before = RESERVED.read_text(encoding="ascii")
        try:
            self.addCleanup(RESERVED.write_text, before, encoding="ascii")
            if free_pages() < HUGE_PAGES:
                RESERVED.write_text(str(int(before) + HUGE_PAGES), encoding="ascii")
        except OSError as error:
            self.skipTest(f"huge pages cannot be reserved: {error}")
        if free_pages() < HUGE_PAGES:
            self.skipTest(f"{HUGE_PAGES} huge pages cannot be reserved: {free_pages()} are free")
        os.mkdir(self.path("pages"))
        command = ("mount", "-t", "hugetlbfs", "none", self.path("pages"))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"`{' '.join(command)}`: {done.stderr.strip()}")
        # Before the folder goes, and after the sensor has.
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.path("pages")], check=False)

    def assert_exact(self, sensor):
        """Every packet, connection and event is accounted for."""
        self.assertIn("every packet is accounted for", sensor.said)
        self.assertNotIn("— off by", sensor.said)


def main():
    """As unittest.main, but tells meson when nothing could be run."""
    result = unittest.main(exit=False, verbosity=2).result
    for test, reason in result.skipped:
        print(f"SKIPPED: {test}: {reason}", file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped and len(result.skipped) == result.testsRun else 0)
