"""The outline of a mosaic in degrees, for its STAC Item."""

import math

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_longitudes
from mosaic_worker.geometry.projection import WGS84, Floats, projected, projected_bounds
from mosaic_worker.output.mercator import holds_pole
from mosaic_worker.plan.model import Plan

LEAST_GAP = 1e-6
"""Degrees: a box with a smaller gap to the full circle covers all longitudes."""


def footprint(plan: Plan) -> BaseGeometry:
    """The outline of the mosaic in degrees, with continuous longitudes."""
    grid = plan.grid
    outline = shapely.segmentize(
        plan.shape_of_area or box(*grid.bounds), max(grid.width * grid.xres, grid.height * grid.yres) / 16
    )
    places = shapely.get_coordinates(outline)
    longitudes, latitudes = projected(grid.crs, WGS84, places[:, 0], places[:, 1])
    latitudes = np.clip(latitudes, -90, 90)  # pixels at the poles extend beyond them
    if not np.isfinite(longitudes).all():
        return _box_around(grid)
    if plan.shape_of_area is None and holds_pole(grid):
        return _around_pole(longitudes, latitudes)
    continuous = continuous_longitudes(grid.crs, places[:, 0], longitudes)
    found = shapely.set_coordinates(outline, np.column_stack([continuous, latitudes]))
    return found if found.is_valid else _box_around(grid)


def _box_around(grid: Grid) -> BaseGeometry:
    """The box around a grid in degrees, if its outline is not valid there."""
    west, south, east, north = projected_bounds(grid.bounds, grid.crs, WGS84) or (-180.0, -90.0, 180.0, 90.0)
    return box(west, max(south, -90), east, min(north, 90))


def _around_pole(longitudes: Floats, latitudes: Floats) -> BaseGeometry:
    """The area within a ring around a pole: in degrees, the pole is an edge as long as the ring."""
    around = np.unwrap(longitudes, period=360)
    pole = math.copysign(90, latitudes[0])
    return shapely.Polygon([*zip(around, latitudes, strict=True), (around[-1], pole), (around[0], pole)])


def bbox(outline: BaseGeometry) -> list[float]:
    """West, south, east, north; west is greater than east across the antimeridian (RFC 7946, 5.2)."""
    west, south, east, north = outline.bounds
    if east - west >= 360 - LEAST_GAP:
        west, east = -180, 180
    return [_wrapped(west), south, _wrapped(east), north]


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else float((longitude + 180) % 360 - 180)
