#!/usr/bin/env python3
"""ClickHouse: Debian's server with the shipped schema, fed by doorslam, asked by the shipped queries.

  FLOWS=1000000 test_clickhouse.py ClickHouse.test_many_flows     the long measure; prints records a second
"""
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
import many_alerts  # noqa: E402
from harness import PATIENCE_S, SinkTest, die_with_parent, free_port, wait_until  # noqa: E402

SQL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "config", "clickhouse")

CONFIG = """<yandex>
  <logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{inter}</interserver_http_port>
  <listen_host>127.0.0.1</listen_host><path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path><format_schema_path>{folder}/formats/</format_schema_path>
  <users_config>users.xml</users_config><default_profile>default</default_profile>
  <default_database>default</default_database><mark_cache_size>67108864</mark_cache_size>
  <max_connections>64</max_connections>{more}
</yandex>"""

USERS = """<yandex>
  <profiles><default><max_memory_usage>2000000000</max_memory_usage></default></profiles>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
      <quota>default</quota></default>
    <feed><password>se:cret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
      <quota>default</quota></feed>
  </users>
  <quotas><default/></quotas>
</yandex>"""


class Server:
    """`more`: further settings of the server; `tcp`: the port on which shards ask each other."""

    def __init__(self, folder, more="", tcp=None):
        self.folder = folder
        self.http = free_port()
        for name in ("data", "tmp", "files", "formats"):
            os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, "config.xml"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder, http=self.http, tcp=tcp or free_port(), inter=free_port(),
                                     more=more))
        with open(os.path.join(folder, "users.xml"), "w", encoding="utf-8") as file:
            file.write(USERS)
        self.start()

    def start(self):
        program = shutil.which("clickhouse-server", path=os.environ["PATH"] + ":/usr/sbin")
        with open(os.path.join(self.folder, "words"), "a", encoding="utf-8") as words:
            self.process = subprocess.Popen([program, f"--config-file={self.folder}/config.xml"], stdout=words,
                                            stderr=words, cwd=self.folder,
                                            preexec_fn=die_with_parent)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("SELECT 1")
                return
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    with open(os.path.join(self.folder, "words"), encoding="utf-8") as words:
                        raise AssertionError("clickhouse-server does not start: " + words.read()[-2000:]) from None
                time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, query):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/", data=query.encode())
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}\n{error.read().decode()}") from None

    def rows(self, query):
        return [json.loads(line) for line in self.ask(query + " FORMAT JSONEachRow").splitlines()]

    def number(self, query):
        return int(self.ask(query))


def statements(name):
    with open(os.path.join(SQL, name), encoding="utf-8") as file:
        text = re.sub(r"--[^\n]*", "", file.read())
    return [statement.strip() for statement in text.split(";") if statement.strip()]


@unittest.skipUnless(shutil.which("clickhouse-server", path=os.environ.get("PATH", "") + ":/usr/sbin"),
                     "clickhouse-server is not installed")
