"""Where a scenario plays: clients, a router and a server host in network namespaces of their own, server programs that
are started and ended by process id, and a capture on the server's link.

    clients (many addresses) ── long line ── router ── veth ── server host
                                                         ^ captured here

A second host may stand behind the server's address (add_second_host, add_twins): the capture is then made on the
clients' side of the router, and the client's port decides who answers.

All addresses are those reserved for documentation (RFC 5737, RFC 3849).
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from namespaces import die_with_parent, enter, listening  # noqa: E402  (a folder of scripts, no package)

HERE = pathlib.Path(__file__).resolve().parent
SERVER, SERVER6 = "203.0.113.10", "2001:db8:b::10"
READY_S = 30
SECOND_HOST_PORTS = range(20000, 20100)  # of clients that the second host answers, where there is one


class StageError(Exception):
    """The scenario could not be played as written: a server did not start, or said something else."""


def client_address(number, six=False):
    """The address of client `number` (11 to 49); its tens say how far away it is."""
    return f"2001:db8:a::{number}" if six else f"198.51.100.{number}"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise StageError(f"`{' '.join(command)}` failed: {done.stdout.strip()}")


class Stage:
    """One scenario's namespaces, servers and capture. Use as a context; the namespaces go with it."""

    def __init__(self, name, capture):
        self.name = name
        self.capture = pathlib.Path(capture)
        self.labels = []
        tag = f"ds{os.getpid()}"
        self._clients, self._router, self._server, self._second = f"{tag}c", f"{tag}r", f"{tag}s", f"{tag}t"
        self._second_host_ports = None
        self._processes = []
        self._tcpdump = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"doorslam-{name}-"))
        self.folder.chmod(0o777)

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            self._end(process)
        for namespace in (self._clients, self._router, self._server, self._second):
            for pid in subprocess.run(["ip", "netns", "pids", namespace], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True, check=False).stdout.split():
                if int(pid) != os.getpid():
                    with contextlib.suppress(ProcessLookupError):  # it ended by itself
                        os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _build(self):
        for namespace in (self._clients, self._router, self._server):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        line = self._start([sys.executable, str(HERE / "delay_line.py"), self._clients, self._router],
                           stdout=subprocess.PIPE)
        if line.stdout.readline().strip() != b"ready":
            raise StageError("the line between clients and router did not come up")
        run("ip", "-n", self._router, "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", self._server)
        for namespace in (self._router, self._server):
            run("ip", "netns", "exec", namespace, "ethtool", "-K", "lan", "tx", "off", "tso", "off", "gso", "off",
                "gro", "off")
        self._address(self._server, "lan", f"{SERVER}/24", f"{SERVER6}/64")
        self._address(self._router, "lan", "203.0.113.1/24", "2001:db8:b::1/64")
        self._address(self._router, "line", "198.51.100.1/24", "2001:db8:a::1/64")
        self._address(self._clients, "line", *(f"{client_address(n)}/24" for n in range(11, 50)),
                      *(f"{client_address(n, True)}/64" for n in range(11, 50)))
        run("ip", "netns", "exec", self._router, "sysctl", "-qw", "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1")
        for six, server_gateway in ((), "203.0.113.1"), (("-6",), "2001:db8:b::1"):
            run("ip", *six, "-n", self._server, "route", "add", "default", "via", server_gateway)
            run("ip", *six, "-n", self._clients, "route", "add", "default", "dev", "line")
        enter(self._clients)

    def add_second_host(self):
        """Another host with the server's address, of another make: its TTL begins elsewhere, and its window is smaller."""
        run("ip", "netns", "add", self._second)
        run("ip", "-n", self._router, "link", "add", "lan2", "type", "veth", "peer", "name", "lan", "netns", self._second)
        for namespace, device in (self._router, "lan2"), (self._second, "lan"):
            run("ip", "netns", "exec", namespace, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        self._address(self._router, "lan2", "192.0.2.1/30")
        self._address(self._second, "lan", "192.0.2.2/30")
        self._address(self._second, "lo", f"{SERVER}/32")
        run("ip", "-n", self._second, "route", "add", "default", "via", "192.0.2.1")
        run("ip", "netns", "exec", self._second, "sysctl", "-qw", "net.ipv4.ip_default_ttl=255",
            "net.ipv4.tcp_rmem=4096 65536 6291456")
        run("ip", "-n", self._router, "route", "add", f"{SERVER}/32", "via", "192.0.2.2", "table", "100")
        run("ip", "-n", self._router, "rule", "add", "iif", "line", "ipproto", "tcp", "sport", self._ports_of_second(),
            "lookup", "100")
        self._second_host_ports = iter(SECOND_HOST_PORTS)

    def add_twins(self, *scripts, ports):
        """Two hosts of the same make in the server's place, with kernels of their own (User Mode Linux), because a host
        begins its clocks by a secret of its kernel. Each runs its lines of shell, and is there when the ports listen."""
        for number, script in enumerate(scripts):
            tap, near, far = f"twin{number}", f"192.0.2.{4 * number + 1}", f"192.0.2.{4 * number + 2}"
            run("ip", "-n", self._router, "tuntap", "add", tap, "mode", "tap")
            self._address(self._router, tap, f"{near}/30")
            run("ip", "-n", self._router, "route", "add", f"{SERVER}/32", "via", far, "table", str(100 + number))
            self._start_twin(number, script, tap, near, far, ports)
        run("ip", "-n", self._router, "rule", "add", "priority", "100", "iif", "line", "ipproto", "tcp", "sport",
            self._ports_of_second(), "lookup", "101")
        run("ip", "-n", self._router, "rule", "add", "priority", "101", "iif", "line", "lookup", "100")
        self._second_host_ports = iter(SECOND_HOST_PORTS)

    def _start_twin(self, number, script, tap, near, far, ports):
        ready = self.folder / f"twin{number}.ready"
        waits = "".join(f"until ss -Htln | grep -q ':{port} '; do sleep 0.1; done\n" for port in ports)
        init = self.file(f"twin{number}.sh", f"""#!/bin/sh
exec > {self.folder}/twin{number}.log 2>&1
mount -t proc proc /proc
mount -t tmpfs run /run
ip link set lo up
ip link set eth0 up
ip addr add {far}/30 dev eth0
ip addr add {SERVER}/32 dev lo
ip route add default via {near} src {SERVER}
{script}
{waits}touch {ready}
sleep 600
""", 0o755)
        kernel = self._start(["ip", "netns", "exec", self._router, "linux.uml", "mem=96M", "root=/dev/root", "rootfstype=hostfs",
                              "rw", f"init={init}", f"eth0=tuntap,{tap}", f"uml_dir={self.folder}", "con=null", "con0=null,null"])
        until = time.monotonic() + 2 * READY_S
        while not ready.exists():
            if kernel.poll() is not None or time.monotonic() > until:
                raise StageError(f"twin {number} is not there (exit {kernel.poll()})")
            time.sleep(0.05)

    @staticmethod
    def _ports_of_second():
        return f"{SECOND_HOST_PORTS.start}-{SECOND_HOST_PORTS.stop - 1}"

    def second_host_port(self):
        """A port for a client that is to be answered by the second host."""
        return next(self._second_host_ports)

    @staticmethod
    def _address(namespace, device, *addresses):
        run("ip", "-n", namespace, "link", "set", device, "up")
        for address in addresses:
            run("ip", "-n", namespace, "addr", "add", address, "dev", device, *(("nodad",) if ":" in address else ()))

    def _start(self, command, **how):
        how.setdefault("stdout", subprocess.DEVNULL)
        how.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
                                   start_new_session=True, **how)
        self._processes.append(process)
        return process

    def _end(self, process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said_by_servers(self):
        """The last words of the servers' logs, for whoever has to find out what went wrong."""
        return "".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}\n" for log in sorted(self.folder.glob("*.log")))

    def file(self, name, text, mode=0o644):
        """Writes a file into the scenario's folder; returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    def server(self, command, *ports, hosts_deny=None, environment=None, second=False):
        """Starts a server program on the server host, or the second one, and waits until it listens on the ports.
        One that goes to the background ends with the stage too. hosts_deny stands in for /etc/hosts.deny, for this program alone."""
        log = open(self.folder / f"server{len(self._processes)}.log", "wb")
        if hosts_deny is not None:
            deny = self.file("hosts.deny", hosts_deny)
            command = ["unshare", "--mount", "sh", "-c", f'mount --bind {deny} /etc/hosts.deny && exec "$@"', "sh", *command]
        host = self._second if second else self._server
        process = self._start(["ip", "netns", "exec", host, *command], stdout=log, stderr=log, cwd=self.folder,
                              env={**os.environ, **(environment or {})})
        until = time.monotonic() + READY_S
        while not set(ports) <= listening(host):
            if process.poll() not in (None, 0) or time.monotonic() > until:
                raise StageError(f"{command[0]} does not listen on {ports} (exit {process.poll()})")
            time.sleep(0.05)
        return process

    def listening(self):
        """The TCP ports on which the server host listens, asked without sending a packet."""
        return listening(self._server)

    def owner_of(self, talk):
        """The process id of the one process on the server host that holds the connection."""
        port = talk.client_port
        said = subprocess.run(["ip", "netns", "exec", self._server, "ss", "-Htnp", "state", "established", "dport", "=",
                               f":{port}"], stdout=subprocess.PIPE, text=True, check=True).stdout
        owners = re.findall(r"pid=(\d+)", said)
        if len(owners) != 1:
            raise StageError(f"client port {port} is held by {len(owners)} processes: {said.strip()}")
        return int(owners[0])

    def on_server(self, *command):
        """Runs a command on the server host to its end."""
        run("ip", "netns", "exec", self._server, *command)

    def record(self):
        """Starts the capture; returns when packets are being seen."""
        where = (self._server, "lan") if self._second_host_ports is None else (self._router, "line")
        self._tcpdump = self._start(
            ["ip", "netns", "exec", where[0], "tcpdump", "-i", where[1], "-n", "-U", "--immediate-mode", "-s", "0",
             "-Z", "root", "-w", str(self.capture), "tcp or icmp"], stderr=subprocess.PIPE)
        if b"listening" not in self._tcpdump.stderr.readline():
            raise StageError("tcpdump did not start")

    def stop_recording(self):
        time.sleep(0.5)
        self._tcpdump.send_signal(signal.SIGINT)
        said = self._tcpdump.communicate(timeout=10)[1].decode(errors="replace")
        if "0 packets dropped by kernel" not in said:
            raise StageError(f"the capture lost packets: {said.strip()}")
