#!/usr/bin/env python3
"""A long line between two network namespaces: what goes in at one end comes out at the other a little later.

  delay_line.py NAMESPACE_OF_CLIENTS NAMESPACE_OF_ROUTER

Makes a TUN interface `line` in each of the namespaces and carries packets between them until it is ended. How long a
packet travels depends on the client's address (see delay_s), so that one capture shows near and far clients. The
kernel's own means for this (netem) is a module that many hosts lack. Prints `ready` when both ends are there.
"""
import fcntl
import heapq
import itertools
import os
import pathlib
import select
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from namespaces import enter  # noqa: E402  (a folder of scripts, no package)

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 65536


def open_end(namespace):
    """A new TUN interface `line` in the namespace, as a file descriptor."""
    enter(namespace)
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
    return end


def last_octets(packet, from_client):
    """The last two octets of the client's address in an IPv4 or IPv6 packet."""
    if packet[0] >> 4 == 4:
        return packet[14:16] if from_client else packet[18:20]
    return packet[22:24] if from_client else packet[38:40]


def delay_s(packet, from_client):
    """One way, in seconds. Last number of the address below 20 (decimal in IPv4, as written in IPv6): 0.3 ms,
    then 3, 12 and 35 ms for the twenties, thirties and forties."""
    octets = last_octets(packet, from_client)
    tens = octets[1] // 10 if packet[0] >> 4 == 4 else octets[1] // 16
    return {2: 0.003, 3: 0.012, 4: 0.035}.get(tens, 0.0003)


def carry(ends):
    """Reads from both ends and writes to the other one, forever."""
    waiting, order = [], itertools.count()
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], timeout)[0]:
            packet = os.read(end, LARGEST_PACKET)
            due = time.monotonic() + delay_s(packet, from_client=end == ends[0])
            heapq.heappush(waiting, (due, next(order), ends[1] if end == ends[0] else ends[0], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(waiting)
            try:
                os.write(end, packet)
            except OSError:
                pass  # the interface is not up yet, or is going away: a line loses packets then


def main():
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    ends = [open_end(namespace) for namespace in sys.argv[1:]]
    print("ready", flush=True)
    carry(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main())
