"""Frames of capture files, by the letter of their formats, for tests of what doorslam writes."""
import struct
from typing import NamedTuple


class Frame(NamedTuple):
    time_ns: int
    octets: bytes
    wire_length: int
    link_type: int
    comments: tuple = ()


def read_pcap(path):
    """draft-ietf-opsawg-pcap."""
    data = path.read_bytes()
    order, unit = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\x4d\x3c\xb2\xa1": ("<", 1),
                   b"\xa1\xb2\xc3\xd4": (">", 1000), b"\xa1\xb2\x3c\x4d": (">", 1)}[data[:4]]
    link_type = struct.unpack(order + "I", data[20:24])[0]
    frames = []
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, captured, wire = struct.unpack(order + "IIII", data[at:at + 16])
        frames.append(Frame(seconds * 10**9 + fraction * unit, data[at + 16:at + 16 + captured], wire, link_type))
        at += 16 + captured
    return frames


def options_of(data):
    """Of a block: (code, value)."""
    at = 0
    while at < len(data):
        code, length = struct.unpack("<HH", data[at:at + 4])
        if code == 0:
            return
        yield code, data[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4


def read_pcapng(path):
    """draft-ietf-opsawg-pcapng: the section's comments, and the frames. Times must be in nanoseconds."""
    data = path.read_bytes()
    about, link_types, frames = [], [], []
    at = 0
    while at < len(data):
        kind, length = struct.unpack("<II", data[at:at + 8])
        assert length % 4 == 0 and struct.unpack("<I", data[at + length - 4:at + length])[0] == length, path
        body = data[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            assert at == 0 and body[:8] == struct.pack("<IHH", 0x1A2B3C4D, 1, 0), path
            about = [value.decode() for code, value in options_of(body[16:]) if code == 1]
        elif kind == 1:
            assert dict(options_of(body[8:]))[9] == b"\x09", "nanoseconds"
            link_types.append(struct.unpack("<H", body[:2])[0])
        elif kind == 6:
            interface, high, low, captured, wire = struct.unpack("<IIIII", body[:20])
            end = 20 + (captured + 3) // 4 * 4
            comments = tuple(value.decode() for code, value in options_of(body[end:]) if code == 1)
            frames.append(Frame((high << 32) + low, body[20:20 + captured], wire, link_types[interface], comments))
        else:
            raise AssertionError(f"{path}: block {kind}")
        at += length
    return about, frames
