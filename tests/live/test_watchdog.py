#!/usr/bin/env python3
"""What the service manager hears (sd_notify(3)): a sensor that works, or waits for who takes its records, says so; one of
whose threads stands still does not, so that systemd starts it anew.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import threading
import time

from harness import LiveTest, main

WATCHDOG_US = 400_000  # it is told at half of this
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # waitpid(2): threads as well
PATIENCE_S = 180


class Manager:
    """Listens where the sensor notifies."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._news = threading.Condition()
        self._heard = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(WATCHDOG_US)}

    def _listen(self):
        while True:
            message = self._socket.recv(4096).decode()
            with self._news:
                self._heard.append(message)
                self._news.notify_all()

    def count(self, words="WATCHDOG=1"):
        with self._news:
            return sum(words in message for message in self._heard)

    def wait_for_more(self, times, words="WATCHDOG=1"):
        """Whether it is said so many times more before long."""
        with self._news:
            until = self.count_unlocked(words) + times
            return self._news.wait_for(lambda: self.count_unlocked(words) >= until, PATIENCE_S)

    def hear_what_is_on_its_way(self):
        """Returns once all is heard that was said before."""
        own = "the test's own words"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(own.encode(), self._socket.getsockname())
        if not self.wait_until(lambda: own in self._heard):
            raise AssertionError("the manager hears nothing")

    def wait_until(self, holds):
        with self._news:
            return self._news.wait_for(holds, PATIENCE_S)

    def falls_silent(self, seconds, words="WATCHDOG=1"):
        """Whether there comes a time of so many seconds, before long, in which this is not said."""
        with self._news:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                before = self.count_unlocked(words)
                if not self._news.wait_for(lambda before=before: self.count_unlocked(words) > before, seconds):
                    return True
        return False

    def count_unlocked(self, words):
        return sum(words in message for message in self._heard)


class WatchdogTest(LiveTest):
    def setUp(self):
        super().setUp()
        self.manager = Manager(self.path("notify"))

    def ptrace(self, request, thread):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(request, thread, None, None) != 0:
            self.skipTest(f"no thread can be stopped alone here: ptrace: {os.strerror(ctypes.get_errno())}")

    def polling_thread(self, sensor):
        tasks = pathlib.Path(f"/proc/{sensor.process.pid}/task")
        found = []
        for task in tasks.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
                if (task / "comm").read_text(encoding="ascii").startswith(("rte-worker", "lcore-worker")):
                    found.append(int(task.name))
        self.assertEqual(len(found), 1)
        return found[0]

    def test_a_thread_that_hangs(self):
        """One polling thread is stopped, as a bug would: the sensor is not told to be alive until it goes on."""
        sensor = self.sensor("--vdev", "net_null0,no-rx=1", "--workers", 1, environment=self.manager.environment)
        self.assertTrue(self.manager.wait_for_more(3), "nobody was told that the sensor is alive")
        thread = self.polling_thread(sensor)
        self.ptrace(PTRACE_SEIZE, thread)
        self.ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        # Ten times would be told. What was on its way still comes, and what the thread had done since the last word.
        self.assertTrue(self.manager.falls_silent(5 * WATCHDOG_US / 1e6), "told to be alive with a thread that hangs")
        self.ptrace(PTRACE_DETACH, thread)
        self.assertTrue(self.manager.wait_for_more(3), "nobody was told that it goes on")
        sensor.end()
        self.assertEqual(sensor.process.returncode, 0, sensor.said)
        self.manager.hear_what_is_on_its_way()
        self.assertEqual(self.manager.count("STOPPING=1"), 1)

    def test_records_that_wait_for_their_reader(self):
        """Nobody takes the records, and so everything waits, packets included: no reason to start the sensor anew."""
        os.mkfifo(self.path("fifo"))
        end = os.open(self.path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, end)
        sensor = self.memif_sensor("--workers", 1, "--flows", self.path("fifo"), "--set", "run.when_behind=wait", "--set",
                                   "run.served_ring=1024", "--set", "run.refusal_ring=1024", "--set",
                                   "run.log_seconds=1", environment=self.manager.environment)
        self.generator("--open", 100)
        until = time.monotonic() + PATIENCE_S
        received = [0]
        while len(received) < 3 or received[-1] == 0 or received[-1] != received[-3]:
            self.assertLess(time.monotonic(), until, "packets come still: nothing waits")
            time.sleep(0.1)
            received = [0, *map(int, re.findall(r"received (\d+) packets", sensor.said))]
        self.assertTrue(self.manager.wait_for_more(5), "taken for dead while it waits")
        sensor.send(signal.SIGTERM)
        sensor.end(None)
        self.assertEqual(sensor.process.returncode, 1, "records are missing")
        self.assert_exact(sensor)


if __name__ == "__main__":
    main()