class ClickHouse(SinkTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self.path("clickhouse-server"))
        self.addCleanup(self.server.kill)
        for statement in statements("single.sql"):
            self.server.ask(statement)

    def sink(self, **more):
        return {"name": "ch", "type": "clickhouse", "url": f"http://127.0.0.1:{self.server.http}", "batch": 5000,
                "records": "all", "retry_first_seconds": "10ms", "retry_most_seconds": "300ms", **more}

    def test_alerts_and_flows_arrive_and_the_queries_work(self):
        capture = self.capture(300)
        expected = self.expected(capture)
        sink = self.sink(user="feed", password="env:DOORSLAM_TEST_CLICKHOUSE")
        os.environ["DOORSLAM_TEST_CLICKHOUSE"] = "se:cret"
        settings = ["store.flows=all", "output.observer_name=tap1"]
        self.assertEqual(self.run_doorslam(capture, [sink], settings=settings), (0, ""))
        self.assertEqual(self.server.number("SELECT count() FROM doorslam.flows"), 300)
        rows = self.server.rows("SELECT * FROM doorslam.alerts ORDER BY time_ns, id")
        self.assertEqual({row["id"] for row in rows}, set(expected))
        for row in rows:
            record = json.loads(row["record"])
            self.assertEqual(record["event"]["id"], row["id"])
            self.assertEqual(record["doorslam"]["cause"], row["cause"])
            self.assertEqual(row["sensor"], "tap1")
            self.assertEqual(row["server"], record["destination"]["ip"])
        flow = self.server.rows("SELECT * FROM doorslam.flows WHERE server = '10.0.0.5'")[0]
        self.assertEqual((flow["client"], flow["port"], flow["cause"], flow["outcome"]),
                         ("192.0.2.7", 7000, "acl_denied", "failure"))
        queries = statements("dashboard.sql")
        self.assertGreaterEqual(len(queries), 7)
        for query in queries:
            self.server.ask(query)

    def test_the_fleet_view_merges_sensors_and_does_not_count_copies(self):
        capture = self.capture(50)
        self.server.ask("SYSTEM STOP MERGES")  # or copies are gone before they were counted
        for sensor in ("tap1", "tap2"):
            os.makedirs(self.path(sensor))
            settings = [f"output.observer_name={sensor}", f"store.path={self.path(sensor)}/alerts.db"]
            self.assertEqual(self.run_doorslam(capture, [self.sink()], settings=settings), (0, ""))
        query = "SELECT * FROM doorslam.fleet ORDER BY server"
        fleet = self.server.rows(query)
        self.assertEqual(len(fleet), 50)
        self.assertEqual({(row["sensors"], row["refused"], row["refused_most"], row["incidents"], row["open"])
                          for row in fleet}, {("2", "2", "1", "2", "0")})
        # A crash between insert and cursor: everything comes once more.
        for sensor in ("tap1", "tap2"):
            settings = [f"output.observer_name={sensor}", f"store.path={self.path(sensor)}/alerts.db"]
            self.assertEqual(self.run_doorslam(capture, [self.sink(name="once more")], settings=settings)[0], 2)
            again = self.sink(name="once-more")
            self.assertEqual(self.run_doorslam(capture, [again], settings=settings), (0, ""))
        self.assertEqual(self.server.number("SELECT count() FROM doorslam.alerts"), 400)
        self.assertEqual(self.server.rows(query), fleet)
        # As a merge would leave it.
        self.assertEqual(self.server.number("SELECT count() FROM doorslam.alerts FINAL"), 100)

    def test_server_killed_in_mid_stream(self):
        capture = self.capture(3000)
        process = self.start(capture, [self.sink(batch=100)])
        wait_until(lambda: self.server.number("SELECT count() FROM doorslam.alerts") >= 500 or process.poll() is not None)
        self.server.kill()
        time.sleep(0.5)  # away for a moment
        self.server.start()
        _, words = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, words)
        self.assertEqual(self.server.number("SELECT uniqExact(id) FROM doorslam.alerts"), 6000)

    def test_many_flows(self):
        flows = int(os.environ.get("FLOWS", "20000"))
        capture = self.path("flows.pcap")
        many_alerts.write_capture(capture, flows, servers=1000)
        away = self.sink(url="http://127.0.0.1:1", records="flows")
        self.assertEqual(self.run_doorslam(capture, [away], drain=0, settings=["store.flows=all"])[0], 0)
        began = time.monotonic()
        sink = self.sink(records="flows", batch=50_000, timeout_seconds="60s")
        self.assertEqual(self.run_doorslam(self.capture(1), [sink], drain=300), (0, ""))
        seconds = time.monotonic() - began
        self.assertEqual(self.server.number("SELECT uniqExact(id) FROM doorslam.flows"), flows)
        began = time.monotonic()
        for query in statements("dashboard.sql"):
            self.server.ask(query)
        print(f"{flows} flow records in {seconds:.1f} s: {flows / seconds:.0f} a second; the dashboard's queries: "
              f"{time.monotonic() - began:.2f} s", file=sys.stderr)

    def test_a_table_that_is_not_there_loses_nothing(self):
        capture = self.capture(20)
        self.server.ask("RENAME TABLE doorslam.alerts TO doorslam.away")
        code, words = self.run_doorslam(capture, [self.sink()], drain=2)
        self.assertEqual(code, 0)
        self.assertIn("doesn't exist", words)
        self.server.ask("RENAME TABLE doorslam.away TO doorslam.alerts")
        self.assertEqual(self.run_doorslam(capture, [self.sink()]), (0, ""))
        self.assertEqual(self.server.number("SELECT count() FROM doorslam.alerts"), 40)


