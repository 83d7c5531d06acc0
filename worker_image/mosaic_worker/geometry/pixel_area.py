"""The area of the pixels of a grid on the ground."""

import numpy as np

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, Floats, projected

MOST_DIFFERENT = 0.01
"""The most that the areas of the pixels of a grid may differ, relative to the smallest."""
SAMPLES = 5
"""Rows and columns of the pixels that are measured."""
_MAJOR, _FLATTENING = 6378137.0, 1 / 298.257223563
"""The ellipsoid of WGS 84: semi-major axis in metres, and flattening."""
_ECCENTRICITY = _FLATTENING * (2 - _FLATTENING)
"""The square of its first eccentricity."""


def pixel_area(grid: Grid) -> float | None:
    """The mean area of a pixel in square metres; None if pixels differ by more than 1 %, or are outside the Earth."""
    across, down = np.linspace(0.5, grid.width - 0.5, SAMPLES), np.linspace(0.5, grid.height - 0.5, SAMPLES)
    columns, rows = np.meshgrid(across, down)
    steps = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])  # from the centre, pixels
    xs = grid.left + (columns + steps[:, 0, np.newaxis, np.newaxis]) * grid.xres
    ys = grid.top - (rows + steps[:, 1, np.newaxis, np.newaxis]) * grid.yres
    longitudes, latitudes = projected(grid.crs, WGS84, xs, ys)
    if not (np.isfinite(longitudes).all() and np.isfinite(latitudes).all()):
        return None
    areas = _areas(longitudes, latitudes)
    if not areas.min() > 0 or areas.max() > areas.min() * (1 + MOST_DIFFERENT):
        return None
    return float(areas.mean())


def _areas(longitudes: Floats, latitudes: Floats) -> Floats:
    """The areas of pixels from their centres and half a step along each axis, degrees (3, rows, columns)."""
    east = np.radians((longitudes[1:] - longitudes[0] + 180) % 360 - 180)
    north = np.radians(latitudes[1:] - latitudes[0])
    sine = np.sin(np.radians(latitudes[0]))
    bend = 1 - _ECCENTRICITY * sine**2
    square = _MAJOR**2 * (1 - _ECCENTRICITY) / bend**2 * np.sqrt(1 - sine**2)  # of a radian east and a radian north
    found: Floats = 4 * np.abs(east[0] * north[1] - east[1] * north[0]) * square
    return found
