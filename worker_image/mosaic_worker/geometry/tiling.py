"""How a mosaic is cut: tiles on a fixed lattice, and contiguous ranges of them of equal work."""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic_worker.geometry.grid import Grid

BLOCK = 512
"""Side of the blocks in a COG, pixels."""

SMALL_MOSAIC = 100_000_000
"""Pixels up to which tiles are small, so that a few cores still share the work evenly."""


@dataclass(frozen=True)
class Tile:
    """One square of the lattice, cut at the mosaic's right and lower edge.

    Attributes:
        index: its number, row by row from the upper left.
        row, column: its place on the lattice.
        y, x: its first pixel's row and column in the mosaic.
        width, height: in pixels.
    """

    index: int
    row: int
    column: int
    y: int
    x: int
    width: int
    height: int


def tile_side(grid: Grid) -> int:
    """The side of a tile in pixels: a function of the mosaic alone, so that its bytes do not depend on who makes it."""
    return 1024 if grid.pixels <= SMALL_MOSAIC else 2048


def part_levels(grid: Grid, side: int) -> int:
    """How many levels of the mosaic are made of whole blocks of its tiles: full size, half, … as far as there are any.

    A mosaic has overviews until one fits a block; a tile's share of a level is whole blocks down to the side of one.
    """
    levels = 1
    while max(grid.width, grid.height) > BLOCK << (levels - 1) and side > BLOCK << (levels - 1):
        levels += 1
    return levels


def tiles_of(grid: Grid, side: int) -> list[Tile]:
    """All tiles, row by row; they cover the grid exactly once."""
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
    """Cut tiles into contiguous ranges [start, stop) of nearly equal work.

    Args:
        work: the work of each tile, positive, in any unit.
        count: how many ranges to make; at most as many as there are tiles are made, and none is empty.
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
