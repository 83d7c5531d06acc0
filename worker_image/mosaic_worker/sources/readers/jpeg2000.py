"""The main header of a JPEG 2000 file (ITU-T T.800, annexes A and I), with the places of its tiles."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from mosaic_worker.geometry.sampling import Window

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SOC, _SIZ, _COD, _COC, _TLM, _SOT = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF55, 0xFF90
_LARGEST_HEADER = 2**20


@dataclass(frozen=True)
class Codestream:
    """The tiles of an image in its file.

    Attributes:
        width, height: size of a tile, pixels.
        columns: columns of tiles.
        parts: tile and bytes [start, stop) of each tile part; empty if the file has no TLM markers, or its tiles do not
            start at its corner.
        tiles: number of tiles.
        components: components of each tile.
        code_blocks: code-blocks of a tile in all components; an upper bound.
    """

    width: int
    height: int
    columns: int
    parts: tuple[tuple[int, int, int], ...]
    tiles: int
    components: int
    code_blocks: int

    @property
    def indexed(self) -> bool:
        """Whether the file has an index of its tiles."""
        return bool(self.parts)

    def ranges(self, window: Window) -> list[tuple[int, int]]:
        """The bytes [start, stop) of the tiles of a window."""
        wanted = {
            row * self.columns + column
            for row in range(window.top // self.height, -(-window.bottom // self.height))
            for column in range(window.left // self.width, -(-window.right // self.width))
        }
        return [(start, stop) for tile, start, stop in self.parts if tile in wanted]

    @staticmethod
    def of(read: Callable[[int, int], bytes]) -> "Codestream | None":
        """Read the main header; None if it is not JPEG 2000. `read` returns bytes by position and count."""
        try:
            start = _start(read)
            return None if start is None else _header(read, start)
        except (struct.error, IndexError, ZeroDivisionError):  # truncated or damaged: the decoder reports it
            return None


def is_jpeg2000(read: Callable[[int, int], bytes]) -> bool:
    """Whether a file has the signature of JPEG 2000."""
    return read(0, 4) == struct.pack(">HH", _SOC, _SIZ) or read(0, 12) == _SIGNATURE


def _start(read: Callable[[int, int], bytes]) -> int | None:
    """The start of the codestream: the start of the file, or the box jp2c."""
    if read(0, 4) == struct.pack(">HH", _SOC, _SIZ):
        return 0
    if read(0, 12) != _SIGNATURE:
        return None
    place = 12
    while place < _LARGEST_HEADER:
        length, kind = struct.unpack(">I4s", read(place, 8))
        head = 8
        if length == 1:
            (length,) = struct.unpack(">Q", read(place + 8, 8))
            head = 16
        if kind == b"jp2c":
            return place + head
        if length < head:
            return None
        place += length
    return None


def _header(read: Callable[[int, int], bytes], start: int) -> Codestream | None:
    place = start + 2
    size: tuple[int, ...] | None = None
    smallest = 2**12  # samples of a code-block
    lengths: list[tuple[int, bytes]] = []
    while place < start + _LARGEST_HEADER:
        marker, length = struct.unpack(">HH", read(place, 4))
        if marker == _SOT and size is not None:
            right, bottom, left, top, width, height, tile_left, tile_top, components = size
            columns, rows = -(-(right - tile_left) // width), -(-(bottom - tile_top) // height)
            shifted = (left, top, tile_left, tile_top) != (0, 0, 0, 0)
            samples = min(width, right) * min(height, bottom) * components
            parts = () if shifted else _parts(sorted(lengths), place)
            return Codestream(width, height, columns, parts, columns * rows, components, samples // smallest)
        content = read(place + 4, length - 2)
        if marker == _SIZ:
            size = struct.unpack(">8IH", content[2:36])
        elif marker == _COD:
            smallest = min(smallest, _code_block(content[0], content[5:]))
        elif marker == _COC and size is not None:
            named = 1 if size[-1] < 257 else 2  # bytes that name the component
            smallest = min(smallest, _code_block(content[named], content[named + 1 :]))
        elif marker == _TLM:
            lengths.append((content[0], content))
        place += 2 + length
    return None


def _code_block(style: int, content: bytes) -> int:
    """The fewest samples of a code-block, from Scod and SPcod; small precincts limit the nominal size (B.7)."""
    across, down = content[1] + 2, content[2] + 2
    if style & 1:
        precincts = content[5 : 6 + content[0]]
        across = min(across, *(max(0, (each & 15) - 1) for each in precincts))
        down = min(down, *(max(0, (each >> 4) - 1) for each in precincts))
    return int(2 ** (across + down))


def _parts(markers: list[tuple[int, bytes]], first: int) -> tuple[tuple[int, int, int], ...]:
    """The tile parts, which are contiguous, in the order of the TLM markers."""
    found: list[tuple[int, int, int]] = []
    for _, content in markers:
        tile_bytes, length_bytes = content[1] >> 4 & 3, 4 if content[1] & 0x40 else 2
        for at in range(2, len(content), tile_bytes + length_bytes):
            named = content[at : at + tile_bytes]
            tile = int.from_bytes(named) if named else len(found)
            length = int.from_bytes(content[at + tile_bytes :][:length_bytes])
            found.append((tile, first, first + length))
            first += length
    return tuple(found)
