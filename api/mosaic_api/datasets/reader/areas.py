"""Reads an area from a vector file: all its polygons as one geometry in degrees, as for `spec.area.geometry`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from mosaic_crds.area import MOST_POLYGONS, MOST_POSITIONS, Area
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import cut_at_antimeridian
from numpy.typing import NDArray
from pydantic import ValidationError
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mosaic_api.datasets.boxes import smallest_box
from mosaic_api.datasets.reader.formats import Format
from mosaic_api.datasets.reader.job import Outcome
from mosaic_api.datasets.reader.layers import read_layers, there

POLYGON, MULTIPOLYGON, COLLECTION = 3, 6, 7
HALF = 180.0


def take_area(path: Path, name: str, kind: Format) -> Outcome:
    """Read the polygons of a vector file; see `read_layers`.

    Returns:
        The area as the footprint; in the details the numbers of features that were used and left out.

    Raises:
        RequestError: there are no polygons, one is invalid, or they have too many positions.
    """
    shapes = [layer.geometries[there(layer.geometries)] for layer in read_layers(path, name, kind, follow=True)]
    geometries = np.concatenate([*shapes, np.empty(0, object)])
    polygons = [_polygons(geometry) for geometry in geometries]
    used = [number for number, found in enumerate(polygons) if len(found)]
    if not used:
        what = "no feature has a geometry" if len(geometries) == 0 else "it has only points and lines"
        raise RequestError(f"file: it has no polygon ({what}), which an area needs")
    parts = np.concatenate([polygons[number] for number in used])
    _expect_valid(parts)
    area = _on_the_globe(_merged(parts))
    west, _, east, _ = area.bounds
    footprint = _checked(cut_at_antimeridian(area) if west < -HALF or east > HALF else area)
    details = {"features": len(used), "leftOut": len(geometries) - len(used)}
    return Outcome(smallest_box(shapely.bounds(shapely.get_parts(area))), footprint, details)


def _polygons(geometry: BaseGeometry) -> NDArray[np.object_]:
    """The polygons of a geometry, also those in collections of collections."""
    parts = shapely.get_parts(geometry)
    while np.isin(kinds := shapely.get_type_id(parts), (MULTIPOLYGON, COLLECTION)).any():
        parts = shapely.get_parts(parts)
    found: NDArray[np.object_] = parts[kinds == POLYGON]
    return found


def _expect_valid(parts: NDArray[np.object_]) -> None:
    """Refuse polygons that cross themselves, whose meaning is unclear."""
    invalid = np.flatnonzero(~shapely.is_valid(parts))
    if len(invalid):
        raise RequestError(
            f"file: polygon {invalid[0] + 1} of {len(parts)} is not valid: {explain_validity(parts[invalid[0]])}; "
            'repair it, as "Fix geometries" of QGIS does'
        )


def _merged(parts: NDArray[np.object_]) -> BaseGeometry:
    """One polygon or multipolygon; merges polygons only if they overlap or share an edge."""
    if len(parts) == 1:
        return parts[0]
    alike = shapely.multipolygons(parts)
    return alike if shapely.is_valid(alike) else shapely.union_all(parts)


def _on_the_globe(area: BaseGeometry) -> BaseGeometry:
    """Refuse an area whose longitudes are not within ±540 degrees, or latitudes not within ±90."""
    west, south, east, north = area.bounds
    if south < -90 or north > 90 or east - west > 2 * HALF or west < -3 * HALF or east > 3 * HALF:
        raise RequestError(
            f"file: the polygons extend from {west:.6g} to {east:.6g} degrees east and from {south:.6g} to {north:.6g} "
            "degrees north, which is not on the globe; check the coordinate system of the file"
        )
    return area


def _checked(area: BaseGeometry) -> dict[str, Any]:
    """The area as a request has it; refuse one with too many positions or polygons."""
    count = int(shapely.get_num_coordinates(area))
    if count > MOST_POSITIONS:
        raise RequestError(
            f"file: the polygons have {count:,} positions; at most {MOST_POSITIONS:,} are allowed; simplify them"
        )
    parts = int(shapely.get_num_geometries(area))
    if parts > MOST_POLYGONS:
        raise RequestError(
            f"file: there are {parts:,} separate polygons; at most {MOST_POLYGONS:,} are allowed; leave some out"
        )
    geometry: dict[str, Any] = json.loads(json.dumps(mapping(area)))
    try:
        Area.model_validate({"geometry": geometry})
    except ValidationError as error:
        raise RequestError(
            f"file: the polygons are not a valid area: {error.errors(include_url=False)[0]['msg']}"
        ) from None
    return geometry
