"""Selects overviews of images that have the same averages as the image itself.

Why only these, and none of JPEG 2000, is in docs/decisions, "Overviews only where they are the average".
"""

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, tiles_exactly
from mosaic_worker.sources.scenes import Band

LEAST = 2
"""A pixel of the grid needs at least so many pixels of an overview, across and down, to average out their rounding."""


def image_to_read(band: Band, grid: Grid, kernel: Kernel) -> tuple[int | None, Grid]:
    """The smallest overview with the averages of a band on a grid, from 0; None for the image itself.

    It depends on the two grids, not on a window.

    Returns:
        The number, and the grid of the overview or image.
    """
    if kernel == "average":
        for level, overview in reversed(list(enumerate(band.overviews))):
            if tiles_exactly(overview, grid, LEAST):
                return level, overview
    return None, band.header.grid
