"""Estimates the work of a mosaic, for ranges of equal work and for users."""

from collections.abc import Sequence

from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, coarseness, kernel_for
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.plan.model import Estimate, PlannedScene
from mosaic_worker.sources.readers.overviews import image_to_read

DECODE_SECONDS = {"jp2": 0.18, "other": 0.02}
"""Measured core-seconds to decode a million pixels of a band: JPEG 2000 (lossless, 16 bit) and deflated TIFF."""
PRODUCT_SECONDS = 0.08
"""Core-seconds to compute, encode and render a million pixels of the mosaic."""
COMPRESSED = 0.8
"""Size of a compressed float32 mosaic with overviews, relative to its pixels."""


def tile_work(tile: Tile, scenes: Sequence[PlannedScene], *, until_full: bool = False) -> float:
    """The work of a tile, in pixels read and written; see `CompositeMethod.stops_when_full`."""
    read = sum(planned.overlap(tile) for planned in scenes)
    return tile.width * tile.height + (min(read, tile.width * tile.height) if until_full else read)


def estimate(
    grid: Grid, sides: Sequence[Sequence[PlannedScene]], bands: int, asked: Kernel | None, *, until_full: bool = False
) -> Estimate:
    """Estimate a mosaic.

    Args:
        grid: its grid.
        sides: the scenes of the mosaic, and of one that is subtracted, in order of preference.
        bands: the number of its bands.
        asked: the kernel in the request, if any.
        until_full: see `CompositeMethod.stops_when_full`.
    """
    seconds = sum(_seconds(grid, scenes, asked, until_full=until_full) for scenes in sides)
    return Estimate(core_seconds=round(seconds, 1), bytes=round(COMPRESSED * 4 * bands * grid.pixels))


def _seconds(grid: Grid, scenes: Sequence[PlannedScene], asked: Kernel | None, *, until_full: bool) -> float:
    """The core-seconds of a side; arguments as in `estimate`."""
    seconds = PRODUCT_SECONDS * grid.pixels / 1e6
    full: BaseGeometry = Polygon()
    for planned in scenes:
        window = planned.window
        place = box(window.left, window.top, window.right, window.bottom)
        touched = place.difference(full).area if until_full else place.area
        full = full.union(place) if until_full and touched else full
        for band in planned.scene.bands.values():
            _, image = image_to_read(band, grid, kernel_for(band.header.grid, grid, asked))
            across, down = coarseness(image, grid)
            pixels = min(touched * across * down, image.pixels)
            seconds += DECODE_SECONDS["jp2" if band.href.lower().endswith(".jp2") else "other"] * pixels / 1e6
    return seconds
