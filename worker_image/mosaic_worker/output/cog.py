"""Assembles a Cloud Optimized GeoTIFF from compressed blocks.

The layout is that of GDAL (driver COG, "COG creation options and structure"): header, ghost area, directories from full
size to the smallest overview, then the blocks from the smallest overview to full size, each between its size and a copy
of its last four bytes.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

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
)
from mosaic_worker.output.overviews import Floats
from mosaic_worker.output.parts import LevelIndex, decode_above
from mosaic_worker.output.pyramid import UpperLevel, upper_levels
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


class PartSource(Protocol):
    """Reads the parts of the tiles."""

    def whole(self, level: int) -> Iterator[bytes]:
        """A level of each tile, in order."""
        ...

    def rows(self, level: int, places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Rows of blocks of a level, in the given order: the bytes of each (tile, row), see `LevelIndex.row`."""
        ...


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
    source: PartSource,
    classic_limit: int = CLASSIC_LIMIT,
) -> Iterator[Chunk]:
    """The bytes of a COG, piece by piece.

    Args:
        grid: the grid of the mosaic.
        encoding: how values are stored.
        description: the metadata of the file.
        tiles: all tiles, row by row.
        parts: the levels of each tile in its part; the last is that of plain numbers.
        source: reads the parts, each byte once.
        classic_limit: the size from which the file is a BigTIFF.
    """
    tiled = [_Mosaicked(grid, encoding.block, tiles, parts, level) for level in range(len(parts[0]) - 1)]
    with ExitStack() as files:
        upper = _upper_levels(tiled[-1], encoding, source, files)
        levels = [level.described() for level in tiled]
        levels += [_Level(level.width, level.height, tuple(level.sizes)) for level in upper]
        yield _header(levels, grid, encoding, description, classic_limit)
        for overview in reversed(upper):
            for block in overview.blocks():
                yield from _framed(block)
    for level in reversed(tiled):
        yield from level.framed_blocks(source)


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
        sizes = [size for tile, row in self.rows() for _, size in self.index(tile).blocks(row, self.block)]
        return _Level(-(-self.grid.width // reduction), -(-self.grid.height // reduction), tuple(sizes))

    def index(self, tile: int) -> LevelIndex:
        return self.parts[tile][self.level]

    def rows(self) -> Iterator[tuple[int, int]]:
        """The rows of blocks in the order of the file: tile, and row in the tile."""
        for start in range(0, len(self.tiles), self.columns):
            for row in range(-(-self.index(start).height // self.block)):
                for tile in range(start, start + self.columns):
                    yield tile, row

    def framed_blocks(self, source: PartSource) -> Iterator[Chunk]:
        """The blocks as in the file."""
        for (tile, row), content in zip(self.rows(), source.rows(self.level, self.rows()), strict=True):
            index = self.index(tile)
            view, (start, _) = memoryview(content), index.row(row, self.block)
            for offset, size in index.blocks(row, self.block):
                place = index.start + offset - start
                yield from _framed(view[place : place + size])


def _upper_levels(below: _Mosaicked, encoding: Encoding, source: PartSource, files: ExitStack) -> list[UpperLevel]:
    """The overviews above the levels with blocks in the parts, until one block."""
    described = below.described()
    if max(described.width, described.height) <= below.block:
        return []
    width, height = -(-described.width // 2), -(-described.height // 2)
    return upper_levels(width, height, _rows_above(below, source), encoding, files)


def _rows_above(below: _Mosaicked, source: PartSource) -> Iterator[Floats]:
    """The values above the last level with blocks, for one row of tiles after the other."""
    level = below.level + 1
    row: list[Floats] = []
    for tile, content in zip(below.tiles, source.whole(level), strict=True):
        row.append(decode_above(content, below.parts[tile.index][level]))
        if tile.column == below.columns - 1:
            yield np.concatenate(row, axis=2)
            row = []


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
