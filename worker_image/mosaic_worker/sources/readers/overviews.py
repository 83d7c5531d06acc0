"""Overviews: an image's own smaller copies, read in place of the whole where they give the same averages.

Why only these, and nothing of JPEG 2000, is in docs/decisions, "Overviews only where they are the average".
"""

from collections.abc import Callable

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, tiles_exactly
from mosaic_worker.sources.readers.nodata import masks_of
from mosaic_worker.sources.readers.opening import Image
from mosaic_worker.sources.scenes import Band

LEAST = 2
"""Pixels of an overview, across and down, that a pixel of the grid must be, so that their rounding averages out."""


def averaged_overviews(
    image: Image, grid: Grid, band: int, same_nodata: bool, open_level: Callable[[int], Image]
) -> tuple[Grid, ...]:
    """The grids of the overviews whose pixels are the means of whole blocks of valid pixels, finest first.

    They are in the file itself, which says that they were averaged and knows the same "no data" as the band, and they
    halve the image without a remainder. The image has neither a mask nor alpha: colours of hidden pixels would be in
    the averages.

    Args:
        image: the open image.
        grid: its pixels.
        band: the band's number, from 1.
        same_nodata: whether the file itself says of all numbers that mean "no data" in the band that they do.
        open_level: opens one of the image's overviews, from 0.
    """
    dataset = image.dataset
    if dataset.driver != "GTiff" or masks_of(dataset, band) or not same_nodata:
        return ()
    found: list[Grid] = []
    for level, factor in enumerate(dataset.overviews(band)):
        smaller = open_level(level)
        size = (smaller.dataset.width * factor, smaller.dataset.height * factor)
        averaged = smaller.dataset.tags(band).get("RESAMPLING") == "AVERAGE"
        smaller.close()
        if not averaged or size != (grid.width, grid.height):
            break
        found.append(grid.reduced(factor))
    return tuple(found)


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
