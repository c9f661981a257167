#!/usr/bin/env python3
"""doorslam alerts: what is in the store, for a person and for a program, and once more for a sink."""
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import DOORSLAM, PATIENCE_S, SinkTest, SyslogServer, wait_until  # noqa: E402

CAPTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "captures")


class Alerts(SinkTest):
    def alerts(self, *arguments, store="alerts.db"):
        done = subprocess.run([DOORSLAM, "alerts", "--store", self.path(store), *arguments], text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def fill(self, capture=None, sinks=()):
        capture = capture or self.capture(300)
        code, words = self.run_doorslam(capture, list(sinks))
        self.assertEqual(code, 0, words)
        return self.expected(capture)

    def test_lists_the_newest_and_filters(self):
        expected = self.fill()
        code, out, err = self.alerts()
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(len(out.splitlines()), 100)
        self.assertIn(list(expected)[-1][:12], out.splitlines()[0])
        code, out, _ = self.alerts("--json", "-n", "0")
        self.assertEqual([line.encode() for line in out.splitlines()], list(expected.values())[::-1])
        _, out, _ = self.alerts("--server", "10.0.1.0/24", "-n", "0", "--json")
        self.assertEqual({json.loads(line)["destination"]["ip"].rsplit(".", 1)[0] for line in out.splitlines()},
                         {"10.0.1"})
        self.assertEqual(len(out.splitlines()), 88)
        self.assertEqual(self.alerts("--cause", "app_crash")[1], "")
        self.assertEqual(self.alerts("--min-severity", "47")[1], "")

    def test_shows_one_with_its_ladder_and_what_speaks_for_it(self):
        self.fill(os.path.join(CAPTURES, "licence_server_full.pcap"))
        identity = json.loads(self.alerts("--json", "-n", "1")[1])["event"]["id"]
        code, out, err = self.alerts(identity[:10])
        self.assertEqual((code, err), (0, ""))
        for part in (identity, "Connection limit reached", "client ──▶ server  SYN ", "handshake complete", "WHY",
                     "sessions were open", "WHAT TO DO NEXT", "RSTR", "meanwhile   ", "limit       refuses from 4",
                     "Refused by client address: "):
            self.assertIn(part, out)

    def test_mistakes_are_told_in_a_line(self):
        self.fill(self.capture(10))
        for arguments, code, reason in ((["ffffffffffffffffffff"], 2, "no record"), (["--cause", "bad"], 2, "'bad'"),
                                        (["--server", "10.0.0.0/99"], 2, "no network"), (["--min-severity", "x"], 2, "x"),
                                        (["--resend", "nosink"], 2, "no sink is called 'nosink'"),
                                        ([], 1, "none.db")):
            got, out, err = self.alerts(*arguments, store="alerts.db" if arguments else "none.db")
            self.assertEqual((got, out), (code, ""), arguments)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertIn(reason, err)
        done = subprocess.run([DOORSLAM, "alerts"], text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--store", done.stderr)

    def sink(self, server):
        return {"name": "siem", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{server.port}"}

    def test_tells_how_far_the_sinks_are(self):
        server = SyslogServer()
        self.fill(sinks=[self.sink(server)])
        self.assertRegex(self.alerts("--sinks")[1], r"\nsiem +600 +0 +0 +0 +0\n")

    def test_sends_once_more_where_no_doorslam_runs(self):
        server = SyslogServer()
        expected = self.fill(sinks=[self.sink(server)])
        del server.frames[:]
        code, out, err = self.alerts("--resend", "siem", "--server", "10.0.1.0/24", "-n", "0", "-c",
                                     self.path("doorslam.yaml"))
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn("88 sent", out)
        wanted = [body for body in expected.values() if json.loads(body)["destination"]["ip"].startswith("10.0.1.")]
        self.assertEqual(server.bodies(), wanted)
        self.assertRegex(self.alerts("--sinks")[1], r"\nsiem +600 +0 +0 +0 +0\n")

    def test_what_was_never_sent_is_not_passed_over_by_sending_something_once_more(self):
        server = SyslogServer()
        server.die()
        sink = dict(self.sink(server), retry_first_seconds="10ms", retry_most_seconds="50ms")
        capture = self.capture(100)
        self.assertEqual(self.run_doorslam(capture, [sink], drain=0)[0], 0)
        expected = self.expected(capture)
        # The receiver is still away while a late record is asked for.
        code, out, _ = self.alerts(list(expected)[150], "--resend", "siem", "--set", "store.drain_seconds=1", "-c",
                                   self.path("doorslam.yaml"))
        self.assertEqual(code, 1, out)
        server.revive()
        self.assertEqual(self.run_doorslam(capture, [sink])[0], 0)
        self.check_all_arrived(expected, server.bodies(), in_order=False)

    def holder_of_the_store(self):
        with open(self.path("alerts.db.lock"), encoding="utf-8") as file:
            return int(file.read() or 0)

    def test_sends_once_more_by_the_doorslam_that_runs(self):
        server = SyslogServer()
        expected = self.fill(sinks=[self.sink(server)])
        command = self.command("-", [self.sink(server)])
        running = subprocess.Popen(command, stdin=subprocess.PIPE)  # waits for a capture
        self.addCleanup(running.wait)
        self.addCleanup(running.send_signal, signal.SIGKILL)
        self.addCleanup(running.stdin.close)
        with open(self.capture(10), "rb") as capture:
            running.stdin.write(capture.read(24))
            running.stdin.flush()
        wait_until(lambda: self.holder_of_the_store() == running.pid)
        del server.frames[:]
        identity = list(expected)[5]
        code, out, err = self.alerts(identity, "--resend", "siem", "-c", self.path("doorslam.yaml"))
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn(f"process {running.pid} uses this store", out)
        wait_until(lambda: server.frames)
        self.assertEqual(server.bodies(), [expected[identity]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
