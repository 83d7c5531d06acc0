"""The area of interest: in degrees, across the antimeridian, and in the CRS of a grid."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from mosaic_crds.area import Area
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mosaic_worker.geometry.geojson import without_heights
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import closest_turns
from mosaic_worker.geometry.projection import (
    MERCATOR_LATITUDE,
    WGS84,
    crs_name,
    crs_of,
    is_mercator,
    projected,
    projected_lattice,
    world_of,
)

EDGE_SEGMENTS = 512
"""Edges are straight in longitude and latitude, so they get so many points along the larger side of the area."""
CELLS = 256
"""Rows and columns of the cells that approximate the projectable part of an area."""
AROUND_ANTIMERIDIAN = 270.0
"""Degrees: parts of an area that extend over more are closer to each other across the antimeridian."""
NEAR_POLES = 89.0
"""Degrees of latitude: areas beyond are cut in Mercator projections, which are infinite at the poles."""
EDGE_TOLERANCE = 1e-9
"""Tolerance at the cut of a CRS, in turns around the Earth."""
NEAREST_POLES = 89.99
"""Degrees of latitude: beyond, longitudes in another datum are arbitrary."""
LONGEST_EDGE = 180.0
"""Degrees of longitude: a longer edge was probably meant to go the other way around the Earth."""


def area_of(bbox: list[float] | None, geometry: Mapping[str, Any] | None) -> BaseGeometry:
    """The area in degrees with continuous longitudes: its west is in [-180, 180), and its east can exceed 180.

    Raises:
        RequestError: the polygon crosses itself, has no area, or goes around the Earth more than once.
    """
    if bbox is not None:
        west, south, east, north = bbox
        area = first_turn(box(west, south, east + 360 if west > east else east, north))
        if area.area == 0:
            raise RequestError("spec.area.bbox: the box has no area")
        return area
    area = shape(geometry)
    for part in getattr(area, "geoms", [area]):
        if not part.is_valid:
            raise RequestError(f"spec.area.geometry: the polygon is not valid: {explain_validity(part)}")
    area = _joined(area if area.is_valid else shapely.union_all(list(area.geoms)))
    if area.area == 0:
        raise RequestError("spec.area.geometry: the polygon has no area")
    if area.bounds[2] - area.bounds[0] > 360:
        raise RequestError("spec.area.geometry: the polygon goes around the Earth more than once; cut it")
    return first_turn(area)


def first_turn(area: BaseGeometry) -> BaseGeometry:
    """The same area with its west in [-180, 180)."""
    turn = math.floor((area.bounds[0] + 180) / 360)
    return translate(area, xoff=-360 * turn) if turn else area


def _joined(area: BaseGeometry) -> BaseGeometry:
    """Join the parts of an area that is cut at the antimeridian (RFC 7946, 3.1.9), by moving parts by 360 degrees.

    Parts are moved only if some are cut there, or all are closer to each other across the antimeridian.
    """
    parts = list(getattr(area, "geoms", [area]))
    west, _, east, _ = area.bounds
    if len(parts) == 1 or east - west <= 180:
        return area
    turns = closest_turns([(part.bounds[0], part.bounds[2]) for part in parts], 360)
    moved = [translate(part, xoff=360 * turn) for part, turn in zip(parts, turns, strict=True)]
    left, right = min(part.bounds[0] for part in moved), max(part.bounds[2] for part in moved)
    if right - left >= east - west or not (_are_cut(parts) or east - west > AROUND_ANTIMERIDIAN):
        return area
    return shapely.union_all(moved)


def _are_cut(parts: Sequence[BaseGeometry]) -> bool:
    """Whether parts end at 180 degrees where others start at -180."""
    meridian = shapely.LineString([(180, -90), (180, 90)])
    ends = shapely.union_all([part.intersection(meridian) for part in parts])
    starts = shapely.union_all([translate(part, xoff=360).intersection(meridian) for part in parts])
    return bool(ends.intersection(starts).length > 0)


def longest_edge(area: BaseGeometry) -> float:
    """The length of the longest edge of an area in degrees of longitude; 0 for a box."""
    if area.equals(box(*area.bounds)):
        return 0.0
    rings = shapely.get_rings(shapely.get_parts(area))
    return max(float(np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])).max()) for ring in rings)


def cut_at_antimeridian(area: BaseGeometry) -> BaseGeometry:
    """An unwrapped area for GeoJSON (RFC 7946, 3.1.9): cut at 180 degrees."""
    parts = []
    for turn in (-360, 0, 360):
        part = area.intersection(box(-180 + turn, -90, 180 + turn, 90))
        if part.area > 0:
            parts.append(translate(part, xoff=-turn))
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def requested_area(area: Area | None) -> BaseGeometry | None:
    """The area of `spec.area` in degrees, unwrapped; None if there is none.

    Raises:
        RequestError: the polygon crosses itself or has no area.
    """
    if area is None:
        return None
    return area_of(area.bbox, without_heights(area.geometry.model_dump()) if area.geometry else None)


def projected_area(area: BaseGeometry, crs: str) -> BaseGeometry:
    """The projectable part of an area in a CRS, with additional points on its edges.

    If x goes around the Earth, it is continuous across the antimeridian.

    Raises:
        RequestError: no part can be projected, or the CRS is cut within the area.
    """
    return _projected(projectable(area, crs), crs)


def projectable(area: BaseGeometry, crs: str) -> BaseGeometry:
    """The part of an area that can be projected to a CRS, in degrees; the same object if all of it can.

    Raises:
        RequestError: no part can be projected.
    """
    part = area
    if is_mercator(crs) and max(abs(area.bounds[1]), abs(area.bounds[3])) > NEAR_POLES:
        part = area.intersection(box(area.bounds[0], -MERCATOR_LATITUDE, area.bounds[2], MERCATOR_LATITUDE))
    if not np.isfinite(_places(shapely.get_coordinates(_followed(part)), crs)).all():
        part = _cells(part, crs)
    if part.area == 0:
        raise RequestError(
            f"spec.grid.crs: the area cannot be projected to {crs_name(crs)}; choose another CRS, such as utm"
        )
    return part


def _followed(area: BaseGeometry) -> BaseGeometry:
    """An area with more points on its edges."""
    west, south, east, north = area.bounds
    return shapely.segmentize(area, max(east - west, north - south) / EDGE_SEGMENTS)


def _projected(area: BaseGeometry, crs: str) -> BaseGeometry:
    fine, name = _followed(area), crs_name(crs)
    degrees = shapely.get_coordinates(fine)
    places = _places(degrees, crs)
    if not np.isfinite(places).all():
        raise RequestError(f"spec.grid.crs: a part of the area cannot be projected to {name}; choose another CRS")
    if world_of(crs) is None and _torn(degrees, places, crs):
        raise RequestError(
            f"spec.area: {name} is discontinuous in the area, as at the antimeridian; choose another CRS, such as utm"
        )
    return shapely.set_coordinates(fine, places)


def _cells(area: BaseGeometry, crs: str) -> BaseGeometry:
    """The part of an area in cells of a lattice whose corners can be projected."""
    west, south, east, north = area.bounds
    xs, ys = np.linspace(west, east, CELLS + 1), np.linspace(north, south, CELLS + 1)
    there = np.isfinite(projected_lattice(WGS84, crs, xs, ys)[0])
    whole = there[:-1, :-1] & there[1:, :-1] & there[:-1, 1:] & there[1:, 1:]
    cells = []
    for row, cell in enumerate(whole):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cell.astype(np.int8), [0]])))
        cells += [box(xs[a], ys[row + 1], xs[b], ys[row]) for a, b in edges.reshape(-1, 2).tolist()]
    found = shapely.union_all(cells).intersection(area)
    return shapely.union_all([part for part in shapely.get_parts(found) if part.geom_type == "Polygon"])


def _places(degrees: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """Project longitudes and latitudes, (points, 2); x is continuous if the longitudes are."""
    x, y = projected(WGS84, crs, degrees[:, 0], degrees[:, 1])
    world = world_of(crs)
    if world is not None and np.isfinite(x).any():
        sure = np.isfinite(x) & (np.abs(degrees[:, 1]) < NEAREST_POLES)
        first = int(np.argmax(sure if sure.any() else np.isfinite(x)))
        period = world[1] - world[0]
        even = x[first] + (degrees[:, 0] - degrees[first, 0]) * period / 360
        there = np.isfinite(x)
        poles = there & (np.abs(degrees[:, 1]) > NEAREST_POLES)
        x[poles] = even[poles]
        x[there] += period * np.round((even[there] - x[there]) / period)
        x[there] -= period * math.floor((x[there].min() - world[0]) / period + EDGE_TOLERANCE)
    return np.column_stack([x, y])


def _torn(degrees: NDArray[np.float64], places: NDArray[np.float64], crs: str) -> bool:
    """Whether neighbouring points on an edge are half the Earth apart."""
    apart = np.hypot(*np.diff(places, axis=0).T)
    close = np.hypot(*np.diff(degrees, axis=0).T) < 5
    half_world = math.pi * 6378137 / crs_of(crs).linear_units_factor[1]
    return bool((apart[close] > half_world).any())


def inside(area: BaseGeometry, grid: Grid) -> NDArray[np.bool_]:
    """Which pixels have their centre in an area in the CRS of the grid, (height, width)."""
    outside: NDArray[np.bool_] = geometry_mask([mapping(area)], (grid.height, grid.width), grid.transform)
    return ~outside
