"""Overviews: an image's own smaller copies, read in place of the whole where they give the same averages.

Why only these, and nothing of JPEG 2000, is in docs/decisions, "Overviews only where they are the average".
"""

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, tiles_exactly
from mosaic_worker.sources.scenes import Band

LEAST = 2
"""Pixels of an overview, across and down, that a pixel of the grid must be, so that their rounding averages out."""


def image_to_read(band: Band, grid: Grid, kernel: Kernel) -> tuple[int | None, Grid]:
    """The smallest overview that gives a band's averages on a grid, by its number from 0; None for the image itself.

    Depends on the lattices of the two alone, and so on no window.

    Returns:
        The number, and the pixels of what it stands for.
    """
    if kernel == "average":
        for level, overview in reversed(list(enumerate(band.overviews))):
            if tiles_exactly(overview, grid, LEAST):
                return level, overview
    return None, band.header.grid
