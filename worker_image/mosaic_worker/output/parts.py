"""Parts: the blocks of a tile for the COG.

A part is a file with the GeoTIFFs of all levels of the tile, so that any GIS opens its first level, and finalize copies
blocks by their offset. After them is the next smaller level as plain numbers, from which finalize computes the other
overviews without decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rasterio.io import MemoryFile
from xxhash import xxh3_128

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.geotiff import geotiff
from mosaic_worker.output.overviews import Floats


@dataclass(frozen=True)
class LevelIndex:
    """A level of a tile in its part.

    Attributes:
        width, height: pixels.
        start, stop: the bytes of its GeoTIFF, or of its plain numbers.
        places: (offset, size) of the blocks in its GeoTIFF, row by row; empty for plain numbers.
        digest: of its bytes (`digest_of`).
    """

    width: int
    height: int
    start: int
    stop: int
    places: tuple[tuple[int, int], ...]
    digest: str

    def blocks(self, row: int, side: int) -> Sequence[tuple[int, int]]:
        """The places of a row of blocks, whose side is given in pixels."""
        across = -(-self.width // side)
        return self.places[row * across : (row + 1) * across]

    def row(self, row: int, side: int) -> tuple[int, int]:
        """The bytes [start, stop) of a row of blocks in the part; all rows together are the whole level."""
        (first, _), (last, size) = self.blocks(row, side)[0], self.blocks(row, side)[-1]
        return self.start + (first if row else 0), self.start + last + size


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        pieces: its bytes, piece by piece.
        digest: of the digests of its levels (`digest_of`).
        levels: its levels, full size first.
        above: the level above the last one, as plain numbers.
    """

    pieces: Sequence[bytes]
    digest: str
    levels: tuple[LevelIndex, ...]
    above: LevelIndex


def encode_part(values: Floats, encoding: Encoding, grid: Grid, levels: int) -> Part:
    """Encode the values of a tile, float32 (bands, height, width); the same values result in the same bytes.

    Args:
        values: the values.
        encoding: how they are stored.
        grid: the grid of the tile.
        levels: the number of levels with blocks.
    """
    pieces: list[bytes] = []
    indexes: list[LevelIndex] = []

    def add(width: int, height: int, added: Sequence[bytes], places: tuple[tuple[int, int], ...]) -> None:
        start = indexes[-1].stop if indexes else 0
        indexes.append(LevelIndex(width, height, start, start + sum(map(len, added)), places, digest_of(*added)))
        pieces.extend(added)

    for level in range(levels):
        if level:
            values = encoding.halved(values)
        file = geotiff(values, encoding, grid.reduced(1 << level))
        add(file.width, file.height, [file.head, *file.blocks], file.places)
    above = encoding.halved(encoding.values(encoding.stored(values)))  # what a reader of the last level sees
    add(above.shape[2], above.shape[1], [above.astype("<f4", copy=False).tobytes()], ())
    digest = digest_of(*(index.digest.encode() for index in indexes))
    return Part(pieces, digest, tuple(indexes[:-1]), indexes[-1])


def digest_of(*pieces: bytes) -> str:
    """The digest of bytes, as hexadecimal digits: XXH3 of 128 bits.

    It finds lost and damaged bytes, and is ten times as fast as SHA-256. An attacker who can forge a part can also
    replace its record.
    """
    digest = xxh3_128()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def decode_level(content: bytes, encoding: Encoding, bands: Sequence[int]) -> Floats:
    """The values of some bands, by their positions, of a level of a part, from its bytes; NaN for no data."""
    with MemoryFile(content) as memory, memory.open() as dataset:
        return encoding.of(bands).values(dataset.read([number + 1 for number in bands]))


def decode_above(content: bytes, index: LevelIndex) -> Floats:
    """The values of the level above the last one of a part, from its bytes; NaN for no data."""
    return np.frombuffer(content, "<f4").reshape(-1, index.height, index.width)
