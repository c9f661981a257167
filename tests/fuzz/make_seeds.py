#!/usr/bin/env python3
"""Cuts the fuzz targets' seeds from the bundled captures and the bundled configuration.

  make_seeds.py ROOT FOLDER [STAMP]

Writes FOLDER/decode, FOLDER/pipeline, FOLDER/captures and FOLDER/config, and touches STAMP. The layouts are those that
the targets read: decode: 1 octet that chooses the link type, then a frame; pipeline: the same octet, then for each frame
its length and the time since the frame before in units of 10 ms (u16, little-endian) and its octets; captures: 1 octet
that chooses sizes, then a capture file; config: text.
"""
import pathlib
import shutil
import struct
import sys

ETHERNET = 1
RAW = 101
FRAMES_A_CAPTURE = 40
# LINKTYPE_ values in the order in which the targets number them.
LINK_TYPES = [1, 0, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 147, 219, 228, 229, 276]
ETHERNET_HEADER = 14
IPV4_HEADER = 20


def packets_of(capture):
    """(time in seconds, frame) of a classic pcap file of Ethernet frames."""
    data = capture.read_bytes()
    for order in "<>":
        magic, = struct.unpack_from(order + "I", data)
        if magic in (0xA1B2C3D4, 0xA1B23C4D):
            break
    else:
        return
    fraction = 1e-9 if magic == 0xA1B23C4D else 1e-6
    if struct.unpack_from(order + "I", data, 20)[0] != ETHERNET:
        return
    at = 24
    while at + 16 <= len(data):
        seconds, part, captured, _ = struct.unpack_from(order + "IIII", data, at)
        yield seconds + part * fraction, data[at + 16:at + 16 + captured]
        at += 16 + captured


def checksum(octets):
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(protocol, payload, fragment=0x4000):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, IPV4_HEADER + len(payload), 1, fragment, 64, protocol, 0,
                       b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


IPV6_ADDRESSES = b"\xfd" + bytes(14) + b"\1" + b"\xfd" + bytes(14) + b"\2"


def ipv6(next_header, payload):
    return struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + IPV6_ADDRESSES + payload


def icmp(kind, quoted, pseudo_header=b""):
    message = kind + bytes(6) + quoted
    return message[:2] + struct.pack(">H", checksum(pseudo_header + message)) + message[4:]


def icmpv6(kind, quoted):
    return icmp(kind, quoted, IPV6_ADDRESSES + struct.pack(">II", 8 + len(quoted), 58))


def udp(port, payload):
    return ipv4(17, struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload)


def wrapped(frame):
    """(name, link type, frame): the Ethernet frame of IPv4 in every wrapping that the decoder takes off."""
    macs, packet = frame[:12], frame[ETHERNET_HEADER:]

    def ethernet(ether_type, payload):
        return macs + struct.pack(">H", ether_type) + payload

    yield "ethernet", 1, frame
    yield "vlan", 1, ethernet(0x8100, struct.pack(">HH", 7, 0x0800) + packet)
    yield "qinq", 1, ethernet(0x88A8, struct.pack(">HHHH", 7, 0x8100, 8, 0x0800) + packet)
    yield "mpls", 1, ethernet(0x8847, struct.pack(">II", 16 << 12 | 64, 17 << 12 | 0x100 | 64) + packet)
    yield "pppoe", 1, ethernet(0x8864, struct.pack(">BBHHH", 0x11, 0, 1, len(packet) + 2, 0x21) + packet)
    yield "pbb", 1, ethernet(0x88E7, struct.pack(">I", 99) + frame)
    yield "llc_snap", 1, ethernet(len(packet) + 8, b"\xaa\xaa\x03\0\0\0\x08\0" + packet)
    yield "fabricpath", 1, ethernet(0x8903, struct.pack(">H", 0x0040) + frame)
    yield "vntag", 1, ethernet(0x8926, struct.pack(">IH", 0x00010002, 0x0800) + packet)
    yield "ipip", 1, ethernet(0x0800, ipv4(4, packet))
    yield "6in4", 1, ethernet(0x0800, ipv4(41, ipv6(4, packet)))
    yield "gre", 1, ethernet(0x0800, ipv4(47, struct.pack(">HH", 0, 0x0800) + packet))
    yield "erspan2", 1, ethernet(0x0800, ipv4(47, struct.pack(">HHIII", 0x1000, 0x88BE, 1, 0x10000001, 0) + frame))
    yield "erspan3", 1, ethernet(0x0800, ipv4(47, struct.pack(">HHIIII", 0x1000, 0x22EB, 1, 0x20000001, 0, 0) + frame))
    yield "vxlan", 1, ethernet(0x0800, udp(4789, struct.pack(">II", 0x08000000, 42 << 8) + frame))
    yield "geneve", 1, ethernet(0x0800, udp(6081, struct.pack(">HHI", 0, 0x6558, 42 << 8) + frame))
    yield "gtpu", 1, ethernet(0x0800, udp(2152, struct.pack(">BBHI", 0x30, 0xFF, len(packet), 5) + packet))
    yield "teredo", 1, ethernet(0x0800, udp(3544, ipv6(4, packet)))
    yield "ayiya", 1, ethernet(0x0800, udp(5072, struct.pack(">BBBBI", 0x42, 0x52, 0x11, 4, 1) + bytes(36) + packet))
    yield "ah", 1, ethernet(0x0800, ipv4(51, struct.pack(">BBHIII", 4, 2, 0, 1, 1, 0) + packet))
    yield "fragment", 1, ethernet(0x0800, ipv4(6, packet[IPV4_HEADER:IPV4_HEADER + 32], 0x2000))
    yield "icmp", 1, ethernet(0x0800, ipv4(1, icmp(b"\x03\x0d", packet[:28])))
    tcp = packet[IPV4_HEADER:]
    yield "ipv6", 1, ethernet(0x86DD, ipv6(6, tcp))
    yield "ipv6_extensions", 1, ethernet(0x86DD, ipv6(0, b"\x3c\0\x01\x04\0\0\0\0" + b"\x06\0\x01\x04\0\0\0\0" + tcp))
    yield "ipv6_fragment", 1, ethernet(0x86DD, ipv6(44, b"\x06\0\0\x01\0\0\0\x07" + tcp[:32]))
    yield "icmpv6", 1, ethernet(0x86DD, ipv6(58, icmpv6(b"\x01\x01", ipv6(6, tcp))))
    yield "cooked", 113, struct.pack(">HHH", 0, 1, 6) + macs[:8] + struct.pack(">H", 0x0800) + packet
    yield "cooked2", 276, struct.pack(">HHIHBB", 0x0800, 0, 2, 1, 0, 6) + macs[:8] + packet
    yield "raw", 101, packet
    yield "loopback", 0, struct.pack("<I", 2) + packet
    yield "ipv4", 228, packet


