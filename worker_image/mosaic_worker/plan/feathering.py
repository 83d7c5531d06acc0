"""The width of blending along edges, in pixels of the grid."""

import math

from mosaic_crds.errors import RequestError

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import METRES_PER_DEGREE, crs_of

WIDEST = 200
"""Pixels: tiles are read with a halo of this width."""


def feather_pixels(metres: float, grid: Grid) -> int:
    """The width of blending on a grid, rounded to pixels; 0 for none."""
    return round(metres / _pixel_metres(grid)) if metres else 0


def check_feather(metres: float, grid: Grid) -> None:
    """Refuse a width that the grid does not allow.

    Raises:
        RequestError: it is less than a pixel, or more than WIDEST.
    """
    pixels, size = feather_pixels(metres, grid), _pixel_metres(grid)
    if metres and not pixels:
        raise RequestError(
            f"spec.composite.feather: {metres:g} m is less than a pixel of {size:.3g} m; use at least {size:.3g}, or 0"
        )
    if pixels > WIDEST:
        raise RequestError(
            f"spec.composite.feather: {metres:g} m are {pixels} pixels of {size:.3g} m, but at most {WIDEST} are "
            f"allowed; use at most {math.floor(WIDEST * size):g}, or a coarser resolution"
        )


def _pixel_metres(grid: Grid) -> float:
    """The height of a pixel in metres."""
    crs = crs_of(grid.crs)
    if crs.is_geographic:
        return grid.yres * math.degrees(float(crs.units_factor[1])) * METRES_PER_DEGREE
    return grid.yres * float(crs.linear_units_factor[1])
