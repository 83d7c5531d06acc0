"""Divides a mosaic into tiles, and tiles into contiguous ranges of equal work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mosaic_worker.geometry.grid import SNAP_TOLERANCE, Grid

BLOCK = 512
"""Default side of the blocks of a COG, pixels; blocks of the sources can suggest a similar one."""
LEAST_BLOCK, MOST_BLOCK = 360, 720
BLOCK_UNIT = 16
"""TIFF requires multiples of this."""

FEW_BANDS = 5
"""Up to so many bands, blocks and tiles have their usual size."""
SMALL_MOSAIC = 100_000_000
"""Up to so many pixels, tiles are small, so that a few cores share the work evenly."""
MOST_READ = 16_000_000
"""Up to so many pixels of an image for each tile of a small mosaic: a coarse grid has few pixels, but much work."""


@dataclass(frozen=True)
class Tile:
    """A square tile, cut at the right and lower edge of the mosaic.

    Attributes:
        index: its number, row by row from the upper left.
        row, column: its position among the tiles.
        y, x: row and column of its first pixel in the mosaic.
        width, height: in pixels.
    """

    index: int
    row: int
    column: int
    y: int
    x: int
    width: int
    height: int


def block_side(images: Iterable[tuple[Grid, tuple[int, int]]], grid: Grid) -> int:
    """The side of the blocks of the COG, near 512, such that tiles align with the blocks of the largest image.

    Blocks of JPEG 2000 are slow to decode, and are decoded completely: Sentinel-2 has blocks of 1024 pixels at 10 m,
    and of 640 at 20 m.

    Args:
        images: the grid of each image, and the width and height of its blocks in its pixels.
        grid: the grid of the mosaic.
    """
    image, (across, down) = max(images, key=lambda described: described[0].pixels)
    side = across * image.xres / grid.xres
    square = abs(side - down * image.yres / grid.yres) < SNAP_TOLERANCE
    apart = ((image.left - grid.left) / grid.xres, (grid.top - image.top) / grid.yres)
    aligned = all(abs(distance / side - round(distance / side)) < SNAP_TOLERANCE for distance in apart)
    if image.crs != grid.crs or not square or not aligned:
        return BLOCK
    while side > MOST_BLOCK:
        side /= 2
    while side < LEAST_BLOCK:
        side *= 2
    return int(side) if side % BLOCK_UNIT == 0 else BLOCK


def tile_side(grid: Grid, block: int, coarser: float = 1.0) -> int:
    """The side of a tile in pixels. It depends only on the plan, so that bytes do not depend on the machine.

    Args:
        grid: the grid of the mosaic.
        block: the side of its blocks, pixels.
        coarser: pixels of an image per pixel of the grid, across.
    """
    if grid.pixels > SMALL_MOSAIC:
        return 4 * block
    return block if (2 * block * coarser) ** 2 > MOST_READ else 2 * block


def sides_for(bands: int, block: int, side: int) -> tuple[int, int]:
    """The sides of blocks and tiles of a mosaic with so many bands, from those for few bands.

    A block has all bands, and readers decode it completely. So with many bands it has half the side, unless that is no
    multiple of `BLOCK_UNIT`, and a tile is as large as the smaller ones, to limit the memory.
    """
    if bands <= FEW_BANDS:
        return block, side
    return block if block // 2 % BLOCK_UNIT else block // 2, min(side, 2 * block)


def part_levels(grid: Grid, side: int, block: int) -> int:
    """The number of levels (full size, half, …) of which each tile has whole blocks.

    A mosaic has overviews until one fits into a block; a tile has whole blocks until it is one block.
    """
    levels = 1
    while max(grid.width, grid.height) > block << (levels - 1) and side > block << (levels - 1):
        levels += 1
    return levels


def tiles_of(grid: Grid, side: int) -> list[Tile]:
    """All tiles, row by row."""
    columns = -(-grid.width // side)
    return [
        Tile(
            index=row * columns + column,
            row=row,
            column=column,
            y=row * side,
            x=column * side,
            width=min(side, grid.width - column * side),
            height=min(side, grid.height - row * side),
        )
        for row in range(-(-grid.height // side))
        for column in range(columns)
    ]


def equal_ranges(work: Sequence[float], count: int) -> list[tuple[int, int]]:
    """Divide tiles into contiguous ranges [start, stop) of nearly equal work.

    Args:
        work: the work of each tile, positive, in any unit.
        count: the number of ranges; fewer if there are fewer tiles, because no range is empty.
    """
    count = min(count, len(work))
    ranges: list[tuple[int, int]] = []
    start, left = 0, float(sum(work))
    for remaining in range(count, 0, -1):
        share, taken, stop = left / remaining, 0.0, start
        while stop < len(work) - (remaining - 1) and (stop == start or taken + work[stop] / 2 <= share):
            taken += work[stop]
            stop += 1
        if remaining == 1:
            stop = len(work)
        ranges.append((start, stop))
        start, left = stop, left - taken
    return ranges
