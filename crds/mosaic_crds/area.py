"""`spec.area`: where a mosaic is."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mosaic_crds.fields import Model, Rule, exactly_one

MOST_POSITIONS = 10_000


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


class Geometry(Model):
    """A GeoJSON Polygon or MultiPolygon (RFC 7946), longitudes and latitudes in degrees, WGS 84."""

    rules = (
        Rule(
            server=None,
            holds=lambda geometry: all(map(_is_polygon, geometry.polygons)),
            message="closed rings of at least 4 positions [longitude, latitude] within [-360, 360] and [-90, 90] are "
            "allowed, nested as GeoJSON does for the type",
            field="coordinates",
        ),
        Rule(
            server=None,
            holds=lambda geometry: sum(len(ring) for rings in geometry.polygons for ring in rings) <= MOST_POSITIONS,
            message=f"at most {MOST_POSITIONS:,} positions are allowed, so simplify the polygon",
            field="coordinates",
        ),
    )

    type: Literal["Polygon", "MultiPolygon"]
    """Polygon or MultiPolygon."""
    coordinates: Annotated[list[Any], Field(min_length=1, max_length=1000)]
    """Rings of [longitude, latitude], nested as GeoJSON does for the type; at most 10,000 positions in all."""

    @property
    def polygons(self) -> list[Any]:
        """The rings of each polygon."""
        return [self.coordinates] if self.type == "Polygon" else self.coordinates


def _within_the_world(area: Any) -> bool:
    if area.bbox is None:
        return True
    west, south, east, north = area.bbox
    return bool(
        min(west, east) >= -360 and max(west, east) <= 360 and east - west <= 360 and south >= -90 and north <= 90
    )


class Area(Model):
    """Where the mosaic is: a box or a polygon."""

    rules = (
        exactly_one("bbox", "geometry"),
        Rule(
            server="!has(self.bbox) || (self.bbox[0] >= -360.0 && self.bbox[0] <= 360.0 && self.bbox[2] >= -360.0 && "
            "self.bbox[2] <= 360.0 && self.bbox[2] - self.bbox[0] <= 360.0 && self.bbox[1] >= -90.0 && "
            "self.bbox[3] <= 90.0)",
            holds=_within_the_world,
            message="[west, south, east, north] within [-360, 360] and [-90, 90] degrees is allowed, at most 360 wide",
            field="bbox",
        ),
        Rule(
            server="!has(self.bbox) || (self.bbox[1] < self.bbox[3] && self.bbox[0] != self.bbox[2])",
            holds=lambda area: area.bbox is None or (area.bbox[1] < area.bbox[3] and area.bbox[0] != area.bbox[2]),
            message="south must be less than north, and west not east (west > east crosses the antimeridian)",
            field="bbox",
        ),
    )

    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None
    """[west, south, east, north], degrees, WGS 84. A box across the antimeridian has west > east, or longitudes beyond
    180 or -180."""
    geometry: Geometry | None = None
    """A GeoJSON Polygon or MultiPolygon, degrees, WGS 84; there is no data outside it. Across the antimeridian it is
    cut into parts that end at 180 and begin at -180 (RFC 7946, 3.1.9), or its longitudes go on beyond 180 or -180."""
