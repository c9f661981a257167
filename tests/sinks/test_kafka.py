#!/usr/bin/env python3
"""Kafka: doorslam's producer against librdkafka's mock cluster, whose brokers fail and go away."""
import collections
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import PATIENCE_S, SinkTest, die_with_parent  # noqa: E402

CLUSTER = os.environ.get("KAFKA_CLUSTER", "build/test/tests/sinks/kafka_cluster")
TOPICS = ["doorslam-alerts", "doorslam-flows"]


class Cluster:
    def __init__(self):
        self.process = subprocess.Popen([CLUSTER, *TOPICS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)
        self.brokers = self.process.stdout.readline().strip().split(",")
        self.messages = []  # key, event.id, value
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.messages.append(line.rstrip("\n").split("\t", 2))

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait_for(self, count, seconds=PATIENCE_S):
        deadline = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # what comes too often comes now

    def close(self):
        self.tell("quit")
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.thread.join(PATIENCE_S)
        self.process.stdout.close()


class Kafka(SinkTest):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def sink(self, **more):
        return {"name": "kafka", "type": "kafka", "brokers": self.cluster.brokers, "retry_first_seconds": "10ms",
                "retry_most_seconds": "200ms", **more}

    def check_arrived(self, capture):
        expected = self.expected(capture)
        self.cluster.wait_for(len(expected))
        self.check_all_arrived(expected, [value.encode() for _, _, value in self.cluster.messages], in_order=False)
        by_key = collections.defaultdict(list)
        for key, identity, _ in self.cluster.messages:
            if identity not in by_key[key]:
                by_key[key].append(identity)
        wanted = collections.defaultdict(list)
        places = {identity: key for key, identity, _ in self.cluster.messages}
        for identity in expected:
            wanted[places[identity]].append(identity)
        self.assertEqual(by_key, wanted, "the alerts of a server are not in order")

    def test_every_alert_arrives_once_under_its_servers_endpoint(self):
        capture = self.capture(500)
        self.assertEqual(self.run_doorslam(capture, [self.sink()]), (0, ""))
        self.check_arrived(capture)
        self.assertEqual(len(self.cluster.messages), 1000)
        self.assertEqual(sorted({key for key, _, _ in self.cluster.messages})[0], "10.0.0.0:7000")

    def test_flow_records_have_a_topic_of_their_own(self):
        code, words = self.run_doorslam(self.capture(20), [self.sink(records="all")], settings=["store.flows=all"])
        self.assertEqual((code, words), (0, ""))
        self.cluster.wait_for(60)
        kinds = collections.Counter('"kind":"alert"' in value for _, _, value in self.cluster.messages)
        self.assertEqual(kinds, {True: 40, False: 20})

    def test_brokers_that_fail_and_go_away(self):
        capture = self.capture(1000)
        self.cluster.tell("fail 3")
        process = self.start(capture, [self.sink(timeout_seconds="3s")])
        for broker in (1, 2, 3):
            self.cluster.tell(f"down {broker}")
        time.sleep(1)
        for broker in (1, 2, 3):
            self.cluster.tell(f"up {broker}")
        _, words = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, words)
        self.check_arrived(capture)

    def test_batch_that_a_broker_finds_too_large_is_sent_in_parts_and_none_of_it_is_refused(self):
        capture = self.capture(300)
        # All is in the store first: a batch that is read while it fills may hold one message, which has no halves.
        self.run_doorslam(capture, [self.sink(brokers=["127.0.0.1:1"], timeout_seconds="500ms")], drain=1)
        self.cluster.tell("large 3")
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual((code, words), (0, ""))
        self.check_arrived(capture)
        self.assertEqual(len(self.cluster.messages), 600, "what had arrived was sent again")

    def test_what_follows_a_batch_that_is_too_large_does_not_overtake_it(self):
        capture = self.capture(300)
        self.run_doorslam(capture, [self.sink(brokers=["127.0.0.1:1"], timeout_seconds="500ms")], drain=1)
        self.cluster.tell("large 3")
        many_requests = ["linger.ms=0", "batch.num.messages=10"]
        self.assertEqual(self.run_doorslam(capture, [self.sink(options=many_requests)]), (0, ""))
        self.check_arrived(capture)
        self.assertEqual(len(self.cluster.messages), 600, "what had arrived was sent again")

    def test_message_that_is_too_large_by_itself_is_refused(self):
        self.cluster.tell("large 1000")
        code, words = self.run_doorslam(self.capture(3), [self.sink()])
        self.assertEqual(code, 0)
        self.assertIn("sink kafka: 6 records were refused for good", words)
        self.assertNotIn("behind", words)

    def test_cluster_that_is_away_gets_all_with_the_next_run(self):
        capture = self.capture(50)
        away = self.sink(brokers=["127.0.0.1:1"], timeout_seconds="500ms")
        code, words = self.run_doorslam(capture, [away], drain=5)
        self.assertEqual(code, 0)
        self.assertIn("100 records behind", words)
        self.assertIn("127.0.0.1:1", words)
        self.assertEqual(self.run_doorslam(capture, [self.sink()]), (0, ""))
        self.check_arrived(capture)

    def test_options_are_passed_on_and_mistakes_are_told(self):
        capture = self.capture(10)
        for options, reason in ((["no.such.option=1"], "no.such.option"), (["compression.codec=nonsense"], "nonsense"),
                                (["sasl.password=secret"], "file:PATH"),
                                (["sasl.oauthbearer.client.secret=x"], "file:PATH"),
                                (["enable.idempotence=false"], "must stay true"),
                                (["max.in.flight.requests.per.connection=5"], "must stay 1"),
                                (["ssl.key.password=env:DOORSLAM_NOT_THERE"], "DOORSLAM_NOT_THERE"),
                                (["oops"], "name=value")):
            with self.subTest(options=options):
                code, words = self.run_doorslam(capture, [self.sink(options=options)])
                self.assertEqual(code, 2, words)
                self.assertEqual(words.count("\n"), 1, words)
                self.assertIn(reason, words)
        sink = self.sink(options=["compression.codec=gzip", "client.id=tap1"])
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        self.check_arrived(capture)


if __name__ == "__main__":
    unittest.main(verbosity=2)
