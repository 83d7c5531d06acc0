"""Creates GeoTIFFs from compressed blocks, with the tags of a small file that GDAL writes."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rasterio.io import MemoryFile

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import crs_of
from mosaic_worker.output.compression import compressed_blocks
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import Floats
from mosaic_worker.output.tiff import DOUBLE, LONG, Tag, directory_size, read_tags, tag, write_directory

SUBFILE_TYPE, WIDTH, HEIGHT, TILE_OFFSETS, TILE_SIZES = 254, 256, 257, 324, 325
PIXEL_SCALE, TIEPOINT = 33550, 33922
_HEADER = struct.pack("<4sI", b"II*\0", 8)


@dataclass(frozen=True)
class Description:
    """The metadata of a GeoTIFF.

    Attributes:
        bands: the names of the bands, if any.
        tags: the tags of the file.
        band_tags: the tags of each band, such as STATISTICS_MINIMUM.
        colours: red, green, blue of numbers, for a single band of uint8.
    """

    bands: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: tuple[Mapping[str, str], ...] = ()
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodedLevel:
    """A GeoTIFF: what precedes its blocks, the blocks row by row, and the offset and size of each."""

    width: int
    height: int
    head: bytes
    blocks: Sequence[bytes]
    places: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return len(self.head) + sum(size for _, size in self.places)


def geotiff(values: Floats, encoding: Encoding, grid: Grid) -> EncodedLevel:
    """Encode values, float32 (bands, height, width), on a grid."""
    _, height, width = values.shape
    blocks = list(compressed_blocks(encoding.stored(values), encoding.block, encoding.nodata))
    tags = [
        *_common_tags(grid.crs, encoding),
        tag(PIXEL_SCALE, DOUBLE, [grid.xres, grid.yres, 0]),
        tag(TIEPOINT, DOUBLE, [0, 0, 0, grid.left, grid.top, 0]),
        tag(WIDTH, LONG, [width]),
        tag(HEIGHT, LONG, [height]),
        tag(TILE_SIZES, LONG, [len(block) for block in blocks]),
    ]
    offsets = tag(TILE_OFFSETS, LONG, [0] * len(blocks))
    place = len(_HEADER) + directory_size([*tags, offsets], big=False)
    places = []
    for block in blocks:
        places.append((place, len(block)))
        place += len(block)
    offsets = tag(TILE_OFFSETS, LONG, [offset for offset, _ in places])
    directory = write_directory([*tags, offsets], len(_HEADER), 0, big=False)
    return EncodedLevel(width, height, _HEADER + directory, blocks, tuple(places))


def gdal_tags(grid: Grid, encoding: Encoding, description: Description) -> list[Tag]:
    """The tags that GDAL writes for such a file, without those of its size and blocks."""
    with MemoryFile() as memory:
        place = {"crs": crs_of(grid.crs), "transform": grid.transform}
        with memory.open(width=encoding.block, height=encoding.block, **place, **encoding.profile) as dataset:
            if description.bands:
                dataset.descriptions = description.bands
            dataset.scales = encoding.scales
            if any(encoding.offsets):
                dataset.offsets = encoding.offsets
            if description.colours:
                dataset.write_colormap(1, description.colours)
            dataset.update_tags(**description.tags)
            for number, tags in enumerate(description.band_tags, 1):
                dataset.update_tags(number, **tags)
        found = read_tags(bytes(memory.getbuffer()))
    own = {WIDTH, HEIGHT, TILE_OFFSETS, TILE_SIZES, SUBFILE_TYPE}
    return [entry for entry in found if entry.code not in own]


@lru_cache(maxsize=16)
def _common_tags(crs: str, encoding: Encoding) -> tuple[Tag, ...]:
    """The tags that all parts of a mosaic share."""
    side = encoding.block
    found = gdal_tags(Grid(crs, 0, side, 1, 1, side, side), encoding, Description())
    return tuple(entry for entry in found if entry.code not in {PIXEL_SCALE, TIEPOINT})
