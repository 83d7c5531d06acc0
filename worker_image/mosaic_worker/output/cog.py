"""Assembles a Cloud Optimized GeoTIFF from compressed blocks.

The layout is that of GDAL (driver COG, "COG creation options and structure"): header, ghost area, directories from full
size to the smallest overview, then the blocks from the smallest overview to full size, each between its size and a copy
of its last four bytes.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.geotiff import (
    HEIGHT,
    SUBFILE_TYPE,
    TILE_OFFSETS,
    TILE_SIZES,
    WIDTH,
    Description,
    gdal_tags,
    geotiff,
)
from mosaic_worker.output.parts import LevelIndex, decode_above
from mosaic_worker.output.tiff import LONG, LONG8, Tag, directory_size, tag, write_directory

CLASSIC_LIMIT = 4_000_000_000
"""Bytes from which a file is a BigTIFF, slightly below the limit of 32-bit offsets."""

_GHOST_LINES = (
    b"LAYOUT=IFDS_BEFORE_DATA\n"
    b"BLOCK_ORDER=ROW_MAJOR\n"
    b"BLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n"
    b"KNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(_GHOST_LINES) + _GHOST_LINES
GHOST = _GHOST.ljust(len(_GHOST) + len(_GHOST) % 2, b"\0")

_FIRST_GEOTIFF_TAG, _GDAL_NODATA = 33550, 42113
_DESCRIPTIONS = {270, 305}
"""ImageDescription and Software."""
_LEADER, _TRAILER = 4, 4

Chunk = bytes | memoryview
"""A piece of a file."""
ReadLevel = Callable[[int, int], bytes]
"""Returns the bytes of a level of the part of a tile, by tile and level; the last level is that of plain numbers."""


@dataclass(frozen=True)
class _Level:
    """A level of the pyramid: size in pixels, and sizes of compressed blocks, row by row."""

    width: int
    height: int
    sizes: tuple[int, ...]


def write_cog(
    grid: Grid,
    encoding: Encoding,
    description: Description,
    tiles: Sequence[Tile],
    parts: Sequence[Sequence[LevelIndex]],
    read_level: ReadLevel,
    classic_limit: int = CLASSIC_LIMIT,
) -> Iterator[Chunk]:
    """The bytes of a COG, piece by piece.

    Args:
        grid: the grid of the mosaic.
        encoding: how values are stored.
        description: the metadata of the file.
        tiles: all tiles, row by row.
        parts: the levels of each tile in its part; the last is that of plain numbers.
        read_level: called once for each level of a tile.
        classic_limit: the size from which the file is a BigTIFF.
    """
    tiled = [_Mosaicked(grid, encoding.block, tiles, parts, level) for level in range(len(parts[0]) - 1)]
    upper = _upper_levels(tiled[-1], encoding, read_level)
    levels = [level.described() for level in tiled] + [
        _Level(width, height, tuple(len(block) for block in blocks)) for width, height, blocks in upper
    ]
    yield _header(levels, grid, encoding, description, classic_limit)
    for _, _, blocks in reversed(upper):
        for block in blocks:
            yield from _framed(block)
    for level in reversed(tiled):
        yield from level.framed_blocks(read_level)


@dataclass(frozen=True)
class _Mosaicked:
    """A level with blocks from the parts."""

    grid: Grid
    block: int
    tiles: Sequence[Tile]
    parts: Sequence[Sequence[LevelIndex]]
    level: int

    @property
    def columns(self) -> int:
        return self.tiles[-1].column + 1

    def described(self) -> _Level:
        reduction = 1 << self.level
        sizes = tuple(self.parts[tile][self.level].places[place][1] for tile, place in self.order())
        return _Level(-(-self.grid.width // reduction), -(-self.grid.height // reduction), sizes)

    def order(self) -> Iterator[tuple[int, int]]:
        """The tile, and the number in the tile, of each block of the level, row by row."""
        for start in range(0, len(self.tiles), self.columns):
            row = range(start, start + self.columns)
            heights = {-(-self.parts[tile][self.level].height // self.block) for tile in row}
            for block_row in range(heights.pop()):
                for tile in row:
                    across = -(-self.parts[tile][self.level].width // self.block)
                    for block_column in range(across):
                        yield tile, block_row * across + block_column

    def framed_blocks(self, read_level: ReadLevel) -> Iterator[Chunk]:
        """The blocks as in the file; one row of tiles is in memory at a time."""
        held: dict[int, memoryview] = {}
        for tile, place in self.order():
            if tile not in held:
                if self.tiles[tile].column == 0:
                    held.clear()
                held[tile] = memoryview(read_level(tile, self.level))
            offset, size = self.parts[tile][self.level].places[place]
            yield from _framed(held[tile][offset : offset + size])


def _upper_levels(
    below: _Mosaicked, encoding: Encoding, read_level: ReadLevel
) -> list[tuple[int, int, Sequence[bytes]]]:
    """The overviews above the levels with blocks in the parts, until one block: width, height and blocks."""
    described = below.described()
    if max(described.width, described.height) <= below.block:
        return []
    level = below.level + 1
    values = np.empty((len(encoding.scales), -(-described.height // 2), -(-described.width // 2)), np.float32)
    for tile in below.tiles:
        index = below.parts[tile.index][level]
        y, x = tile.y >> level, tile.x >> level
        part = decode_above(read_level(tile.index, level), index)
        values[:, y : y + index.height, x : x + index.width] = part
    levels: list[tuple[int, int, Sequence[bytes]]] = []
    while True:
        encoded = geotiff(values, encoding, below.grid.reduced(1 << level))
        levels.append((encoded.width, encoded.height, encoded.blocks))
        if max(values.shape[1:]) <= below.block:
            return levels
        values = encoding.halved(values)
        level += 1


def _framed(block: Chunk) -> tuple[Chunk, Chunk, Chunk]:
    return struct.pack("<I", len(block)), block, block[-_TRAILER:]


def _header(
    levels: Sequence[_Level], grid: Grid, encoding: Encoding, description: Description, classic_limit: int
) -> bytes:
    """The bytes before the first block."""
    full = gdal_tags(grid, encoding, description)
    overview = [
        entry
        for entry in full
        if entry.code == _GDAL_NODATA or (entry.code < _FIRST_GEOTIFF_TAG and entry.code not in _DESCRIPTIONS)
    ]
    data = sum(size + _LEADER + _TRAILER for level in levels for size in level.sizes)
    big = data > classic_limit
    directories = [
        _directory(level, full if number == 0 else overview, number > 0, big) for number, level in enumerate(levels)
    ]
    classic = struct.pack("<4sI", b"II*\0", 8 + len(GHOST))
    head = struct.pack("<4sHHQ", b"II+\0", 8, 0, 16 + len(GHOST)) if big else classic
    starts = [len(head) + len(GHOST)]
    for tags in directories:
        starts.append(starts[-1] + directory_size(tags, big))
    offsets: list[list[int]] = []
    place = starts[-1]
    for level in reversed(levels):
        offsets.insert(0, [])
        for size in level.sizes:
            offsets[0].append(place + _LEADER)
            place += _LEADER + size + _TRAILER
    written = head + GHOST
    for number, tags in enumerate(directories):
        filled = [
            tag(TILE_OFFSETS, entry.type, offsets[number]) if entry.code == TILE_OFFSETS else entry for entry in tags
        ]
        following = starts[number + 1] if number + 1 < len(directories) else 0
        written += write_directory(filled, starts[number], following, big)
    return written


def _directory(level: _Level, common: Sequence[Tag], reduced: bool, big: bool) -> list[Tag]:
    """The directory of a level, with zero offsets."""
    tags = [
        tag(WIDTH, LONG, [level.width]),
        tag(HEIGHT, LONG, [level.height]),
        tag(TILE_OFFSETS, LONG8 if big else LONG, [0] * len(level.sizes)),
        tag(TILE_SIZES, LONG, level.sizes),
        *common,
    ]
    return [tag(SUBFILE_TYPE, LONG, [1]), *tags] if reduced else tags
