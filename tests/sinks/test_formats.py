#!/usr/bin/env python3
"""Every format read back by parsers that are not ours: Python's json, liblognorm in rsyslog; and the shipped snippets."""
import datetime
import fnmatch
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tomllib
import unittest

try:
    import yaml
except ImportError:
    yaml = None

sys.path.insert(0, os.path.dirname(__file__))
from harness import SinkTest, die_with_parent, free_port, make_certificates, wait_until  # noqa: E402
from many_alerts import frame  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SIEM = os.path.join(ROOT, "config", "siem")
CAPTURES = os.path.join(ROOT, "tests", "captures")
RSYSLOGD = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")

# What each format has to escape, and what looks like its syntax.
GREETING = b'421 4.7.0 mx.example too many connections: a|b=c\\d "e"\tf \x1b[31m\x00 \xc3\xa9\xff src=6.6.6.6 | x09|\r\nCEF:0|x|y|\r\n'


def write_capture(path, greeting):
    """A server that greets and hangs up, over IPv4."""
    client, server, up, down = bytes([192, 0, 2, 9]), bytes([10, 9, 8, 7]), (40000, 25), (25, 40000)
    size = len(greeting)
    packets = (frame(client, server, up, 100, 0, 2), frame(server, client, down, 500, 101, 18),
               frame(client, server, up, 101, 501, 16), frame(server, client, down, 501, 101, 24, greeting),
               frame(client, server, up, 101, 501 + size, 16), frame(server, client, down, 501 + size, 101, 17),
               frame(client, server, up, 101, 502 + size, 17), frame(server, client, down, 502 + size, 102, 16))
    with open(path, "wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for number, packet in enumerate(packets):
            capture.write(struct.pack("<IIII", 1_760_000_000, number * 20_000, len(packet), len(packet)) + packet)


class FormatTest(SinkTest):
    def lines(self, name):
        """Whole lines of a file that somebody is writing."""
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), "rb") as file:
            return file.read().split(b"\n")[:-1]

    def all_captures(self):
        write_capture(self.path("greeting.pcap"), GREETING)
        bundled = sorted(name for name in os.listdir(CAPTURES) if name.endswith((".pcap", ".pcapng")))
        self.assertGreater(len(bundled), 3)
        return [self.path("greeting.pcap"), *(os.path.join(CAPTURES, name) for name in bundled)]


