"""Frames of made-up floods and scans: Ethernet, IPv4 and TCP with right checksums, written as a classic capture."""
import struct

MAGIC_MICROSECONDS = 0xA1B2C3D4
SYN, RST, ACK, PSH, FIN = 0x02, 0x04, 0x10, 0x08, 0x01
ETHERNET = bytes.fromhex("020000000002" "020000000001" "0800")
SYN_OPTIONS = bytes.fromhex("020405b4" "01010402")  # MSS 1460, SACK permitted


def address(a, b, c, d):
    return a << 24 | b << 16 | c << 8 | d


def _checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(source, destination, flags, seq, ack=0, ttl=64, payload=b""):
    """`source` and `destination` are (address, port)."""
    options = SYN_OPTIONS if flags & SYN else b""
    length = 20 + len(options) + len(payload)
    ends = struct.pack("!II", source[0], destination[0])
    tcp = struct.pack("!HHIIBBHHH", source[1], destination[1], seq, ack, (5 + len(options) // 4) << 4, flags,
                      0 if flags & RST else 64240, 0, 0) + options + payload
    even = tcp + b"\0" * (len(tcp) % 2)
    tcp = tcp[:16] + struct.pack("!H", _checksum(ends + struct.pack("!HH", 6, length) + even)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, ttl, 6, 0) + ends
    return ETHERNET + ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + tcp


def write_capture(path, packets):
    """`packets` are (seconds, frame), in any order."""
    with open(path, "wb") as out:
        out.write(struct.pack("=IHHiIII", MAGIC_MICROSECONDS, 2, 4, 0, 0, 65535, 1))
        for at, octets in sorted(packets, key=lambda packet: packet[0]):
            seconds = int(at)
            out.write(struct.pack("=IIII", seconds, int((at - seconds) * 1e6), len(octets), len(octets)) + octets)
