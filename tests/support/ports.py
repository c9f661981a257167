"""Ports of the loopback address for receivers that may go away and come back."""
import pathlib
import random
import socket

RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, HIGHEST = 10_000, 65_535

_reserved = []  # for as long as this process lives


def _candidates():
    """Ports that no outgoing connection is ever given: a client that knocks at a closed port of that range may get the very
    port as its own and be connected to itself, and the receiver then finds it taken."""
    first, last = map(int, RANGE.read_text(encoding="ascii").split())
    ports = [port for port in range(LOWEST, HIGHEST + 1) if not first <= port <= last]
    return ports or list(range(LOWEST, HIGHEST + 1))


def _reserve(port):
    """Whether the port is free, and of no other test that runs at the same time: a name tells them, which goes with the
    process, however it ends."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0doorslam-test-port-{port}")
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", port))
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def free_port():
    """A port of 127.0.0.1 that is this process's for its life, whether it listens there or not."""
    ports = _candidates()
    random.shuffle(ports)
    for port in ports:
        if _reserve(port):
            return port
    raise AssertionError("no port is free")
