"""Writes PNG files with strips that are compressed in parallel (PNG Specification, third edition; RFC 1950 and 1951).

Pillow keeps the whole picture in memory and compresses it in one thread, which takes longer than rendering it.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

STRATEGY = zlib.Z_RLE
"""Deflate looks only for runs, because satellite images have few other repetitions. Pictures of real Sentinel-2 scenes
are one percent smaller than at level 1, and compressed in half the time. With this strategy, the bytes do not depend on
earlier contents of the compressor's memory."""
_RAW = -15
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 3, 4: 6}
"""By the number of channels: palette, and red, green, blue, alpha."""
_ADLER_MODULUS = 65521


class Strip:
    """Some rows of a picture as a piece of a deflate stream; can be created in any thread.

    Attributes:
        compressed: the piece, which ends at a byte.
        size: bytes of the rows before compression.
        checksum: their Adler-32.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Compress rows: uint8 (height, width, channels)."""
        height, width, channels = pixels.shape
        filtered = np.zeros((height, 1 + width * channels), np.uint8)  # filter 0 at the start of each row: none
        filtered[:, 1:] = pixels.reshape(height, width * channels)
        compressor = zlib_ng.compressobj(1, zlib.DEFLATED, _RAW, zlib.DEF_MEM_LEVEL, STRATEGY)
        self.compressed: bytes = compressor.compress(filtered.data) + compressor.flush(zlib.Z_FULL_FLUSH)
        self.size = filtered.size
        self.checksum = zlib.adler32(filtered.data)


def png(
    width: int, height: int, palette: bytes | None, strips: Iterable[Strip], opacity: bytes = b"\0"
) -> Iterator[bytes]:
    """The bytes of a PNG of 8 bits, piece by piece.

    Args:
        width: pixels.
        height: pixels.
        palette: 256 times red, green, blue; None for four channels.
        strips: all rows from the top.
        opacity: of the first colours of the palette, 0 to 255; others are opaque.
    """
    colour_type = _COLOUR_TYPES[4 if palette is None else 1]
    yield _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))
    if palette is not None:
        yield _chunk(b"PLTE", palette) + _chunk(b"tRNS", opacity)
    yield _chunk(b"IDAT", b"\x78\x01")
    checksum = 1
    for strip in strips:
        checksum = _joined(checksum, strip)
        yield _chunk(b"IDAT", strip.compressed)
    yield _chunk(b"IDAT", b"\x03\0" + struct.pack(">I", checksum))  # an empty last block
    yield _chunk(b"IEND", b"")


def _joined(checksum: int, strip: Strip) -> int:
    """The Adler-32 of some bytes followed by a strip, as in adler32_combine of zlib."""
    low, high = checksum & 0xFFFF, checksum >> 16
    more_low, more_high = strip.checksum & 0xFFFF, strip.checksum >> 16
    joined_high = (high + more_high + strip.size * (low - 1)) % _ADLER_MODULUS
    return joined_high << 16 | (low + more_low - 1) % _ADLER_MODULUS


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
