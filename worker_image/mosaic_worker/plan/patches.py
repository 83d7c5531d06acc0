"""Chooses where overlapping scenes are compared: patches of a mosaic, by its grid and the windows of its scenes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window

SAMPLES = 8
"""Samples of a patch, across and down."""
LARGEST_SAMPLE = 8
"""The maximum side of a sample, pixels."""
SAMPLES_OF_MOSAIC = 2**18
"""Samples are larger than a pixel if the mosaic has more pixels than this."""
MOST_PATCHES = 1024
MOST_TOGETHER = 64
"""Patches in an overlap of certain scenes, at most; fewer of many scenes."""
MOST_READS = 4096
"""Patches times scenes in such an overlap, at most, if that leaves a patch."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are evenly distributed (Weyl)."""


@dataclass(frozen=True)
class Place:
    """A patch of a mosaic.

    Attributes:
        column, row: of its first pixel.
        scenes: positions of the scenes whose windows contain it, ascending.
    """

    column: int
    row: int
    scenes: tuple[int, ...]


def sample_side(grid: Grid) -> int:
    """The side of a sample of a mosaic, pixels."""
    return max(1, min(LARGEST_SAMPLE, int((grid.pixels / SAMPLES_OF_MOSAIC) ** 0.5)))


def places(grid: Grid, windows: Sequence[Window]) -> list[Place]:
    """The patches where scenes are compared, row by row. Each combination of overlapping scenes has some.

    Args:
        grid: the grid of the mosaic.
        windows: the pixels that each scene may touch.
    """
    side = SAMPLES * sample_side(grid)
    columns, rows = grid.width // side, grid.height // side
    if not columns or not rows:
        return []
    inside = [
        (-(-window.left // side), -(-window.top // side), window.right // side, window.bottom // side)
        for window in windows
    ]
    combinations, count = _combinations(inside, columns, rows)
    found: list[int] = []
    numbers = np.unique(combinations[count > 1])
    share = MOST_PATCHES // min(max(1, len(numbers)), MOST_PATCHES)
    for number in numbers.tolist()[:MOST_PATCHES]:
        cells = np.flatnonzero(combinations == number)
        together = min(MOST_TOGETHER, MOST_READS // int(count[cells[0]]), share)
        spread = np.arange(max(1, together)) * GOLDEN % 1 * len(cells)
        found += cells[np.unique(spread.astype(np.intp))].tolist()
    return [
        Place(cell % columns * side, cell // columns * side, _containing(inside, cell % columns, cell // columns))
        for cell in sorted(found)
    ]


def _combinations(
    inside: Sequence[tuple[int, int, int, int]], columns: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each cell, row by row, a number for the combination of scenes that contain it, and how many these are.

    The number is the sum of random numbers of the scenes: equal for equal combinations, and else almost certainly not.

    Args:
        inside: left, top, right and bottom of the cells in each scene.
        columns: the number of cells across.
        rows: the number of cells down.
    """
    sums, counts = np.zeros((rows + 1, columns + 1), np.int64), np.zeros((rows + 1, columns + 1), np.int64)
    marks = np.random.default_rng(0).integers(1, 2**52, len(inside))  # sums of 500 fit into 64 bits
    for mark, (left, top, right, bottom) in zip(marks, inside, strict=True):
        if left < right and top < bottom:
            for row, column, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
                sums[row, column] += sign * mark
                counts[row, column] += sign
    first, second = (each.cumsum(0).cumsum(1)[:rows, :columns].ravel() for each in (sums, counts))
    return first, second


def _containing(inside: Sequence[tuple[int, int, int, int]], column: int, row: int) -> tuple[int, ...]:
    return tuple(
        scene
        for scene, (left, top, right, bottom) in enumerate(inside)
        if left <= column < right and top <= row < bottom
    )
