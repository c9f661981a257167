"""A switch that mirrors: clients, a server host and the sensor's port in network namespaces, on one Linux bridge.

    clients ── bridge ── server host
                 │
              monitor port

The bridge forgets every address at once (ageing_time 0), so it floods each frame to all its ports: the monitor port gets
a copy of everything, as from a SPAN port. `tc mirred` would do as well, but is not in every kernel. Checksums are
computed by the kernels (offloading is off), so that the sensor sees right ones, as on a wire.

All addresses are those reserved for documentation (RFC 5737, RFC 3849).
"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time

from harness import NotHere
from namespaces import die_with_parent, inside, listening

SERVER, SERVER6 = "203.0.113.10", "2001:db8:b::1"
CLIENTS = range(11, 80)
READY_S = 120


def client_address(number, six=False):
    return f"2001:db8:b::{number:x}" if six else f"203.0.113.{number}"


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotHere(f"network namespaces cannot be had here: `ip {' '.join(arguments)}`: {done.stderr.strip()}")


class Mirror:
    """Use as a context: namespaces and servers go with it. The monitor port is `mon` in the namespace `monitor`."""

    def __init__(self, folder):
        self.folder = folder
        tag = f"dl{os.getpid()}"
        self.clients, self.server, self.switch, self.monitor = (tag + end for end in "csbm")
        self._processes = []

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for process in self._processes:
            # A server's children are in its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for namespace in (self.clients, self.server, self.switch, self.monitor):
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)

    def _build(self):
        for namespace in (self.clients, self.server, self.switch, self.monitor):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge", "ageing_time", "0", "mcast_snooping", "0")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for namespace, device in ((self.clients, "eth"), (self.server, "eth"), (self.monitor, "mon")):
            port = f"to{namespace[-1]}"
            ip("-n", self.switch, "link", "add", port, "type", "veth", "peer", "name", device, "netns", namespace)
            ip("-n", self.switch, "link", "set", port, "master", "bridge", "up")
            self.run_in(namespace, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            if device == "mon":  # it only listens
                self.run_in(namespace, "sysctl", "-qw", "net.ipv6.conf.mon.disable_ipv6=1")
            self.set_link(namespace, device, "up")
        self._address(self.server, f"{SERVER}/24", f"{SERVER6}/64")
        self._address(self.clients, *(f"{client_address(n)}/24" for n in CLIENTS),
                      *(f"{client_address(n, True)}/64" for n in CLIENTS))

    @staticmethod
    def _address(namespace, *addresses):
        commands = "".join(f"addr add {a} dev eth{' nodad' if ':' in a else ''}\n" for a in addresses)
        done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input=commands, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise NotHere(f"addresses cannot be had here: {done.stderr.strip()}")

    @staticmethod
    def run_in(namespace, *command):
        done = subprocess.run(["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHere(f"`{' '.join(command)}`: {done.stderr.strip()}")

    def set_link(self, namespace, device, state):
        """Sets a link up or down; returns when it is."""
        self.run_in(namespace, "ip", "link", "set", device, state)
        until = time.monotonic() + READY_S
        while self.state_of(namespace, device) != state:
            if time.monotonic() > until:
                raise AssertionError(f"{device} is not {state}")
            time.sleep(0.02)

    @staticmethod
    def state_of(namespace, device):
        done = subprocess.run(["ip", "-n", namespace, "-json", "link", "show", device], capture_output=True, text=True,
                              check=True)
        return json.loads(done.stdout)[0]["operstate"].lower()

    def file(self, name, text, mode=0o644):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return str(path)

    def start(self, command, port, hosts_deny=None):
        """Starts a server program on the server host; returns when it listens. hosts_deny stands in for /etc/hosts.deny,
        for this program alone."""
        if hosts_deny is not None:
            deny, allow = self.file("hosts.deny", hosts_deny), self.file("hosts.allow", "")
            mounts = " && ".join(f"touch {place} && mount --bind {path} {place}"
                                 for path, place in ((deny, "/etc/hosts.deny"), (allow, "/etc/hosts.allow")))
            command = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", *command]
        process = subprocess.Popen(["ip", "netns", "exec", self.server, *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=die_with_parent)
        self._processes.append(process)
        until = time.monotonic() + READY_S
        while port not in listening(self.server):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{command} does not listen on {port} (exit code {process.poll()})")
            time.sleep(0.02)
        return process

    def connect(self, client, port, six=False):
        """A client's connection to the server host. ConnectionRefusedError where nobody listens."""
        with inside(self.clients):
            talk = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
        talk.settimeout(READY_S)
        talk.bind((client_address(client, six), 0))
        try:
            talk.connect((SERVER6 if six else SERVER, port))
        except OSError:
            talk.close()
            raise
        return talk
