#!/usr/bin/env python3
"""rsyslogd, as Debian has it: octet counting, TLS, structured data and JSON read by its own parsers."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import PATIENCE_S, SinkTest, die_with_parent, free_port, make_certificates, wait_until  # noqa: E402

RSYSLOGD = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")

# maxMessageSize: rsyslog's default of 8 KiB would cut long alerts.
CONFIG = """
global(workDirectory="{folder}" maxMessageSize="256k" {tls_files})
main_queue(queue.type="Direct")
module(load="mmpstrucdata")
module(load="mmjsonparse")
module(load="imtcp" {tls_module})
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="alerts")
template(name="fields" type="list" option.jsonf="on") {{
  property(outname="hostname" name="hostname" format="jsonf")
  property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="id" name="$!rfc5424-sd!doorslam@32473!id" format="jsonf")
  property(outname="server" name="$!rfc5424-sd!doorslam@32473!server" format="jsonf")
  property(outname="cause" name="$!ecs!doorslam!cause" format="jsonf")
  property(outname="parsed" name="$.parsed" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
ruleset(name="alerts" queue.type="Direct") {{
  action(type="mmpstrucdata")
  action(type="mmjsonparse" cookie="" container="$!ecs" useRawMsg="off")
  set $.parsed = $parsesuccess;
  action(type="omfile" file="{folder}/received" template="fields" flushOnTXEnd="on")
}}
"""


@unittest.skipUnless(RSYSLOGD, "rsyslogd is not installed")
class Rsyslog(SinkTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.tls_files = self.tls_module = ""

    def start_rsyslog(self):
        config = self.path("rsyslog.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=self.folder, port=self.port, tls_files=self.tls_files,
                                     tls_module=self.tls_module))
        with open(self.path("rsyslog.words"), "a", encoding="utf-8") as words:
            process = subprocess.Popen([RSYSLOGD, "-n", "-f", config, "-i", "NONE"], stdout=words, stderr=words,
                                       preexec_fn=die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def received(self):
        try:
            with open(self.path("received"), encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []
        rows = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # a kill may have torn one
                rows.append(json.loads(line))
        return rows

    def end_torn_line(self):
        """rsyslog begins where it was killed; what it had torn must not spoil the next record as well."""
        if self.octets_received() > 0:
            with open(self.path("received"), "a", encoding="utf-8") as file:
                file.write("\n")

    def octets_received(self):
        return os.path.getsize(self.path("received")) if os.path.exists(self.path("received")) else 0

    def wait_for(self, identities, seconds=PATIENCE_S):
        deadline, size = time.monotonic() + seconds, -1
        while time.monotonic() < deadline:
            if size != self.octets_received():
                size = self.octets_received()
                rows = self.received()
                if {row["id"] for row in rows} >= set(identities):
                    return rows
            time.sleep(0.1)
        with open(self.path("rsyslog.words"), encoding="utf-8") as words:
            self.fail(f"{len(self.received())} records arrived; rsyslogd said: {words.read()[-1000:]}")

    def check(self, capture, copies=True):
        expected = self.expected(capture)
        rows = self.wait_for(expected)
        self.assertEqual({row["id"] for row in rows}, set(expected))
        if not copies:
            self.assertEqual([row["id"] for row in rows], list(expected))
        for row in rows:
            self.assertEqual(row["message"].encode(), expected[row["id"]])
            record = json.loads(row["message"])
            self.assertEqual(row["parsed"], "OK")
            self.assertEqual(row["cause"], record["doorslam"]["cause"])
            self.assertEqual(row["server"], record["destination"]["ip"])
            self.assertEqual((row["app"], row["msgid"], row["facility"]), ("doorslam", "alert", "local0"))
            self.assertEqual(row["severity"], "5")  # notice
            self.assertEqual(row["hostname"], "tap1.example")

    def sink(self, **more):
        return {"name": "rsyslog", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{self.port}",
                "hostname": "tap1.example", "retry_first_seconds": "20ms", "retry_most_seconds": "200ms", **more}

    def test_its_parsers_read_header_structured_data_and_json(self):
        self.start_rsyslog()
        capture = self.capture(300)
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual(code, 0, words)
        self.check(capture, copies=False)

    def test_killed_and_restarted_in_mid_stream(self):
        process = self.start_rsyslog()
        capture = self.capture(4000)
        doorslam = self.start(capture, [self.sink(batch=50)])
        for step in (1, 400_000, 400_000, 400_000):  # the first while nearly all is yet to come
            some = self.octets_received() + step
            wait_until(lambda some=some: self.octets_received() >= some or doorslam.poll() is not None, pause=0.005)
            process.kill()
            process.wait()
            self.end_torn_line()
            process = self.start_rsyslog()
        _, words = doorslam.communicate(timeout=PATIENCE_S)
        self.assertEqual(doorslam.returncode, 0, words)
        self.assertIn("delivers again", words)
        self.check(capture)

    def test_tls_with_both_certificates(self):
        make_certificates(self.folder)
        for driver in ("gtls", "ossl"):
            if not os.path.exists(f"/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_{driver}.so"):
                continue
            with self.subTest(driver=driver):
                self.port = free_port()
                self.tls_files = (f'defaultNetstreamDriverCAFile="{self.path("ca.pem")}" '
                                  f'defaultNetstreamDriverCertFile="{self.path("server.pem")}" '
                                  f'defaultNetstreamDriverKeyFile="{self.path("server.key")}"')
                self.tls_module = (f'streamDriver.name="{driver}" streamDriver.mode="1" '
                                   'streamDriver.authMode="x509/name" permittedPeer=["sensor.example"]')
                process = self.start_rsyslog()
                capture = self.capture(200)
                sink = self.sink(name=driver, transport="tls", address=f"localhost:{self.port}", ca="ca.pem",
                                 certificate="client.pem", key="client.key")
                code, words = self.run_doorslam(capture, [sink])
                self.assertEqual(code, 0, words)
                self.check(capture)
                process.kill()
                process.wait()
                os.remove(self.path("received"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