@unittest.skipUnless(shutil.which("clickhouse-server", path=os.environ.get("PATH", "") + ":/usr/sbin"),
                     "clickhouse-server is not installed")
class Cluster(SinkTest):
    """Two shards with the tables of cluster.sql. Replication and statements for the whole cluster at once need ZooKeeper,
    which is not here: each server is given the statements, and its tables keep but one replica."""

    def setUp(self):
        super().setUp()
        ports = [free_port(), free_port()]
        shards = "".join(f"<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host>"
                         f"<port>{port}</port></replica></shard>" for port in ports)
        self.servers = []
        for number, port in enumerate(ports):
            more = (f"<remote_servers><fleet>{shards}</fleet></remote_servers>"
                    f"<macros><cluster>fleet</cluster><shard>{number}</shard><replica>only</replica></macros>")
            self.servers.append(Server(self.path(f"shard{number}"), more, port))
            self.addCleanup(self.servers[-1].kill)
        for statement in statements("cluster.sql"):
            alone = statement.replace(" ON CLUSTER '{cluster}'", "")
            self.assertNotEqual(alone, statement, "a statement that only one server would follow")
            alone = re.sub(r"Replicated(\w*MergeTree)\('/clickhouse/tables/\{shard\}/doorslam/\w+', '\{replica\}'\)", r"\1",
                           alone)
            self.assertNotIn("Replicated", alone)
            for server in self.servers:
                server.ask(alone)

    def test_shards_share_the_records_and_answer_as_one(self):
        capture = self.capture(200)
        expected = self.expected(capture)
        sink = {"name": "ch", "type": "clickhouse", "url": f"http://127.0.0.1:{self.servers[0].http}", "records": "all",
                "retry_first_seconds": "10ms", "retry_most_seconds": "300ms"}
        settings = ["store.flows=all", "output.observer_name=tap1"]
        # An insert counts when all shards have it: with one away nothing is lost, and what is doubled merges.
        self.servers[1].kill()
        code, words = self.run_doorslam(capture, [sink], settings=settings, drain=2)
        self.assertEqual(code, 0)
        self.assertIn("records behind", words)
        self.servers[1].start()
        self.assertEqual(self.run_doorslam(capture, [sink], settings=settings), (0, ""))
        for server in self.servers:
            rows = server.rows("SELECT DISTINCT id FROM doorslam.alerts")
            self.assertEqual({row["id"] for row in rows}, set(expected))
            self.assertEqual(server.number("SELECT uniqExact(id) FROM doorslam.flows"), 200)
        on_shard = [{row["server"] for row in server.rows("SELECT DISTINCT server FROM doorslam.alerts_local")}
                    for server in self.servers]
        self.assertEqual(len(on_shard[0] | on_shard[1]), 200)
        self.assertEqual(on_shard[0] & on_shard[1], set(), "one endpoint on two shards")
        self.assertGreater(min(map(len, on_shard)), 50)
        fleet = [server.rows("SELECT * FROM doorslam.fleet ORDER BY server") for server in self.servers]
        self.assertEqual(fleet[0], fleet[1])
        self.assertEqual(len(fleet[0]), 200)
        self.assertEqual({(row["sensors"], row["refused"], row["open"]) for row in fleet[0]}, {("1", "1", "0")})
        for query in statements("dashboard.sql"):
            self.servers[1].ask(query)


if __name__ == "__main__":
    unittest.main(verbosity=2)
