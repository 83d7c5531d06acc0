"""`spec.area`: the area of interest."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mosaic_crds.fields import Model, Rule, broken, exactly_one

MOST_POSITIONS = 10_000
MOST_POLYGONS = 1000
WGS84_NAME = (
    "^(?i:urn:ogc:def:crs:(ogc:[0-9.]*:crs84h?|epsg:[0-9.]*:(4326|4979))|(ogc:)?crs84h?|epsg:(4326|4979)|"
    "https?://www[.]opengis[.]net/def/crs/(ogc/[0-9.]+/crs84h?|epsg/[0-9.]+/(4326|4979)))$"
)
"""The names of WGS 84 that are accepted in the member `crs` of GeoJSON before RFC 7946."""
OTHER_CRS = "use longitudes and latitudes in WGS 84 (RFC 7946): reproject the polygons to EPSG:4326"
GEOJSON_COLLECTIONS = ("Feature", "FeatureCollection", "GeometryCollection")
"""GeoJSON types that contain geometries."""
GEOJSON_TYPES = (
    *GEOJSON_COLLECTIONS, "Polygon", "MultiPolygon", "Point", "MultiPoint", "LineString", "MultiLineString",
)  # fmt: skip


def _is_position(position: Any) -> bool:
    return (
        isinstance(position, list)
        and len(position) in {2, 3}
        and all(isinstance(number, int | float) and not isinstance(number, bool) for number in position)
        and abs(position[0]) <= 360
        and abs(position[1]) <= 90
    )


def _is_polygon(polygon: Any) -> bool:
    """Closed rings of at least 4 positions (RFC 7946, 3.1.6)."""
    return (
        isinstance(polygon, list)
        and len(polygon) > 0
        and all(
            isinstance(ring, list) and len(ring) >= 4 and all(map(_is_position, ring)) and ring[0] == ring[-1]
            for ring in polygon
        )
    )


def is_wgs84(name: str) -> bool:
    """Whether a name in the old GeoJSON member `crs` means WGS 84."""
    return re.match(WGS84_NAME, name) is not None


IN_WGS84 = Rule(
    server=f"self.matches('{WGS84_NAME}')",
    holds=is_wgs84,
    message=OTHER_CRS,
)


class CrsName(Model):
    """A name of a coordinate reference system."""

    name: Annotated[str, Field(max_length=128), IN_WGS84]
    """A name of WGS 84, such as urn:ogc:def:crs:OGC:1.3:CRS84."""


class NamedCrs(Model):
    """The coordinate reference system, as in GeoJSON before RFC 7946."""

    type: Literal["name"]
    """name."""
    properties: CrsName
    """The name of the coordinate reference system."""


class Geometry(Model):
    """A GeoJSON Polygon or MultiPolygon (RFC 7946), longitudes and latitudes in degrees, WGS 84."""

    rules = (
        Rule(
            server=None,
            holds=lambda geometry: all(map(_is_polygon, geometry.polygons)),
            message="use closed rings of at least 4 positions [longitude, latitude] within [-360, 360] and [-90, 90], "
            "nested as in GeoJSON for the type",
            field="coordinates",
        ),
        Rule(
            server=None,
            holds=lambda geometry: sum(len(ring) for rings in geometry.polygons for ring in rings) <= MOST_POSITIONS,
            message=f"it must have at most {MOST_POSITIONS:,} positions: simplify the polygon",
            field="coordinates",
        ),
    )

    type: Literal["Polygon", "MultiPolygon"]
    """Polygon or MultiPolygon."""
    coordinates: Annotated[list[Any], Field(min_length=1, max_length=MOST_POLYGONS)]
    """Rings of [longitude, latitude], nested as in GeoJSON for the type; at most 10,000 positions in total. Heights are
    ignored."""
    bbox: Annotated[list[float], Field(max_length=6)] | None = None
    """The bounds in GeoJSON; ignored."""
    crs: NamedCrs | None = None
    """The coordinate reference system, as in GeoJSON before RFC 7946; only WGS 84 is allowed."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_collections(cls, given: Any) -> Any:
        """Refuse a Feature or collection with advice; the API server would only list unknown fields."""
        if isinstance(given, dict) and given.get("type") in GEOJSON_COLLECTIONS:
            raise broken(f"use Polygon or MultiPolygon: give only the geometry of the {given['type']}", "type")
        return given

    @property
    def polygons(self) -> list[Any]:
        """The rings of each polygon."""
        return [self.coordinates] if self.type == "Polygon" else self.coordinates


def _within_the_world(box: Any) -> bool:
    if len(box) != 4:
        return False
    west, south, east, north = box
    return bool(
        min(west, east) >= -360 and max(west, east) <= 360 and east - west <= 360 and south >= -90 and north <= 90
    )


WITHIN_THE_WORLD = Rule(
    server="self.size() == 4 && self[0] >= -360.0 && self[0] <= 360.0 && self[2] >= -360.0 && self[2] <= 360.0 && "
    "self[2] - self[0] <= 360.0 && self[1] >= -90.0 && self[3] <= 90.0",
    holds=_within_the_world,
    message="use [west, south, east, north] within [-360, 360] and [-90, 90] degrees, at most 360 wide, "
    "such as [15, 45, 16.5, 46]",
)
IN_ORDER = Rule(
    server="self.size() != 4 || (self[1] < self[3] && self[0] != self[2])",
    holds=lambda box: box[1] < box[3] and box[0] != box[2],
    message="south must be less than north, and west differ from east (west > east crosses the antimeridian)",
)


class Area(Model):
    """The area of interest: a bounding box or a polygon."""

    rules = (exactly_one("bbox", "geometry"),)

    bbox: Annotated[list[float], Field(max_length=4), WITHIN_THE_WORLD, IN_ORDER] | None = None
    """The bounding box [west, south, east, north], degrees, WGS 84. Across the antimeridian, west is greater than east
    or longitudes exceed 180 or -180."""
    geometry: Geometry | None = None
    """A GeoJSON Polygon or MultiPolygon, degrees, WGS 84. Pixels outside are no data. Across the antimeridian, cut it
    into parts at 180 and -180 (RFC 7946, 3.1.9), or let longitudes exceed 180 or -180."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_geojson(cls, given: Any) -> Any:
        """Refuse a GeoJSON object in place of an area, with advice."""
        if isinstance(given, dict) and given.get("type") in GEOJSON_TYPES:
            raise broken("give only its Polygon or MultiPolygon, as area.geometry", "type")
        return given
