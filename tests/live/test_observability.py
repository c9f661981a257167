#!/usr/bin/env python3
"""A running sensor tells what it counts, and the same to everybody.

`doorslam run` replays two captures and keeps running; it is asked through Prometheus' endpoint, DPDK's telemetry socket
(and dpdk-telemetry.py, where it is installed) and `doorslam top`, plain and on a terminal. Nothing may be missing
between what came in and what became of it; the shipped dashboard and rules may ask only for what is exposed. Where
promtool is installed, it checks metrics and rules as well. Exit code 1 where something is wrong, 77 where the sensor
cannot be run here.
"""
import argparse
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from ports import free_port  # noqa: E402  (a folder of scripts, no package)

SKIPPED = 77
PATIENCE_S = 180
LABELS = {"version", "result", "port", "reason", "queue", "worker", "outcome", "when", "cause", "action", "sink", "output",
          "what"}
COMMANDS = ("stats", "workers", "ports", "table", "servers", "alerts", "config")
SAMPLE = re.compile(r"^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
# A metric in an expression, with the labels that it is chosen by.
ASKED = re.compile(r"\b(doorslam_[a-z_0-9]+)(?:\{([^}]*)\})?")

failures = []


def expect(holds, what, *details):
    if not holds:
        failures.append(what)
        print("FAILED:", what, *details)


def packets_in(capture):
    """Records of a classic little-endian capture."""
    data, at, count = capture.read_bytes(), 24, 0
    while at + 16 <= len(data):
        at += 16 + struct.unpack("<I", data[at + 8:at + 12])[0]
        count += 1
    return count


def command_line(program, captures, *more):
    command = [program, "run", "--no-huge", "--workers", "2", *more]
    for number, capture in enumerate(captures):
        command += ["--vdev", f"net_pcap{number},rx_pcap={capture}"]
    return command


class Sensor:
    """A sensor that runs until the end of the scope, in a runtime folder of its own."""

    def __init__(self, program, captures, folder):
        self.folder = folder
        self.port = free_port()
        self.environment = dict(os.environ, RUNTIME_DIRECTORY=str(folder), XDG_CACHE_HOME=str(folder / "cache"))
        config = folder / "doorslam.yaml"
        config.write_text(f"store:\n  path: {folder}/alerts.db\n  flows: refused\n"
                          f"sinks:\n  - name: archive-1.a\n    type: file\n    records: all\n    path: {folder}/sink.ndjson\n")
        self.log = open(folder / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command_line(program, captures, "-c", str(config), "--set", f"run.metrics_address=127.0.0.1:{self.port}",
                         "--flows", "/dev/null"), stderr=self.log, env=self.environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def said(self):
        return (self.folder / "log").read_text(encoding="utf-8")

    def scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=PATIENCE_S) as answer:
            return answer.read().decode()

    def wait_for(self, done):
        """The first scrape that `done` holds for."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                if "DPDK cannot be started" in self.said():
                    print("SKIPPED:", self.said().strip())
                    sys.exit(SKIPPED)
                sys.exit(f"the sensor ended: {self.said()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                text = self.scrape()
                if done(Metrics(text)):
                    return text
            time.sleep(0.1)
        sys.exit(f"the sensor did not come so far: {self.said()}")

    def socket(self):
        (found,) = (self.folder / "dpdk").glob("*/dpdk_telemetry.v2")
        return found


class Metrics:
    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = SAMPLE.match(line).groups()
            self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def of(self, name, **labels):
        """The sum of a metric's samples with these labels."""
        chosen = [value for own, has, value in self.samples if own == name and labels.items() <= has.items()]
        assert chosen, f"{name} {labels} is not exposed"
        return sum(chosen)

    def labels_of(self, name):
        return {label for own, has, _ in self.samples if own == name for label in has}

    def names(self):
        return {name for name, _, _ in self.samples}


def check_sums(metrics, expected):
    """Received = processed + each counted reason, at each stage; the replay has ended, so nothing is on its way."""
    of = metrics.of
    expect(of("doorslam_port_received_packets_total") == expected, "every packet of the captures is received",
           of("doorslam_port_received_packets_total"), expected)
    expect(of("doorslam_port_received_packets_total") == of("doorslam_port_polled_packets_total"), "received = polled")
    expect(of("doorslam_polled_packets_total") == of("doorslam_packets_total") + of("doorslam_held_packets"),
           "polled = decoded, by outcome, + held")
    used = of("doorslam_packets_total", outcome="tcp") + of("doorslam_packets_total", outcome="icmp_error")
    expect(used == of("doorslam_tracked_total") + of("doorslam_steering_lost_total"), "used = tracked + lost in steering")
    expect(of("doorslam_connections_total") == of("doorslam_connections_ended_total") + of("doorslam_table_connections"),
           "connections = ended, by reason, + open")
    handed = of("doorslam_events_total", outcome="refusal") + of("doorslam_events_total", outcome="served")
    expect(handed == of("doorslam_analysis_events_total") + of("doorslam_analysis_waiting_events"),
           "events handed over = analysed + waiting")
    expect(of("doorslam_refusals_total", cause="acl_denied") == 8, "the refusals are counted by their cause")
    expect(of("doorslam_alerts_total", action="opened") == 1, "the alert is counted")


def check_labels(metrics):
    """No label may take its values from the traffic, or a scan fills the collector's memory."""
    for name, labels, _ in metrics.samples:
        if not name.startswith("doorslam_"):
            continue
        expect(set(labels) <= LABELS, "labels are of the known few", name, labels)
        for value in labels.values():
            expect(not re.search(r"\d+\.\d+\.\d+\.\d+", value), "no address is a label", name, labels)


def expressions(dashboard, rules):
    """(where, expression) of all that is shipped."""
    board = json.loads(dashboard.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        yield variable["name"], str(variable.get("definition", ""))
    for note in board["annotations"]["list"]:
        yield note["name"], note["expr"]
    yield rules.name, rules.read_text(encoding="utf-8")


def check_shipped(metrics, dashboard, rules):
    asked = 0
    for where, expression in expressions(dashboard, rules):
        for name, chosen_by in ASKED.findall(expression):
            asked += 1
            expect(name in metrics.names(), "only what is exposed is asked for", where, name)
            labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", chosen_by)) - {"job", "instance"}
            expect(labels <= metrics.labels_of(name), "only by its labels", where, name, labels)
    expect(asked > 50, "dashboard and rules ask for something", asked)
    identifiers = [panel["id"] for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"]]
    expect(len(identifiers) == len(set(identifiers)), "each panel has a number of its own")


def check_with_promtool(text, rules, rule_tests):
    promtool = shutil.which("promtool")
    if promtool is None:
        print("promtool is not installed: neither metrics nor rules are linted")
        return
    own = "\n".join(line for line in text.splitlines() if "exposer_" not in line) + "\n"
    linted = subprocess.run([promtool, "check", "metrics"], input=own, capture_output=True, text=True, check=False)
    expect(linted.returncode == 0, "promtool finds the metrics well-named", linted.stdout, linted.stderr)
    for command in (["check", "rules", rules], ["test", "rules", rule_tests]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"promtool {command[0]} rules", done.stdout, done.stderr)


def ask(path, *commands):
    """Answers of the telemetry socket, by its own protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        length = json.loads(client.recv(1024))["max_output_len"]
        answers = []
        for command in commands:
            client.send(command.encode())
            answers.append(json.loads(client.recv(length))[command.split(",")[0]])
        return answers


def check_telemetry(sensor, metrics):
    known, = ask(sensor.socket(), "/")
    for name in COMMANDS:
        expect(f"/doorslam/{name}" in known, f"/doorslam/{name} is offered")
    stats, workers, ports, table, servers, alerts, config = ask(sensor.socket(), *(f"/doorslam/{c}" for c in COMMANDS))
    expect(stats["received"] == metrics.of("doorslam_port_received_packets_total"), "telemetry tells what metrics tell",
           stats)
    expect(sum(stats["packets"].values()) == stats["processed"] == stats["received"], "the outcomes add up", stats)
    expect(stats["balances"] == stats["balances_held"], "every balance holds", stats)
    expect(set(workers) == {"0", "1", "receiver_0"}, "each thread is told", workers)
    expect(ports["net_pcap0"]["received"] + ports["net_pcap1"]["received"] == stats["received"], "ports add up", ports)
    expect(table["open_connections"] == metrics.of("doorslam_table_connections"), "the table's load", table)
    worst = servers.get("worst_0", {})
    expect(worst.get("server") == "10.61.1.11:21" and worst.get("refused") == 8 and worst.get("cause") == "acl_denied",
           "the worst server is named", servers)
    expect(alerts["refusals"] == {"acl_denied": 8} and alerts["sink_archive_1_a"]["lost"] == 0, "alerts and sinks", alerts)
    expect(config["workers"] == "2" and config["store/path"].endswith("alerts.db"), "settings in force", config)
    one, none, some = ask(sensor.socket(), "/doorslam/workers,1", "/doorslam/workers,9", "/doorslam/config,flows.timeout")
    expect(one["tracking"]["tracked"] == metrics.of("doorslam_tracked_total", worker="1"), "one worker, wholly", one)
    expect(none is None, "a worker that is not there has no answer", none)
    expect(set(some) == {f"flows/timeout/{n}_seconds" for n in ("embryonic", "half_open", "established", "closing")},
           "one section of the settings", some)
    return stats


def check_privileges(sensor):
    """What the set-up needed, no thread keeps: neither those of the store and of the sinks."""
    looked_at = 0
    for task in pathlib.Path(f"/proc/{sensor.process.pid}/task").iterdir():
        try:
            status = (task / "status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue  # threads of DPDK's telemetry end with the connection that they served
        looked_at += 1
        expect(re.search(r"^CapPrm:\s*0+$", status, re.MULTILINE), "no thread has kept privileges", status)
    expect(looked_at >= 5, "two workers, the receiver, the analysis and the store are looked at", looked_at)
    expect("keep the privileges" not in sensor.said(), "no thread is said to have kept privileges", sensor.said())


def check_dpdks_tool(sensor, stats):
    tool = shutil.which("dpdk-telemetry.py")
    if tool is None:
        print("dpdk-telemetry.py is not installed: only its protocol is tested")
        return
    done = subprocess.run([tool, "-f", sensor.socket().parent.name], input="/doorslam/stats\n", capture_output=True,
                          text=True, env=sensor.environment, timeout=PATIENCE_S, check=False)
    answer = json.loads(done.stdout)["/doorslam/stats"] if done.stdout else {}
    expect(answer.get("received") == stats["received"], "dpdk-telemetry.py gets the answer", done.stdout, done.stderr)


def top(program, environment, *arguments):
    return subprocess.run([program, "top", "--interval", "0.2", *arguments], capture_output=True, text=True,
                          env=environment, stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False)


def check_plain_top(program, sensor, expected):
    for arguments in ((), ("--once",), ("--file-prefix", "doorslam"), ("--file-prefix", sensor.socket().parent.name)):
        shown = top(program, sensor.environment, *arguments)
        expect(shown.returncode == 0 and shown.stderr == "", "top runs without a terminal", arguments, shown)
        for words in (f"{expected} received, {expected} processed, all accounted for", "acl_denied", "10.61.1.11:21",
                      "net_pcap1", "receiver_0", "archive-1.a 0 behind"):
            expect(words in shown.stdout, "top shows what there is", words, shown.stdout)
        expect("\x1b" not in shown.stdout, "plain text is plain")


def fails_in_one_line(done, exit_code, *words):
    expect(done.returncode == exit_code, f"exit code {exit_code}", done)
    expect(done.stderr.count("\n") == 1 and all(word in done.stderr for word in words), "one clear line", done)


class Terminal:
    """`doorslam top` on a terminal of 80 x 20: with one refusing server known, the second port would be on line 22."""

    def __init__(self, program, environment):
        self.drawn = b""
        self.process, self.master = pty.fork()
        if self.process == 0:
            self.set_size(0, 20, 80)
            os.execve(program, [program, "top", "--interval", "0.2"], dict(environment, TERM="xterm"))

    @staticmethod
    def set_size(terminal, rows, columns):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.set_size(self.master, rows, columns)

    def read_until(self, words):
        """Whether this is drawn before long."""
        end = time.monotonic() + PATIENCE_S
        while words not in self.drawn and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.drawn += os.read(self.master, 65536)
                except OSError:  # its end
                    break
        return words in self.drawn

    def exit_code(self):
        self.read_until(b"\0 never drawn")
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def check_live_top(program, sensor):
    # Before the first refusals are judged there is room for everything: the lists are looked at afterwards.
    early = Terminal(program, sensor.environment)
    expect(early.read_until(b"10.61.1.11:21"), "top draws the worst server on 20 lines", early.drawn[-500:])
    os.write(early.master, b"q")
    expect(early.exit_code() == 0, "q ends it")
    screen = Terminal(program, sensor.environment)
    expect(screen.read_until(b"10.61.1.11:21"), "top draws it again", screen.drawn[-500:])
    expect(b"net_pcap1" not in screen.drawn, "lists are cut where there is no room", screen.drawn[-500:])
    screen.resize(50, 132)
    expect(screen.read_until(b"net_pcap1"), "a larger terminal is used", screen.drawn[-500:])
    os.write(screen.master, b"q")
    expect(screen.exit_code() == 0, "q ends it")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--dashboard", required=True, type=pathlib.Path)
    parser.add_argument("--rules", required=True, type=pathlib.Path)
    parser.add_argument("--rule-tests", required=True, type=pathlib.Path)
    parser.add_argument("captures", nargs=2, type=pathlib.Path)
    options = parser.parse_args()
    expected = sum(map(packets_in, options.captures))
    with tempfile.TemporaryDirectory() as name, Sensor(options.bin, options.captures, pathlib.Path(name)) as sensor:
        text = sensor.wait_for(lambda metrics: metrics.of("doorslam_packets_total") >= expected
                               and metrics.of("doorslam_analysis_connections_total") >= 16
                               and metrics.of("doorslam_refusals_total") >= 8
                               and metrics.of("doorslam_alerts_total", action="opened") >= 1
                               and metrics.of("doorslam_sink_behind_records") == 0)
        metrics = Metrics(text)
        check_sums(metrics, expected)
        check_labels(metrics)
        check_shipped(metrics, options.dashboard, options.rules)
        check_with_promtool(text, options.rules, options.rule_tests)
        stats = check_telemetry(sensor, metrics)
        check_privileges(sensor)
        check_dpdks_tool(sensor, stats)
        check_plain_top(options.bin, sensor, expected)
        check_live_top(options.bin, sensor)
        fails_in_one_line(top(options.bin, sensor.environment, "--file-prefix", "another"), 1, "another", "doorslam run")
        unwritten = pathlib.Path(name) / "unwritten"
        taken = subprocess.run(command_line(options.bin, options.captures, "-q", "--set", "run.file_prefix=second", "--set",
                                            f"run.metrics_address=127.0.0.1:{sensor.port}", "--flows", str(unwritten)),
                               capture_output=True, text=True, env=sensor.environment, timeout=PATIENCE_S, check=False)
        fails_in_one_line(taken, 1, "run.metrics_address", str(sensor.port))
        expect(not unwritten.exists(), "an address that is taken is found before anything is begun")
        wrong = subprocess.run(command_line(options.bin, options.captures, "--set", "run.metrics_address=localhost"),
                               capture_output=True, text=True, env=sensor.environment, timeout=PATIENCE_S, check=False)
        fails_in_one_line(wrong, 2, "run.metrics_address", "127.0.0.1:9477")
        screen = Terminal(options.bin, sensor.environment)
        expect(screen.read_until(b"acl_denied"), "top draws", screen.drawn[-500:])
        sensor.process.send_signal(signal.SIGTERM)
        expect(sensor.process.wait(PATIENCE_S) == 0, "the sensor ends while it is watched", sensor.said())
        expect("every packet is accounted for" in sensor.said(), "and accounts for every packet", sensor.said())
        expect(screen.exit_code() == 1 and b"has it ended?" in screen.drawn, "top says that it has", screen.drawn[-500:])
        fails_in_one_line(top(options.bin, sensor.environment), 1, "no running doorslam")
    print("failed:" if failures else "all as it should be", *failures)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
