"""Web Mercator for the picture: its grid, and the pixel of the mosaic for each of its pixels."""

import math

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_longitudes
from mosaic_worker.geometry.mesh import Mesh, mesh_between
from mosaic_worker.geometry.projection import (
    MERCATOR_LATITUDE,
    WGS84,
    Bounds,
    crs_of,
    places_in,
    projected,
    projected_bounds,
)
from mosaic_worker.geometry.remap import nearest, rounded

WEB_MERCATOR = "EPSG:3857"
EARTH_RADIUS = 6378137.0
"""The sphere of EPSG:3857, metres."""
TOLERANCE = 0.05
"""Maximum error of positions, pixels of the mosaic."""

Bytes = NDArray[np.uint8]


def picture_grid(grid: Grid, largest_side: int) -> tuple[Grid, float]:
    """The grid of a picture, and the resolution with as many pixels on the diagonal as in the mosaic, metres.

    Args:
        grid: the grid of the mosaic.
        largest_side: the maximum side of the picture, pixels.
    """
    left, bottom, right, top = _bounds_of(grid)
    native = math.hypot(right - left, top - bottom) / math.hypot(grid.width, grid.height)
    resolution = max(native, max(right - left, top - bottom) / largest_side)
    width = max(1, round((right - left) / resolution))
    height = max(1, round((top - bottom) / resolution))
    return Grid(WEB_MERCATOR, left, top, resolution, resolution, width, height), native


def picture_mesh(piece: Grid, mosaic: Grid) -> Mesh:
    """The mesh from a piece of a picture to a mosaic."""
    return mesh_between(piece, mosaic, TOLERANCE)


def shown(mesh: Mesh, pixels: Bytes) -> Bytes:
    """A piece of a picture, uint8 (bands, height, width): the nearest pixels of the mosaic, 0 outside.

    Args:
        mesh: from the piece to the mosaic.
        pixels: the pixels of `mesh.window`, uint8 (bands, height, width).
    """
    places = rounded(mesh.positions(mesh.window.left, mesh.window.top))
    return np.stack([nearest(np.ascontiguousarray(band), places, 0) for band in pixels])


def _bounds_of(grid: Grid) -> Bounds:
    """The bounds of the mosaic in Web Mercator, continuous across the antimeridian."""
    steps = np.linspace(0, 1, 65)
    columns = np.concatenate([steps, steps, np.zeros(65), np.ones(65)]) * grid.width
    rows = np.concatenate([np.zeros(65), np.ones(65), steps, steps]) * grid.height
    xs, ys = grid.left + columns * grid.xres, grid.top - rows * grid.yres
    longitudes, latitudes = projected(grid.crs, WGS84, xs, ys)
    if not np.isfinite(longitudes).all():
        west, south, east, north = projected_bounds(grid.bounds, grid.crs, WGS84) or (-180.0, -90.0, 180.0, 90.0)
        longitudes, latitudes = np.array([west, east]), np.array([south, north])
    elif holds_pole(grid):
        longitudes = np.array([-180.0, 180.0])
        latitudes = np.append(latitudes, math.copysign(MERCATOR_LATITUDE, latitudes.mean()))
    else:
        longitudes = continuous_longitudes(grid.crs, xs, longitudes)
    latitudes = np.clip(latitudes, -MERCATOR_LATITUDE, MERCATOR_LATITUDE)
    x = EARTH_RADIUS * np.radians(longitudes)
    y = EARTH_RADIUS * np.arcsinh(np.tan(np.radians(latitudes)))
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def holds_pole(grid: Grid) -> bool:
    """Whether a projected grid contains a pole. In degrees, all longitudes of a pole are at the edge of a grid."""
    if crs_of(grid.crs).is_geographic:
        return False
    xs, ys = places_in(WGS84, grid.crs, [0.0, 0.0], [90.0, -90.0])
    left, bottom, right, top = grid.bounds
    return any(left < x < right and bottom < y < top for x, y in zip(xs, ys, strict=True))