def classic_files(packets):
    """(name, file): a pcap file of either byte order and unit."""
    for order in "<>":
        for magic, units in ((0xA1B2C3D4, 10**6), (0xA1B23C4D, 10**9)):
            file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, ETHERNET)
            for at, frame in packets:
                file += struct.pack(order + "IIII", int(at), int(at % 1 * units), len(frame), len(frame) + 4) + frame
            yield f"pcap_{'little' if order == '<' else 'big'}_{units}", file


def pcapng_files(packets):
    """(name, file): a pcapng file of either byte order with interfaces of several units and blocks of all kinds."""
    for order in "<>":
        def block(kind, body, order=order):
            body += bytes(-len(body) % 4)
            length = struct.pack(order + "I", len(body) + 12)
            return struct.pack(order + "I", kind) + length + body + length

        def interface(unit, link_type=ETHERNET, snap_length=65535, order=order):
            resolution = struct.pack(order + "HHBxxx", 9, 1, unit)
            return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + resolution + bytes(4))

        file = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)) + interface(6) + interface(9)
        for number, (at, frame) in enumerate(packets):
            ticks = int(at * (10**9 if number % 2 else 10**6))
            head = struct.pack(order + "IIIII", number % 2, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame) + 4)
            file += block(6, head + frame)
            if number % 5 == 0:  # a name, a statistics and a simple packet block, and an interface in milliseconds
                file += block(4, bytes(4)) + block(5, bytes(12)) + block(3, struct.pack(order + "I", len(frame)) + frame)
                file += interface(3)
        yield f"pcapng_{'little' if order == '<' else 'big'}", file
        # Besides, an interface of another link type and snap length, as of a capture on a tunnel and on its carrier.
        at, frame = packets[0]
        raw = frame[ETHERNET_HEADER:][:128]
        head = struct.pack(order + "IIIII", 2 + -(-len(packets) // 5), 0, int(at), len(raw), len(frame))
        file += interface(0, RAW, 128) + block(6, head + raw)
        yield f"pcapng_mixed_{'little' if order == '<' else 'big'}", file


def write(folder, name, octets):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(octets)


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    root, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    shutil.rmtree(target, ignore_errors=True)
    for number, capture in enumerate(sorted((root / "tests" / "captures").glob("*.pcap"))):
        packets = list(packets_of(capture))[:FRAMES_A_CAPTURE]
        stream, before = b"\0", packets[0][0] if packets else 0
        for at, frame in packets:
            gap = max(0, min(round((at - before) * 100), 0xFFFF))
            stream += struct.pack("<HH", len(frame), gap) + frame
            before = at
        write(target / "pipeline", capture.stem, stream)
        if number == 0:
            for place, (name, file) in enumerate([*classic_files(packets[:12]), *pcapng_files(packets[:12])]):
                write(target / "captures", name, bytes([place]) + file)
                write(target / "captures", name + "_cut", bytes([15 - place]) + file[:-7])
        longest = max((frame for _, frame in packets if frame[12:14] == b"\x08\x00"), key=len, default=None)
        if number == 0 and longest:
            for name, link_type, frame in wrapped(longest[:512]):
                write(target / "decode", name, bytes([LINK_TYPES.index(link_type)]) + frame)
        for index in (0, 1, 3):
            if index < len(packets):
                write(target / "decode", f"{capture.stem}_{index}", b"\0" + packets[index][1])
    for text in sorted((root / "config").rglob("*.yaml")):
        write(target / "config", text.name, text.read_bytes()[:8192])
    write(target / "config", "empty", b"")
    if len(sys.argv) == 4:
        pathlib.Path(sys.argv[3]).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
