"""Converts a row of the table `overlays` to a spec, or to the reason why it is invalid."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from mosaic_crds.errors import RequestError
from mosaic_crds.times import timestamp
from sqlalchemy import Row

COLLECTION = "ai-ready-mosaics"
YEAR = timedelta(days=365)
"""Maximum age of a scene."""
FIRST, LAST = datetime(1900, 1, 1), datetime(3000, 1, 1)
"""Valid values of `created`; others are mistakes, or unknown to Python."""
EARTH_RADIUS = 6_378_137.0
"""Metres; the sphere of EPSG:3857."""
_METRES_PER_DEGREE = 2 * math.pi * EARTH_RADIUS / 360


@dataclass(frozen=True)
class OverlaySpec:
    """The spec of a row.

    Attributes:
        spec: of a MosaicRequest; incomplete if the row is invalid.
        wrong: why the row is invalid, and what to do; empty if it is valid.
    """

    spec: dict[str, Any]
    wrong: str = ""

    @classmethod
    def by(cls, row: "Row[Any]", noticed: datetime, max_pixels: int) -> Self:
        """Convert a row of `overlays` as `_row` reads it. One without `created` counts from when it was noticed."""
        until = row.time.replace(tzinfo=UTC) if row.time else noticed
        interval = "/".join(timestamp(moment) for moment in (until - YEAR, until))
        spec: dict[str, Any] = {
            "source": {"earthDaily": {"collection": COLLECTION, "datetime": interval}},
            "product": {"index": "NDVI"},
            "composite": {"method": "latest"},
        }
        try:
            if row.created is not None and row.time is None:
                raise RequestError(f"created is {row.created}; a time from {FIRST:%Y} to {LAST:%Y} is needed")
            box = _box(row)
            _expect_fitting(box, row.resolution, max_pixels)
        except RequestError as error:
            return cls(spec, f"row {row.overlay_id} of overlays: {error}; correct the row")
        grid = {"crs": "utm", "resolution": float(row.resolution)}
        return cls(spec | {"area": {"bbox": box}, "grid": grid})


def _box(row: "Row[Any]") -> list[float]:
    """West, south, east, north of a row; refuse invalid corners."""
    corners = {name: getattr(row, name) for name in ("ul_lat", "ul_lng", "lr_lat", "lr_lng")}
    for name, value in corners.items():
        if value is None:
            raise RequestError(f"{name} is missing")
        most = 90 if name.endswith("lat") else 180
        if not abs(value) <= most:  # also for NaN
            raise RequestError(f"{name} is {value}; between -{most} and {most} degrees are allowed")
    north, west, south, east = corners.values()
    if north <= south:
        raise RequestError(
            f"the upper left corner (ul_lat {north}) is not north of the lower right one (lr_lat {south})"
        )
    if west == east or (west > east and east + 360 - west > 180):
        raise RequestError(f"the upper left corner (ul_lng {west}) is not west of the lower right one (lr_lng {east})")
    return [west, south, east, north]


def _expect_fitting(box: list[float], resolution: int | None, max_pixels: int) -> None:
    """Refuse a resolution that is coarser than the area, or makes too many pixels."""
    if resolution is None or resolution <= 0:
        raise RequestError(f"resolution is {resolution}; it must be positive, in metres")
    west, south, east, north = box
    height = (north - south) * _METRES_PER_DEGREE
    width = (east - west) % 360 * _METRES_PER_DEGREE * math.cos(math.radians((north + south) / 2))
    if resolution > min(width, height):
        raise RequestError(f"resolution is {resolution} m, but the area is {width:,.0f} m x {height:,.0f} m")
    pixels = width * height / resolution**2
    if pixels > max_pixels:
        raise RequestError(f"resolution is {resolution} m, which is {pixels:,.0f} pixels; {max_pixels:,} are allowed")
