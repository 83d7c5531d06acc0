"""Parts: the blocks of a tile for the COG.

A part is a file with the GeoTIFFs of all levels of the tile, so that any GIS opens its first level, and finalize copies
blocks by their offset.
"""

import hashlib
from dataclasses import dataclass

from rasterio.io import MemoryFile

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.geotiff import geotiff
from mosaic_worker.output.overviews import Floats


@dataclass(frozen=True)
class LevelIndex:
    """A level of a tile in its part.

    Attributes:
        width, height: pixels.
        start, stop: the bytes of its GeoTIFF.
        places: (offset, size) of the blocks in its GeoTIFF, row by row.
        digest: the SHA-256 of its bytes, as hexadecimal digits.
    """

    width: int
    height: int
    start: int
    stop: int
    places: tuple[tuple[int, int], ...]
    digest: str


@dataclass(frozen=True)
class Part:
    """The bytes of a part, the SHA-256 of the digests of its levels, and its levels, full size first."""

    content: bytes
    digest: str
    levels: tuple[LevelIndex, ...]


def encode_part(values: Floats, encoding: Encoding, grid: Grid, levels: int) -> Part:
    """Encode the values of a tile, float32 (bands, height, width); the same values result in the same bytes."""
    files, indexes, start = [], [], 0
    for level in range(levels):
        if level:
            values = encoding.halved(values)
        file = geotiff(values, encoding, grid.reduced(1 << level))
        digest = hashlib.sha256(file.content).hexdigest()
        stop = start + len(file.content)
        indexes.append(LevelIndex(file.width, file.height, start, stop, file.places, digest))
        files.append(file.content)
        start = stop
    digest = hashlib.sha256("".join(index.digest for index in indexes).encode()).hexdigest()
    return Part(b"".join(files), digest, tuple(indexes))


def decode_level(content: bytes, encoding: Encoding) -> Floats:
    """The values of a level of a part, from its bytes; NaN for no data."""
    with MemoryFile(content) as memory, memory.open() as dataset:
        return encoding.values(dataset.read())
