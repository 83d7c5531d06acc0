"""Reads and writes TIFF directories (TIFF 6.0; BigTIFF)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 11: "f", 12: "d", 16: "Q"}
LONG, DOUBLE, LONG8 = 4, 12, 16


@dataclass(frozen=True)
class Tag:
    """An entry of a directory: code, type, number of values, and their little-endian bytes."""

    code: int
    type: int
    count: int
    content: bytes


def tag(code: int, kind: int, values: Sequence[float]) -> Tag:
    """A tag of numbers."""
    return Tag(code, kind, len(values), struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values))


def read_tags(content: bytes) -> list[Tag]:
    """The tags of the first directory of a little-endian classic TIFF."""
    if content[:4] != b"II*\0":
        raise ValueError("not a little-endian classic TIFF")
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    tags = []
    for number in range(entries):
        code, kind, count = struct.unpack_from("<HHI", content, start + 2 + 12 * number)
        size = struct.calcsize("<" + _FORMATS[kind]) * count
        place = start + 2 + 12 * number + 8
        if size > 4:
            (place,) = struct.unpack_from("<I", content, place)
        tags.append(Tag(code, kind, count, content[place : place + size]))
    return tags


def directory_size(tags: Sequence[Tag], big: bool) -> int:
    """Bytes of a directory with its values outside of entries."""
    entry, inline, head, tail = (20, 8, 8, 8) if big else (12, 4, 2, 4)
    outside = sum(_even(len(tag.content)) for tag in tags if len(tag.content) > inline)
    return _even(head + entry * len(tags) + tail) + outside


def write_directory(tags: Sequence[Tag], start: int, following: int, big: bool) -> bytes:
    """The bytes of a directory, with entries in the order of their codes.

    Args:
        tags: its entries.
        start: its offset in the file.
        following: the offset of the next directory; 0 after the last.
        big: whether the file is a BigTIFF.
    """
    inline, size = (8, 8) if big else (4, 4)
    ordered = sorted(tags, key=lambda entry: entry.code)
    head = struct.pack("<Q" if big else "<H", len(ordered))
    body, outside = bytearray(), bytearray()
    after = start + _even(len(head) + (20 if big else 12) * len(ordered) + size)
    for entry in ordered:
        body += struct.pack("<HHQ" if big else "<HHI", entry.code, entry.type, entry.count)
        if len(entry.content) <= inline:
            body += entry.content.ljust(inline, b"\0")
        else:
            body += struct.pack("<Q" if big else "<I", after + len(outside))
            outside += entry.content.ljust(_even(len(entry.content)), b"\0")
    written = head + bytes(body) + struct.pack("<Q" if big else "<I", following)
    return written.ljust(after - start, b"\0") + bytes(outside)


def _even(size: int) -> int:
    return size + size % 2
