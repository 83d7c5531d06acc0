"""Parts: a tile's share of the mosaic's COG, as the blocks that it will hold.

A part is the GeoTIFFs of the tile's levels, one after the other in one file, so that any GIS opens its first level and
finalize copies blocks by their offset.
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
    """Where one level of a tile is in its part.

    Attributes:
        width, height: pixels.
        start, stop: bytes of the level's GeoTIFF.
        places: (offset, size) of its blocks in the level's GeoTIFF, row by row.
        digest: SHA-256 of the level's bytes, in hexadecimal digits.
    """

    width: int
    height: int
    start: int
    stop: int
    places: tuple[tuple[int, int], ...]
    digest: str


@dataclass(frozen=True)
class Part:
    """A part's bytes, the SHA-256 of its levels' digests, and where its levels are, full size first."""

    content: bytes
    digest: str
    levels: tuple[LevelIndex, ...]


def encode_part(values: Floats, encoding: Encoding, grid: Grid, levels: int) -> Part:
    """The part of a tile's values, float32 (bands, height, width), on its grid; the same values give the same bytes."""
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
    """The values of one level of a part, from its bytes; NaN where there is no data."""
    with MemoryFile(content) as memory, memory.open() as dataset:
        return encoding.values(dataset.read())