class Formats(FormatTest):
    def records(self, *formats, settings=()):
        """What file sinks of these formats hold: lists of lines in the same order, alerts and flow records."""
        for capture in self.all_captures():
            sinks = [{"name": name, "type": "file", "format": name, "records": "all", "path": self.path(name)}
                     for name in formats]
            code, words = self.run_doorslam(capture, sinks, settings=["store.flows=all", *settings])
            self.assertEqual((code, words), (0, ""), capture)
        out = []
        for name in formats:
            with open(self.path(name), encoding="utf-8") as file:
                out.append(file.read().split("\n")[:-1])
        self.assertEqual({len(lines) for lines in out}, {len(out[0])})
        return out

    def test_json_formats_say_the_same_as_ecs(self):
        for lines in zip(*self.records("ecs", "ocsf", "eve")):
            ecs, ocsf, eve = (json.loads(line) for line in lines)
            alert = ecs["event"]["kind"] == "alert"
            source, destination = ends(ecs)
            self.assertEqual(ocsf["metadata"]["uid"], ecs["event"]["id"])
            self.assertEqual(eve["event_id"], ecs["event"]["id"])
            self.assertEqual(ocsf["unmapped"]["doorslam"], ecs["doorslam"])
            self.assertEqual(eve["doorslam"], ecs["doorslam"])
            self.assertEqual((eve["src_ip"], eve["src_port"], eve["dest_ip"], eve["dest_port"]), source + destination)
            place = ocsf["evidences"][0] if alert else ocsf
            self.assertEqual((place["src_endpoint"]["ip"], place["dst_endpoint"]["ip"]), (source[0], destination[0]))
            self.check_ocsf(ocsf, alert)
            self.check_eve(eve, alert)

    def check_ocsf(self, event, alert):
        """https://schema.ocsf.io/1.3.0/classes/detection_finding and network_activity: what is required."""
        required = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]
        for key in [*required, "finding_info"] if alert else [*required, "dst_endpoint"]:
            self.assertIn(key, event)
        self.assertEqual(event["type_uid"], event["class_uid"] * 100 + event["activity_id"])
        self.assertEqual((event["category_uid"], event["class_uid"]), (2, 2004) if alert else (4, 4001))
        self.assertIn(event["activity_id"], range(0, 4) if alert else range(0, 8))
        self.assertIn(event["severity_id"], range(1, 7))
        self.assertEqual(event["metadata"]["version"], "1.3.0")
        self.assertEqual(event["metadata"]["product"]["vendor_name"], "doorslam")
        self.assertLess(abs(event["time"] - 1_760_000_000_000), 1e12, "no time in milliseconds")
        if alert:
            self.assertTrue(event["finding_info"]["title"] and event["finding_info"]["uid"])
            self.assertIn("type_id", event["finding_info"]["analytic"])
            self.assertIn("desc", event["remediation"])
        connection = (event["evidences"][0] if alert else event)["connection_info"]
        self.assertIn("direction_id", connection)

    def check_eve(self, event, alert):
        self.assertRegex(event["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000$")
        self.assertEqual((event["event_type"], event["proto"]), ("alert" if alert else "flow", "TCP"))
        self.assertLess(event["flow_id"], 1 << 53)
        if not alert:
            return
        self.assertEqual(set(event["alert"]), {"action", "gid", "signature_id", "rev", "signature", "category", "severity"})
        self.assertIn(event["alert"]["severity"], (1, 2, 3))
        self.assertIn(event["alert"]["signature_id"], range(1_000_000, 2_000_000))

    def test_the_greeting_survives_in_every_format(self):
        ecs, cef, leef = self.records("ecs", "cef", "leef")
        banners = [json.loads(line)["doorslam"].get("banner", "") for line in ecs]
        with_banner = [i for i, banner in enumerate(banners) if "a|b=c" in banner]
        self.assertGreaterEqual(len(with_banner), 3)  # a flow record, an alert opened, an alert closed
        for i in with_banner:
            # liblognorm's way, in Python: a value ends before " key=".
            value = re.search(r" cs5=((?:\\.|[^\\=])*)(?= \w+=|$)", cef[i])[1]
            self.assertEqual(re.sub(r"\\(.)", r"\1", value), banners[i])
            fields = dict(part.split("=", 1) for part in leef[i].split("|x09|", 1)[1].split("\t"))
            self.assertEqual(fields["banner"], banners[i].replace("\t", " "))
            self.assertNotEqual(fields["src"], "6.6.6.6")

    def test_payload_none_writes_no_word_of_anybody(self):
        settings = ["evidence.payload=none", f"store.path={self.path('silent.db')}"]
        for lines in self.records("ecs", "ocsf", "eve", "cef", "leef", settings=settings):
            for line in lines:
                self.assertNotIn("a|b=c", line)
                self.assertNotIn("mx.example", line)
                self.assertNotIn("6.6.6.6", line)
        with open(self.path("silent.db"), "rb") as store:
            self.assertNotIn(b"6.6.6.6", store.read())
        words = subprocess.run([os.environ["DOORSLAM"], "read", "--set", "evidence.payload=none",
                                self.path("greeting.pcap")], capture_output=True, check=True)
        self.assertIn(b"10.9.8.7", words.stdout)
        self.assertNotIn(b"6.6.6.6", words.stdout)


def ends(ecs):
    """Addresses and ports of client and server, as the other formats have them."""
    if ecs["event"]["kind"] != "alert":
        return tuple((ecs[side]["ip"], ecs[side]["port"]) for side in ("source", "destination"))
    sample = ecs["doorslam"]["sample"]
    source = (ecs.get("source", {}).get("ip", sample["client"]["ip"]), sample["client"]["port"])
    return source, (ecs.get("destination", {}).get("ip", sample["server"]["ip"]), sample["server"]["port"])


@unittest.skipUnless(RSYSLOGD, "rsyslogd is not installed")
class Lognorm(FormatTest):
    """rsyslog's mmnormalize with the shipped rules."""

    CONFIG = """
global(workDirectory="{folder}" maxMessageSize="256k" parser.escapeControlCharacterTab="off")
main_queue(queue.type="Direct")
module(load="imtcp") module(load="mmnormalize")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="events")
template(name="event" type="string" string="%$!event%\\n")
ruleset(name="events" queue.type="Direct") {{
  action(type="mmnormalize" rulebase="{siem}/lognorm.rulebase" path="$!event")
  action(type="omfile" file="{folder}/normal" template="event")
}}
"""

    def normalized(self, form):
        """Pairs of what liblognorm made of each record of this format and the record itself."""
        port = free_port()
        with open(self.path("rsyslog.conf"), "w", encoding="utf-8") as file:
            file.write(self.CONFIG.format(folder=self.folder, port=port, siem=SIEM))
        with open(self.path("words"), "w", encoding="utf-8") as words:
            process = subprocess.Popen([RSYSLOGD, "-n", "-f", self.path("rsyslog.conf"), "-i", "NONE"], stdout=words,
                                       stderr=words)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        ecs = []
        for capture in self.all_captures():
            sinks = [{"name": "ecs", "type": "file", "records": "all", "path": self.path("ecs")},
                     {"name": "syslog", "type": "syslog", "transport": "tcp", "address": f"127.0.0.1:{port}",
                      "format": form, "records": "all", "retry_first_seconds": "20ms", "retry_most_seconds": "200ms"}]
            code, said = self.run_doorslam(capture, sinks, settings=["store.flows=all"])
            self.assertEqual(code, 0, said)
        with open(self.path("ecs"), encoding="utf-8") as file:
            ecs = [json.loads(line) for line in file]
        wait_until(lambda: len(self.lines("normal")) >= len(ecs))
        lines = self.lines("normal")
        self.assertEqual(len(lines), len(ecs))
        normal = [json.loads(line) for line in lines]
        for event in normal:
            self.assertNotIn("unparsed-data", event)
        return list(zip(normal, ecs))

    def test_cef(self):
        for event, ecs in self.normalized("cef"):
            cef = event["cef"]
            fields = cef["Extensions"]
            self.assertEqual((cef["DeviceVendor"], cef["DeviceProduct"]), ("doorslam", "doorslam"))
            self.assertEqual(cef["SignatureID"], ecs["doorslam"]["cause"])
            self.assertIn(int(cef["Severity"]), range(0, 11))
            self.assertEqual(fields["externalId"], ecs["event"]["id"])
            self.assertEqual(fields["act"], ecs["event"]["action"])
            self.assertEqual(fields["reason"], ecs["event"]["reason"])
            self.assertEqual(fields.get("cs5", ""), ecs["doorslam"].get("banner", ""))
            source, destination = ends(ecs)
            v6 = ecs["network"]["type"] == "ipv6"
            self.assertEqual((fields["c6a2" if v6 else "src"], int(fields["spt"])), source)
            self.assertEqual((fields["c6a3" if v6 else "dst"], int(fields["dpt"])), destination)
            for label in (key for key in fields if key.endswith("Label")):
                self.assertIn(label.removesuffix("Label"), fields)

    def test_leef(self):
        for event, ecs in self.normalized("leef"):
            self.assertEqual((event["vendor"], event["cause"]), ("doorslam", ecs["doorslam"]["cause"]))
            fields = {pair["key"]: pair["value"] for pair in event["leef"]}
            self.assertEqual(len(fields), len(event["leef"]), "a key twice")
            self.assertEqual(fields["eventId"], ecs["event"]["id"])
            self.assertEqual(fields["action"], ecs["event"]["action"])
            self.assertEqual(fields.get("banner", ""), ecs["doorslam"].get("banner", ""))
            source, destination = ends(ecs)
            self.assertEqual((fields["src"], int(fields["srcPort"])), source)
            self.assertEqual((fields["dst"], int(fields["dstPort"])), destination)


class Snippets(FormatTest):
    """What is shipped for receivers is at least what their programs can read."""

    def test_yaml_toml_and_the_sections_of_fluent_bit(self):
        with open(os.path.join(SIEM, "vector.toml"), "rb") as file:
            config = tomllib.load(file)
        self.assertEqual(config["transforms"]["doorslam_records"]["inputs"], list(config["sources"]))
        for name in ("fluent-bit.conf", "fluent-bit-parsers.conf"):
            with open(os.path.join(SIEM, name), encoding="utf-8") as file:
                lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
            self.assertRegex(lines[0], r"^\[[A-Z]+\]$")
            for line in lines[1:]:
                self.assertRegex(line, r"^    \w+ +\S")

    def sample(self):
        """Records of all bundled captures as a file sink writes them, rotated: (paths, records, octets of the longest)."""
        path = self.path("alerts.ndjson")
        for capture in self.all_captures():
            # A file is looked at from the second batch on: few records in each.
            sink = {"name": "archive", "type": "file", "path": path, "records": "all", "batch": 3, "rotate_bytes": 20_000,
                    "keep": 100}
            code, words = self.run_doorslam(capture, [sink], settings=["store.flows=all"])
            self.assertEqual((code, words), (0, ""), capture)
        paths = sorted(name for name in os.listdir(self.folder) if name.startswith("alerts.ndjson"))
        self.assertGreater(len(paths), 1, "nothing was rotated")
        lines = [line for name in paths for line in self.lines(name)]
        return paths, [json.loads(line) for line in lines], max(map(len, lines))

    @staticmethod
    def field(record, path):
        """The value at a path of keys joined by dots; None: there is none."""
        for key in path.split("."):
            record = record.get(key) if isinstance(record, dict) else None
        return record

    def shipped(self, name):
        with open(os.path.join(SIEM, name), encoding="utf-8") as file:
            return file.read()

    def test_what_the_snippets_name_is_in_the_records(self):
        paths, records, longest = self.sample()
        vector = tomllib.loads(self.shipped("vector.toml"))
        self.assertEqual([os.path.basename(path) for path in vector["sources"]["doorslam"]["include"]], ["alerts.ndjson"])
        self.assertGreater(vector["sources"]["doorslam"]["max_line_bytes"], longest)
        fluent = {key: value for key, value in re.findall(r"^    (\w+) +(.*)$", self.shipped("fluent-bit.conf"), re.M)}
        parser = dict(re.findall(r"^    (\w+) +(.*)$", self.shipped("fluent-bit-parsers.conf"), re.M))
        self.assertEqual(fluent["Parser"], parser["Name"])
        self.assertGreater(int(fluent["Buffer_Max_Size"].removesuffix("M")) << 20, longest)
        # strftime's %L is Fluent Bit's own: a point is in the form, digits of any number follow.
        form = parser["Time_Format"].replace("%S.%L", "%S.%f")
        for record in records:
            time_text = re.sub(r"(\.\d{6})\d+", r"\1", self.field(record, parser["Time_Key"]))
            datetime.datetime.strptime(time_text, form)
            self.assertIn('."@timestamp"', vector["transforms"]["doorslam_records"]["source"])

    @unittest.skipUnless(yaml, "python3-yaml is not installed")
    def test_what_filebeat_names_is_in_the_records(self):
        paths, records, longest = self.sample()
        filebeat = yaml.safe_load(self.shipped("filebeat.yml"))
        (source,) = filebeat["filebeat.inputs"]
        self.assertEqual(source["type"], "filestream")
        self.assertGreater(source["message_max_bytes"], longest)
        patterns = [os.path.basename(path) for path in source["paths"]]
        aside = [re.compile(pattern) for pattern in source["prospector.scanner.exclude_files"]]
        for path in paths:
            self.assertTrue(any(fnmatch.fnmatch(path, pattern) for pattern in patterns), f"{path} is not read")
            self.assertFalse(any(pattern.search(path) for pattern in aside), f"{path} is left out")
        self.assertTrue(any(pattern.search("alerts.ndjson-20261123.gz") for pattern in aside))
        self.assertEqual(source["parsers"][0]["ndjson"]["target"], "", "ECS fields stand at the top")
        (processor,) = filebeat["processors"]
        (identity,) = processor["fingerprint"]["fields"]
        self.assertEqual(processor["fingerprint"]["target_field"], "@metadata._id")
        identities = [self.field(record, identity) for record in records]
        self.assertNotIn(None, identities)
        self.assertEqual(len(set(identities)), len(identities), "two records would become one document")

    @unittest.skipUnless(RSYSLOGD and os.path.exists("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so"),
                         "rsyslog-openssl is not installed")
    def test_rsyslog_with_the_shipped_configuration(self):
        make_certificates(self.folder)
        port = free_port()
        with open(os.path.join(SIEM, "rsyslog.conf"), encoding="utf-8") as file:
            config = file.read()
        for there, here in (("/etc/rsyslog.d/tls", self.folder), ("/var/spool/rsyslog", self.folder),
                            ("/var/log/doorslam.ndjson", self.path("received")), ('"6514"', f'"{port}"')):
            self.assertIn(there, config)
            config = config.replace(there, here)
        with open(self.path("rsyslog.conf"), "w", encoding="utf-8") as file:
            file.write(config)
        checked = subprocess.run([RSYSLOGD, "-N1", "-f", self.path("rsyslog.conf")], capture_output=True, text=True,
                                 check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertNotIn("error", checked.stderr)
        process = subprocess.Popen([RSYSLOGD, "-n", "-f", self.path("rsyslog.conf"), "-i", "NONE"],
                                   stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        capture = self.capture(50)
        sink = {"name": "siem", "type": "syslog", "address": f"localhost:{port}", "ca": "ca.pem",
                "certificate": "client.pem", "key": "client.key", "retry_first_seconds": "50ms",
                "retry_most_seconds": "300ms"}
        code, words = self.run_doorslam(capture, [sink])
        self.assertEqual(code, 0, words)
        self.assertNotIn("behind", words)
        expected = self.expected(capture)
        wait_until(lambda: len(self.lines("received")) >= len(expected))
        self.check_all_arrived(expected, self.lines("received"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
