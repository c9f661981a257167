#!/usr/bin/env python3
"""Elasticsearch's _bulk and Splunk's event collector: a receiver on loopback that answers as it is told."""
import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from harness import DOORSLAM, PATIENCE_S, SinkTest, make_certificates, reset, wait_until  # noqa: E402


class HttpServer:
    """`answer(path, headers, body)` gives (status, headers, body), or None: the connection is cut without an answer.

    It is asked for one request after the other, unless `at_once`.
    """

    def __init__(self, answer, context=None, at_once=False):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with contextlib.nullcontext() if at_once else outer.lock:
                    outer.requests.append((self.path, dict(self.headers)))
                    reply = answer(self.path, self.headers, body)
                if reply is None:
                    reset(self.connection)
                    self.close_connection = True
                    return
                status, headers, text = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A client that was killed, or that does not trust the certificate, is no error of the test."""

        self.lock = threading.Lock()
        self.requests = []
        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Elastic:
    """An index that takes `create`: what is there already is a conflict. Faults are functions of the request's number."""

    def __init__(self):
        self.documents = {}
        self.order = []
        self.bulks = 0
        self.conflicts = 0
        self.told_to_wait = 0
        self.whole = lambda number: None  # status of the whole answer; 0: cut
        self.item = lambda number, index, source: None  # of an item: status, or (status, type, reason)
        self.indexes = set()

    def answer(self, path, _headers, body):
        assert path.startswith("/_bulk?"), path
        self.bulks += 1
        status = self.whole(self.bulks)
        if status == 0:
            return None
        if status:
            return status, {"Retry-After": "1"} if status == 429 else {}, b'{"error":"told to"}'
        lines = body.split(b"\n")
        assert lines.pop() == b"", "a bulk ends with a line break"
        items = []
        for index in range(0, len(lines), 2):
            action, source = json.loads(lines[index])["create"], json.loads(lines[index + 1])
            assert action["_id"] == source["event"]["id"]
            self.indexes.add(action["_index"])
            told = self.item(self.bulks, index // 2, source) or (409 if action["_id"] in self.documents else 201)
            code, *error = told if isinstance(told, tuple) else (told, "told_to", f"item {told}")
            self.conflicts += code == 409
            self.told_to_wait += code == 429
            if code == 201:
                self.documents[action["_id"]] = lines[index + 1]
                self.order.append(action["_id"])
                items.append({"create": {"status": code}})
            else:
                items.append({"create": {"status": code, "error": {"type": error[0], "reason": error[1]}}})
        return 200, {}, json.dumps({"errors": any("error" in i["create"] for i in items), "items": items}).encode()


class ElasticTest(SinkTest):
    def setUp(self):
        super().setUp()
        self.elastic = Elastic()
        self.server = HttpServer(self.elastic.answer)
        self.addCleanup(self.server.close)

    def sink(self, **more):
        return {"name": "es", "type": "elasticsearch", "url": f"http://127.0.0.1:{self.server.port}",
                "retry_first_seconds": "10ms", "retry_most_seconds": "100ms", "batch": 100, **more}

    def check_indexed(self, capture, in_order=True):
        expected = self.expected(capture)
        self.assertEqual(self.elastic.documents, expected)
        if in_order:
            self.assertEqual(self.elastic.order, list(expected))

    def test_every_alert_is_created_under_its_event_id(self):
        capture = self.capture(500)
        self.assertEqual(self.run_doorslam(capture, [self.sink()]), (0, ""))
        self.check_indexed(capture)
        self.assertEqual(self.elastic.indexes, {"logs-doorslam.alert-default"})

    def test_flow_records_go_to_an_index_of_their_own(self):
        capture = self.capture(20)
        sink = self.sink(records="all", index="site-{kind}")
        self.assertEqual(self.run_doorslam(capture, [sink], settings=["store.flows=all"]), (0, ""))
        self.assertEqual(self.elastic.indexes, {"site-alert", "site-flow"})
        self.assertEqual(len(self.elastic.documents), 60)

    def test_half_accepted_bulk_sends_only_the_rest_again(self):
        capture = self.capture(200)
        self.elastic.item = lambda number, index, _: 429 if number % 2 == 1 and index % 2 == 1 else None
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual(code, 0, words)
        self.check_indexed(capture, in_order=False)
        self.assertEqual(self.elastic.conflicts, 0, "an item that was accepted was sent again")
        self.assertGreater(self.elastic.told_to_wait, 0)

    def test_item_that_does_not_fit_the_mapping_is_refused_once_and_the_rest_goes_on(self):
        capture = self.capture(100)
        unloved = list(self.expected(capture))[57]
        fault = (400, "document_parsing_exception", "[1:26] failed to parse field [source.ip] of type [ip]")
        self.elastic.item = lambda _, __, source: fault if source["event"]["id"] == unloved else None
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual(code, 0)
        self.assertIn("refused for good", words)
        self.assertIn("failed to parse field", words)
        self.assertIn("sink es: 1 records were refused for good", words)
        told = subprocess.run([DOORSLAM, "alerts", "--store", self.path("alerts.db"), "--sinks"], text=True,
                              capture_output=True, check=True)
        self.assertRegex(told.stdout, r"\nes +200 +0 +0 +1 +0\n")
        expected = self.expected(capture)
        del expected[unloved]
        self.assertEqual(self.elastic.documents, expected)
        self.assertEqual(self.elastic.conflicts, 0)

    def test_items_that_the_site_is_to_mend_wait_for_it(self):
        # As Elasticsearch and OpenSearch answer items while index, rights, shards or aliases are not as they should be.
        faults = [(404, "index_not_found_exception", "no such index [logs-doorslam.alert-default]"),
                  (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized"),
                  (403, "cluster_block_exception", "index [a] blocked by: [FORBIDDEN/8/index write (api)]"),
                  (400, "validation_exception", "this action would add [2] shards, but this cluster has [1000]"),
                  (400, "invalid_index_name_exception", "Invalid index name [A], must be lowercase"),
                  (400, "illegal_argument_exception", "no write index is defined for alias [site]"),
                  (400, "illegal_argument_exception", "pipeline with id [site] does not exist"),
                  (400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded")]
        capture = self.capture(50)
        self.elastic.item = lambda number, *_: faults[number - 1] if number <= len(faults) else None
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual(code, 0)
        self.check_indexed(capture)
        self.assertNotIn("refused for good", words)
        for _, kind, _ in faults:
            self.assertIn(kind, words)
        self.assertIn("delivers again", words)

    def test_whole_answers_429_503_and_cut_connections_are_tried_again(self):
        capture = self.capture(200)
        self.elastic.whole = lambda number: {1: 503, 2: 429, 4: 0, 5: 500}.get(number)
        began = time.monotonic()
        code, words = self.run_doorslam(capture, [self.sink()])
        self.assertEqual(code, 0, words)
        self.check_indexed(capture)
        self.assertGreaterEqual(time.monotonic() - began, 1, "Retry-After was not kept")
        self.assertIn("answered 503", words)
        self.assertIn("delivers again", words)

    def test_request_that_is_too_large_is_sent_in_halves(self):
        capture = self.capture(100)
        answer = self.elastic.answer
        self.elastic.answer = None

        def limited(path, headers, body):
            return (413, {}, b"too large") if len(body) > 60_000 else answer(path, headers, body)

        server = HttpServer(limited)
        self.addCleanup(server.close)
        code, words = self.run_doorslam(capture, [self.sink(url=f"http://127.0.0.1:{server.port}")])
        self.assertEqual((code, words), (0, ""))
        self.check_indexed(capture)

    def test_something_else_at_the_address_loses_nothing(self):
        # As a proxy answers that expects TLS; Elasticsearch's own errors are JSON.
        capture = self.capture(20)
        answer, strange = self.elastic.answer, [True]
        page = b"<html>400 The plain HTTP request was sent to HTTPS port</html>"
        server = HttpServer(lambda *request: (400, {}, page) if strange else answer(*request))
        self.addCleanup(server.close)
        sink = self.sink(url=f"http://127.0.0.1:{server.port}")
        code, words = self.run_doorslam(capture, [sink], drain=2)
        self.assertEqual(code, 0)
        self.assertIn("plain HTTP request", words)
        self.assertIn("40 records behind", words)
        self.assertNotIn("refused", words)
        strange.clear()
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        self.check_indexed(capture)

    def test_wrong_credentials_lose_nothing(self):
        capture = self.capture(20)
        self.elastic.whole = lambda _: 401
        code, words = self.run_doorslam(capture, [self.sink()], drain=2)
        self.assertEqual(code, 0)
        self.assertIn("answered 401", words)
        self.assertIn("40 records behind", words)
        self.elastic.whole = lambda _: None
        self.assertEqual(self.run_doorslam(capture, [self.sink()]), (0, ""))
        self.check_indexed(capture)

    def test_secrets_come_from_files_and_the_environment_and_are_never_shown(self):
        capture = self.capture(10)
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write("se:cret1\n")
        os.environ["DOORSLAM_TEST_TOKEN"] = "se:cret2"
        self.elastic.whole = lambda number: 403 if number == 1 else None
        process = self.start(capture, [self.sink(user="feed", password="file:password")])
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            self.assertNotIn(b"se:cret", file.read())
        _, words = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, words)
        self.assertNotIn("se:cret", words)
        sent = self.server.requests[-1][1]["Authorization"]
        self.assertEqual(base64.b64decode(sent.split()[1]), b"feed:se:cret1")
        sink = self.sink(name="again", token="env:DOORSLAM_TEST_TOKEN")
        self.assertEqual(self.run_doorslam(capture, [sink])[0], 0)
        self.assertEqual(self.server.requests[-1][1]["Authorization"], "ApiKey se:cret2")
        for setting, reason in (({"password": "se:cret3"}, "file:PATH or env:NAME"),
                                ({"password": "env:DOORSLAM_NOT_THERE"}, "DOORSLAM_NOT_THERE"),
                                ({"token": "file:not-there"}, "not-there"),
                                ({"url": "http://feed:se:cret3@localhost:1"}, "before the @")):
            code, words = self.run_doorslam(capture, [self.sink(**setting)])
            self.assertEqual(code, 2, words)
            self.assertEqual(words.count("\n"), 1)
            self.assertNotIn("se:cret", words)
            self.assertIn(reason, words)


class ElasticOverTls(SinkTest):
    def test_certificates_are_verified(self):
        make_certificates(self.folder)
        capture = self.capture(20)
        for name, trusted, reason in (("server", True, ""), ("expired", False, "expired"),
                                      ("othername", False, "subject name"), ("stranger", False, "certificate")):
            with self.subTest(name=name):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
                context.load_verify_locations(self.path("ca.pem"))
                context.verify_mode = ssl.CERT_REQUIRED
                elastic = Elastic()
                server = HttpServer(elastic.answer, context)
                sink = {"name": name, "type": "elasticsearch", "url": f"https://localhost:{server.port}",
                        "ca": "ca.pem", "certificate": "client.pem", "key": "client.key"}
                code, words = self.run_doorslam(capture, [sink], drain=120 if trusted else 2)
                self.assertEqual(code, 0)
                self.assertEqual(len(elastic.documents), 40 if trusted else 0, words)
                self.assertIn(reason, words)
                server.close()


    def test_with_a_ca_the_systems_authorities_are_not_trusted(self):
        make_certificates(self.folder)
        # The folder that Debian's curl trusts beside the file that it is given.
        os.makedirs(self.path("authorities"))
        shutil.copy(self.path("ca.pem"), self.path("authorities/ca-certificates.crt"))
        shown = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", self.path("other-ca.pem")], text=True,
                               capture_output=True, check=True)
        shutil.copy(self.path("other-ca.pem"), self.path(f"authorities/{shown.stdout.strip()}.0"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("stranger.pem"), self.path("stranger.key"))
        for pinned in (False, True):
            elastic = Elastic()
            server = HttpServer(elastic.answer, context)
            self.addCleanup(server.close)
            sink = {"name": f"es{pinned}", "type": "elasticsearch", "url": f"https://localhost:{server.port}",
                    **({"ca": "ca.pem"} if pinned else {})}
            command = self.command(self.capture(20), [sink], drain=2 if pinned else 120)
            unshare = ["unshare", "--map-root-user", "--mount"] if os.geteuid() else ["unshare", "--mount"]
            script = 'mount --bind "$0" /etc/ssl/certs || exit 77; exec "$@"'
            done = subprocess.run([*unshare, "sh", "-c", script, self.path("authorities"), *command], text=True,
                                  capture_output=True, timeout=PATIENCE_S, check=False)
            if done.returncode == 77 or "unshare failed" in done.stderr:
                self.skipTest("no mounts can be made here")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(elastic.documents), 0 if pinned else 40, done.stderr)


class Splunk:
    def __init__(self, acknowledges):
        self.acknowledges = acknowledges
        self.events = []
        self.pending = {}
        self.asked = {}
        self.never = set()
        self.forgets = set()
        self.patience = lambda number: 2  # questions until a batch is indexed
        self.status = lambda number: None
        self.number = 0  # of requests
        self.posted = 0  # events

    def answer(self, path, headers, body):
        assert headers["Authorization"] == "Splunk 0d5f3a1c", headers["Authorization"]
        channel = headers["X-Splunk-Request-Channel"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", channel), channel
        if path.startswith("/services/collector/ack"):
            assert path.endswith("channel=" + channel)
            acks = {}
            for number in json.loads(body)["acks"]:
                if number in self.forgets:
                    return 400, {}, b'{"text":"Invalid data channel","code":11}'
                self.asked[number] = self.asked.get(number, 0) + 1
                acks[str(number)] = number not in self.never and self.asked[number] >= self.patience(number)
                if acks[str(number)]:
                    self.events += self.pending.pop(number, [])  # the answer may not have arrived
            return 200, {}, json.dumps({"acks": acks}).encode()
        assert path == "/services/collector/event", path
        self.number += 1
        status = self.status(self.number)
        if status:
            return status, {}, json.dumps({"text": "Server is busy", "code": 9}).encode()
        events = [json.loads(line) for line in body.splitlines()]
        self.posted += len(events)
        if not self.acknowledges:
            self.events += events
            return 200, {}, b'{"text":"Success","code":0}'
        self.pending[self.number] = events
        return 200, {}, json.dumps({"text": "Success", "code": 0, "ackId": self.number}).encode()


class SplunkTest(SinkTest):
    def deliver(self, splunk, drain=120, **more):
        server = HttpServer(splunk.answer)
        self.addCleanup(server.close)
        with open(self.path("token"), "w", encoding="utf-8") as file:
            file.write("0d5f3a1c\n")
        sink = {"name": "hec", "type": "splunk", "url": f"http://127.0.0.1:{server.port}", "token": "file:token",
                "retry_first_seconds": "10ms", "retry_most_seconds": "100ms", "batch": 100, **more}
        capture = self.capture(150)
        code, words = self.run_doorslam(capture, [sink], drain=drain)
        self.assertEqual(code, 0, words)
        return capture, words

    def check_arrived(self, capture, events):
        expected = self.expected(capture)
        self.assertEqual([event["fields"]["event_id"] for event in events], list(expected))
        for event in events:
            self.assertEqual(event["event"], json.loads(expected[event["fields"]["event_id"]]))
            self.assertEqual(event["sourcetype"], "doorslam:alert")

    def test_without_acknowledgement(self):
        splunk = Splunk(acknowledges=False)
        splunk.status = lambda number: 503 if number == 1 else None
        capture, words = self.deliver(splunk, index="security")
        self.check_arrived(capture, splunk.events)
        self.assertIn("Server is busy", words)
        self.assertEqual({event["index"] for event in splunk.events}, {"security"})

    def test_waits_until_the_indexer_has_it(self):
        splunk = Splunk(acknowledges=True)
        capture, words = self.deliver(splunk)
        self.assertEqual(words, "")
        self.check_arrived(capture, splunk.events)
        self.assertEqual(set(splunk.asked.values()), {2})

    def test_sends_again_what_is_never_acknowledged(self):
        splunk = Splunk(acknowledges=True)
        splunk.never = {1}
        capture, words = self.deliver(splunk, timeout_seconds="500ms", ack_timeout_seconds=1)
        self.check_arrived(capture, splunk.events)
        self.assertIn("did not confirm in time", words)

    def test_an_indexer_slower_than_an_exchange_gets_each_batch_once(self):
        splunk = Splunk(acknowledges=True)
        # Questions, each 200 ms after the other: the first batch takes longer than the time-out.
        splunk.patience = lambda number: 18 if number == 1 else 2
        capture, words = self.deliver(splunk, timeout_seconds=3, batch=150)
        self.check_arrived(capture, splunk.events)
        self.assertIn("has not confirmed yet", words)
        self.assertEqual(splunk.posted, len(splunk.events), "a batch was posted again before Splunk had its time")

    def test_a_channel_that_was_forgotten_is_begun_anew(self):
        splunk = Splunk(acknowledges=True)
        splunk.forgets = {1}
        capture, words = self.deliver(splunk)
        self.check_arrived(capture, splunk.events)
        self.assertIn("Invalid data channel", words)

    def test_an_answer_that_is_not_the_collectors_is_no_receipt(self):
        for page in (b"<html>Please log in</html>", b"", b'{"text":"Success"}', b'{"text":"Server is busy","code":9}'):
            with self.subTest(page=page):
                splunk = Splunk(acknowledges=False)
                answer, strange = splunk.answer, [page]
                splunk.answer = lambda *request: (200, {}, strange.pop()) if strange else answer(*request)
                capture, words = self.deliver(splunk, name=f"hec{len(page)}")
                self.check_arrived(capture, splunk.events)
                self.assertIn("an answer that is none of the event collector", words)

    def test_other_formats_are_quoted(self):
        splunk = Splunk(acknowledges=False)
        self.deliver(splunk, format="cef")
        self.assertTrue(all(event["event"].startswith("CEF:0|doorslam|") for event in splunk.events))


class ClickHouseTest(SinkTest):
    def test_request_that_a_proxy_finds_too_large_is_sent_in_halves(self):
        rows = []

        def limited(path, _headers, body):
            if len(body) > 60_000:
                return 413, {}, b"<html>413 Request Entity Too Large</html>"
            self.assertIn("INSERT%20INTO", path)
            rows.extend(json.loads(line)["id"] for line in body.splitlines())
            return 200, {}, b""

        server = HttpServer(limited)
        self.addCleanup(server.close)
        capture = self.capture(100)
        sink = {"name": "ch", "type": "clickhouse", "url": f"http://127.0.0.1:{server.port}"}
        self.assertEqual(self.run_doorslam(capture, [sink]), (0, ""))
        self.assertEqual(rows, list(self.expected(capture)))


    def test_an_answer_with_words_is_no_receipt(self):
        pages = [b"<html>Please log in</html>", b"Code: 241, e.displayText() = DB::Exception: Memory limit exceeded"]
        rows = []

        def answer(_path, _headers, body):
            if pages:
                return 200, {}, pages.pop()
            rows.extend(json.loads(line)["id"] for line in body.splitlines())
            return 200, {}, b""

        server = HttpServer(answer)
        self.addCleanup(server.close)
        capture = self.capture(20)
        sink = {"name": "ch", "type": "clickhouse", "url": f"http://127.0.0.1:{server.port}",
                "retry_first_seconds": "10ms"}
        code, words = self.run_doorslam(capture, [sink])
        self.assertEqual(code, 0)
        self.assertEqual(rows, list(self.expected(capture)))
        self.assertIn("Please log in", words)
        self.assertIn("Memory limit exceeded", words)

    def test_waits_until_inserts_are_written_where_the_server_collects_them(self):
        for old_words in (b"Code: 115, e.displayText() = DB::Exception: Unknown setting wait_for_async_insert",
                          b"Code: 115. DB::Exception: Setting wait_for_async_insert is neither a builtin setting nor "
                          b"started with the prefix 'SQL_' registered for user-defined settings. (UNKNOWN_SETTING)", None):
            with self.subTest(old_words=old_words):
                waited = []

                def answer(path, _headers, _body, waited=waited, old_words=old_words):
                    waited.append("&wait_for_async_insert=1" in path)
                    return (500, {}, old_words) if waited[-1] and old_words else (200, {}, b"")

                server = HttpServer(answer)
                self.addCleanup(server.close)
                sink = {"name": f"ch{len(old_words or '')}", "type": "clickhouse", "batch": 20,
                        "url": f"http://127.0.0.1:{server.port}"}
                self.assertEqual(self.run_doorslam(self.capture(20), [sink]), (0, ""))
                self.assertTrue(waited[0])
                self.assertEqual(set(waited[1:]), {old_words is None})


class SlowReceivers(SinkTest):
    def test_a_batch_that_takes_too_long_becomes_smaller(self):
        # Answers in time for 50 records at most: whole batches would be sent, and taken, for ever.
        elastic, sizes, over = Elastic(), [], threading.Event()

        def slow(path, headers, body):
            sizes.append(body.count(b"\n") // 2)
            if sizes[-1] > 50:
                over.wait(PATIENCE_S)  # the client is gone by then
                return None
            return elastic.answer(path, headers, body)

        server = HttpServer(slow, at_once=True)
        self.addCleanup(server.close)
        self.addCleanup(over.set)
        capture = self.capture(150)
        sink = {"name": "es", "type": "elasticsearch", "url": "http://127.0.0.1:1", "timeout_seconds": "1s",
                "retry_first_seconds": "10ms", "retry_most_seconds": "100ms"}
        self.assertEqual(self.run_doorslam(capture, [sink], drain=0)[0], 0)  # the first batch is to have them all
        code, words = self.run_doorslam(capture, [dict(sink, url=f"http://127.0.0.1:{server.port}")])
        self.assertEqual(code, 0)
        self.assertIn("timed out", words)
        self.assertEqual(elastic.documents, self.expected(capture))
        self.assertEqual(sizes[:3], [300, 150, 75])
        self.assertLessEqual(max(sizes[3:]), 50)


class SilentReceivers(SinkTest):
    def test_all_are_told_to_stop_before_any_is_waited_for(self):
        # Each looks about once a second whether it is to stop: one after the other, twenty took as many seconds.
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(listener.close)
        connections, ends = [], []

        def serve(connection):
            while connection.recv(65536):
                pass
            ends.append(time.monotonic())

        def accept():
            while len(connections) < 20:
                connections.append(listener.accept()[0])
                threading.Thread(target=serve, args=(connections[-1],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sinks = [{"name": f"es{i}", "type": "elasticsearch", "url": url, "timeout_seconds": 60} for i in range(20)]
        code, words = self.run_doorslam(self.capture(10), sinks, drain=2)
        self.assertEqual(code, 0, words)
        self.assertTrue(wait_until(lambda: len(ends) == 20), f"{len(connections)} connections, {len(ends)} ended")
        for connection in connections:
            connection.close()
        self.assertLess(max(ends) - min(ends), 12)


if __name__ == "__main__":
    unittest.main(verbosity=2)
