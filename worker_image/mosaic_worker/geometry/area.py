"""The area that a request asks for: on the sphere, across the antimeridian, and in the CRS of a grid."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from mosaic_crds.area import Area
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.warp import transform
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mosaic_worker.geometry.grid import Grid, crs_of

WGS84 = "EPSG:4326"
EDGE_SEGMENTS = 512
"""Edges are straight in longitude and latitude, so they are followed in this many steps of the area's larger side."""


def area_of(bbox: list[float] | None, geometry: Mapping[str, Any] | None) -> BaseGeometry:
    """The requested area in degrees, unwrapped: longitudes pass 180 where it crosses the antimeridian.

    Raises:
        RequestError: the polygon crosses itself or has no area.
    """
    if bbox is not None:
        west, south, east, north = bbox
        return box(west, south, east + 360 if west > east else east, north)
    area = _unwrapped(shape(geometry))
    if not area.is_valid:
        raise RequestError(f"spec.area.geometry: the polygon is not valid: {explain_validity(area)}")
    if area.area == 0:
        raise RequestError("spec.area.geometry: the polygon has no area")
    return area


def _unwrapped(area: BaseGeometry) -> BaseGeometry:
    """Longitudes made continuous: moved by 360 degrees where that makes the area narrower.

    GeoJSON (RFC 7946, 3.1.9) cuts an area at the antimeridian, so that one part ends at 180 and another starts at -180.
    """
    west, _, east, _ = area.bounds
    if east - west <= 180:
        return area
    moved = shapely.transform(
        area, lambda xy: np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]])
    )
    return shapely.union_all([moved]) if moved.bounds[2] - moved.bounds[0] < east - west else area


def crosses_antimeridian(area: BaseGeometry) -> bool:
    """Whether an unwrapped area lies on both sides of 180 degrees."""
    return bool(area.bounds[0] < 180 < area.bounds[2])


def cut_at_antimeridian(area: BaseGeometry) -> BaseGeometry:
    """An unwrapped area as GeoJSON wants it (RFC 7946, 3.1.9): cut where it crosses 180 degrees."""
    parts = []
    for turn in (-360, 0, 360):
        part = area.intersection(box(-180 + turn, -90, 180 + turn, 90))
        if part.area > 0:
            parts.append(translate(part, xoff=-turn))
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def requested_area(area: Area | None) -> BaseGeometry | None:
    """The area of `spec.area` in degrees, unwrapped; None where there is none.

    Raises:
        RequestError: the polygon crosses itself or has no area.
    """
    if area is None:
        return None
    return area_of(area.bbox, area.geometry.model_dump() if area.geometry else None)


def projected_area(area: BaseGeometry, crs: str) -> BaseGeometry:
    """The area in a CRS, its edges followed closely.

    Raises:
        RequestError: it has no place there, or is torn apart by the antimeridian.
    """
    west, south, east, north = area.bounds
    fine = shapely.segmentize(area, max(east - west, north - south) / EDGE_SEGMENTS)
    degrees = shapely.get_coordinates(fine)
    xs, ys = transform(crs_of(WGS84), crs_of(crs), degrees[:, 0].tolist(), degrees[:, 1].tolist())
    places = np.column_stack([xs, ys])
    if not np.isfinite(places).all():
        raise RequestError(f"spec.grid.crs: part of the area has no place in {crs}; choose another CRS, such as utm")
    if crosses_antimeridian(area) and _torn(degrees, places, crs):
        raise RequestError(
            f"spec.area: the area crosses the antimeridian, where {crs} is cut; choose another CRS, such as utm"
        )
    return shapely.set_coordinates(fine, places)


def _torn(degrees: NDArray[np.float64], places: NDArray[np.float64], crs: str) -> bool:
    """Whether neighbours on an edge land half a world apart, or beyond the longitudes of a geographic CRS."""
    if crs_of(crs).is_geographic:
        return True
    apart = np.hypot(*np.diff(places, axis=0).T)
    near = np.hypot(*np.diff(degrees, axis=0).T) < 5
    half_world = math.pi * 6378137 / crs_of(crs).linear_units_factor[1]
    return bool((apart[near] > half_world).any())


def inside(area: BaseGeometry, grid: Grid) -> NDArray[np.bool_]:
    """Which pixels have their centre in an area of the grid's CRS, shape (height, width)."""
    outside: NDArray[np.bool_] = geometry_mask([mapping(area)], (grid.height, grid.width), grid.transform)
    return ~outside
