#!/usr/bin/env python3
"""doorslam killed with -9 at random points, and a store on a full disk: no alert is missing anywhere.

  test_kill.py                             12 kills, 3,000 alerts
  KILLS=100 SERVERS=50000 test_kill.py     the long measure: 100 kills while 100,000 alerts flow; prints figures
"""
import os
import random
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import DOORSLAM, PATIENCE_S, SinkTest, SyslogServer  # noqa: E402
from test_http import Elastic, HttpServer  # noqa: E402

KILLS = int(os.environ.get("KILLS", "12"))
SERVERS = int(os.environ.get("SERVERS", "1500"))


class Kill(SinkTest):
    def lines(self):
        with open(self.path("alerts.ndjson"), "rb") as file:
            content = file.read()
        self.assertTrue(content.endswith(b"\n"), "the file ends within a line")
        return content.splitlines()

    def wait_for_arrivals(self, process, share, octets_in_all):
        """Until this share of what is not yet in the file has come to it, or the process has ended."""

        def arrived():
            try:
                return os.path.getsize(self.path("alerts.ndjson"))
            except FileNotFoundError:
                return 0

        wanted = arrived() + share * (octets_in_all - arrived())
        while arrived() <= wanted and process.poll() is None:
            time.sleep(0.001)

    def test_doorslam_killed_at_random_points(self):
        syslog, elastic = SyslogServer(), Elastic()
        http = HttpServer(elastic.answer)
        self.addCleanup(http.close)
        capture = self.capture(SERVERS)
        sinks = [{"name": "file", "type": "file", "path": self.path("alerts.ndjson"), "batch": 50},
                 {"name": "tcp", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{syslog.port}"},
                 {"name": "http", "type": "elasticsearch", "url": f"http://127.0.0.1:{http.port}"}]
        expected = self.expected(capture)
        chance = random.Random(int(os.environ.get("SEED", "1")))
        began = time.monotonic()
        struck = 0
        for kills_left in range(KILLS, 0, -1):
            process = self.start(capture, sinks, drain=600)
            if chance.random() < 0.5:
                time.sleep(chance.uniform(0, 0.2))  # while it starts, reads and stores
            else:
                share = chance.uniform(0, 1) / kills_left  # of what has yet to arrive
                self.wait_for_arrivals(process, share, sum(len(line) + 1 for line in expected.values()))
            struck += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        killing = time.monotonic() - began
        code, words = self.run_doorslam(capture, sinks, drain=600)
        self.assertEqual(code, 0, words)
        self.assertNotIn("behind", words)
        self.assertGreater(struck, 0, "all kills came after the end")
        copies = {"file": self.check_all_arrived(expected, self.lines(), in_order=False),
                  "tcp": self.check_all_arrived(expected, syslog.bodies(), in_order=False)}
        self.assertEqual(elastic.documents, expected)
        copies["http"] = elastic.conflicts
        print(f"{KILLS} kills ({struck} struck) in {killing:.0f} s, {len(expected)} alerts: all at 3 receivers; copies: "
              f"{copies}", file=sys.stderr)


class FullDisk(SinkTest):
    """The store on a file system that is full for a while; needs a mount namespace."""

    # Room comes once doorslam has said that there is none.
    SCRIPT = """
        folder=$1; shift
        mount -t tmpfs -o size=6m tmpfs "$folder" || exit 77
        head -c 5000000 /dev/zero >"$folder/filler"
        "$@" 2>"$folder.words" &
        tries=0
        until grep -q -e "make room" -e "No space" "$folder.words" || [ $((tries += 1)) -gt 600 ]; do sleep 0.1; done
        rm "$folder/filler"
        mount -o remount,size=200m "$folder"
        wait $!
        code=$?
        cat "$folder.words" >&2
        exit $code
    """

    def test_what_is_queued_waits_for_room(self):
        os.makedirs(self.path("small"))
        capture = self.capture(1500)
        sinks = [{"name": "file", "type": "file", "path": self.path("alerts.ndjson")}]
        command = self.command(capture, sinks, drain=120, settings=[f"store.path={self.path('small')}/alerts.db"])
        unshare = ["unshare", "--map-root-user", "--mount"] if os.geteuid() else ["unshare", "--mount"]
        done = subprocess.run([*unshare, "sh", "-c", self.SCRIPT, "sh", self.path("small"), *command], text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        if done.returncode == 77 or "unshare failed" in done.stderr:
            self.skipTest("no file system can be mounted here")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("make room", done.stderr)
        self.assertIn("written again", done.stderr)
        self.assertNotIn("lost", done.stderr.replace("nothing that was queued is lost", ""))
        with open(self.path("alerts.ndjson"), "rb") as file:
            self.assertEqual(self.check_all_arrived(self.expected(capture), file.read().splitlines()), 0)

    def test_a_file_sink_waits_for_room_and_tears_no_line(self):
        os.makedirs(self.path("small"))
        capture = self.capture(1500)
        sinks = [{"name": "file", "type": "file", "path": self.path("small/alerts.ndjson")}]
        command = self.command(capture, sinks)
        script = self.SCRIPT.replace("exit $code", f'cp "$folder/alerts.ndjson" "{self.folder}"; exit $code')
        unshare = ["unshare", "--map-root-user", "--mount"] if os.geteuid() else ["unshare", "--mount"]
        done = subprocess.run([*unshare, "sh", "-c", script, "sh", self.path("small"), *command], text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        if done.returncode == 77 or "unshare failed" in done.stderr:
            self.skipTest("no file system can be mounted here")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        with open(self.path("alerts.ndjson"), "rb") as file:
            self.assertEqual(self.check_all_arrived(self.expected(capture), file.read().splitlines()), 0)


if __name__ == "__main__":
    assert os.path.exists(DOORSLAM), f"build {DOORSLAM}"
    unittest.main(verbosity=2)
