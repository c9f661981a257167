"""A capture whose reading gives many alerts: one refused connection to each of many servers."""
import struct

CLIENT = bytes([192, 0, 2, 7])
SYN, ACK, FIN = 2, 16, 1


def _checksum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(source, destination, ports, seq, ack, flags, payload=b""):
    """An Ethernet frame with a TCP segment, checksums right."""
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 64000, 0, 0) + payload
    pseudo = source + destination + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", _checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), seq & 0xFFFF, 0x4000, 64, 6, 0) + source + destination
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp


def write_capture(path, connections, connections_a_second=1000, servers=None):
    """Connections that servers accept and close at once: of each server one, unless there are fewer servers.

    Each server gives two alerts at least: opened and closed.
    """
    with open(path, "wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for number in range(connections):
            turn, place = divmod(number, servers or connections)
            server = bytes([10, place >> 16 & 255, place >> 8 & 255, place & 255])
            up, down = (30000 + turn, 7000), (7000, 30000 + turn)
            start = 1_760_000_000_000_000_000 + number * 1_000_000_000 // connections_a_second
            packets = (
                (0, frame(CLIENT, server, up, 100, 0, SYN)),
                (20_000, frame(server, CLIENT, down, 500, 101, SYN | ACK)),
                (40_000, frame(CLIENT, server, up, 101, 501, ACK)),
                (60_000, frame(server, CLIENT, down, 501, 101, FIN | ACK)),
                (80_000, frame(CLIENT, server, up, 101, 502, FIN | ACK)),
                (99_000, frame(server, CLIENT, down, 502, 102, ACK)),
            )
            for offset, octets in packets:
                seconds, nanoseconds = divmod(start + offset, 1_000_000_000)
                capture.write(struct.pack("<IIII", seconds, nanoseconds, len(octets), len(octets)) + octets)
