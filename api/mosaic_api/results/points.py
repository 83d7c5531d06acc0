"""The values of a mosaic at a point."""

import math

import numpy as np
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import near
from mosaic_worker.geometry.projection import WGS84, places_in
from mosaic_worker.geometry.sampling import Window

from mosaic_api.results.open_cogs import OpenCogs
from mosaic_api.results.published import PublishedMosaic


def values_at(cogs: OpenCogs, mosaic: PublishedMosaic, longitude: float, latitude: float) -> list[float | None]:
    """The value of each band in the pixel of a point; None without data.

    Raises:
        NotFound: the mosaic's files are missing.
    """
    pixel = pixel_at(mosaic.grid, longitude, latitude)
    if pixel is None:
        return [None] * len(mosaic.names)
    column, row = pixel
    window = Window(column, row, column + 1, row + 1)
    bands = range(len(mosaic.names))
    found = mosaic.values(cogs.read(mosaic.key, 0, bands, window), bands)[:, 0, 0]
    scales = mosaic.scales if mosaic.dtype == "int16" else [None] * len(found)
    return [None if np.isnan(value) else _shortest(value, scale) for value, scale in zip(found, scales, strict=True)]


def pixel_at(grid: Grid, longitude: float, latitude: float) -> tuple[int, int] | None:
    """Column and row of the pixel of a point in degrees; None if it is outside the grid."""
    (x,), (y,) = places_in(WGS84, grid.crs, [longitude], [latitude])
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    x = float(near(grid.crs, np.array([x]), grid.left + grid.width * grid.xres / 2)[0])
    column, row = math.floor((x - grid.left) / grid.xres), math.floor((grid.top - y) / grid.yres)
    return (column, row) if 0 <= column < grid.width and 0 <= row < grid.height else None


def _shortest(value: np.float32, scale: float | None) -> float:
    """The number without noise digits: 0.1, not 0.10000000149.

    `scale` is one unit of an integer, below which digits mean nothing; None for floats.
    """
    return float(str(value)) if scale is None else round(float(value), 1 - math.floor(math.log10(scale)))
