"""What doorslam added up for every labelled connection, as rows that a model can be fitted to."""
import collections
import ipaddress
import json
import os
import pathlib
import subprocess
import tempfile

from programs import program_of

TIMEOUT_S = 300


class Row:
    """One labelled connection. `terms` is a list of (evidence, cause, weight, strength); empty where doorslam did not
    argue: then `said` and `confidence` stand."""
    __slots__ = ("capture", "client", "program", "truth", "acceptable", "terms", "said", "confidence")

    def __init__(self, label, program, flow):
        self.capture, self.client, self.program = label["pcap"], f"{label['client_ip']}:{label['client_port']}", program
        self.truth = label["truth"]["cause"]
        self.acceptable = frozenset((self.truth, *label["truth"].get("also_acceptable", ())))
        own = flow["doorslam"] if flow else {"cause": "no record", "confidence": 0.0}
        self.said, self.confidence = own["cause"], own["confidence"]
        self.terms = tuple((c["evidence"], c["cause"], c["weight"], c["strength"]) for c in own.get("contributions", ()))


def read_labels(folders):
    """Labels by capture path, of all corpora."""
    by_capture = collections.OrderedDict()
    for folder in folders:
        for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
            label = json.loads(line)
            by_capture.setdefault(folder / label["pcap"], []).append(label)
    return by_capture


def _endpoints(client_ip, client_port, server_ip, server_port):
    return frozenset(((ipaddress.ip_address(client_ip).compressed, client_port),
                      (ipaddress.ip_address(server_ip).compressed, server_port)))


def _start(flow):
    """Seconds since midnight; enough to tell which of two flows is nearer."""
    hours, minutes, seconds = flow["event"]["start"].split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def read(binary, capture, labels, cache, signatures=None):
    """One row for every label of the capture."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "flows.ndjson"
        command = [binary, "read", str(capture), "--quiet", "--flows", str(out), "--set", "output.contributions=true"]
        if signatures is not None:
            command += ["--set", f"signatures.paths={signatures}"]
        run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                             timeout=TIMEOUT_S, check=False, env={**os.environ, "XDG_CACHE_HOME": str(cache)})
        if run.returncode not in (0, 1) or not out.exists():
            raise RuntimeError(f"{capture}: doorslam ended with {run.returncode}: {run.stderr.strip()[-500:]}")
        flows = collections.defaultdict(list)
        for line in out.read_text(encoding="utf-8").splitlines():
            flow = json.loads(line)
            ends = flow["source"], flow["destination"]
            flows[_endpoints(*(end[key] for end in ends for key in ("ip", "port")))].append(flow)
    rows = []
    for label in labels:
        found = flows.get(_endpoints(label["client_ip"], label["client_port"], label["server_ip"], label["server_port"]), [])
        at = label["start_ts_approx"] % 86400
        flow = min(found, key=lambda f: abs(_start(f) - at)) if found else None
        rows.append(Row(label, program_of(label["pcap"], label["server_port"]), flow))
    return rows
