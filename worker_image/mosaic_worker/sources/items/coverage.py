"""How much of an area scenes cover, by the footprints of Items and the bounds of files.

Footprints are only used for notes, because they can be wrong: a whole cell of which half is empty, or half the world
for a scene at the antimeridian. So no scene is skipped because of its footprint.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import shapely
from shapely.affinity import scale, translate
from shapely.errors import ShapelyError
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, projected_bounds

GAP_PERCENT = 0.5
"""Of the area; rough footprints leave smaller gaps."""
MARGIN = 0.05
"""Of the width and height of the box around a file."""
WIDEST = 180
"""Degrees; wider footprints are wrong, usually at the antimeridian."""


def footprint(geometry: Mapping[str, Any] | None) -> BaseGeometry | None:
    """The footprint of an Item, in degrees; None if it is missing or cannot be right."""
    if not geometry:
        return None
    try:
        drawn = shapely.make_valid(shape(geometry))
    except (ShapelyError, KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    parts = [part for part in shapely.get_parts(drawn) if part.area > 0]
    widths = [part.bounds[2] - part.bounds[0] for part in parts]
    return drawn if parts and max(widths) <= WIDEST else None


def file_bounds(grid: Grid) -> BaseGeometry | None:
    """The bounding box of a file in degrees; None if unknown."""
    bounds = projected_bounds(grid.bounds, grid.crs, WGS84)
    return None if bounds is None else box(*bounds)


def touches(place: BaseGeometry | None, area: BaseGeometry) -> bool:
    """Whether a place may touch an area, both in degrees; an unknown place may.

    The box of a file is computed from points on its edges, so it is enlarged; the plan checks again.
    """
    if place is None:
        return True
    return any(part.intersects(area) for part in _turned(scale(place, 1 + MARGIN, 1 + MARGIN), area))


def covered(drawn: BaseGeometry | None, file: BaseGeometry | None, area: BaseGeometry) -> BaseGeometry | None:
    """The part of an area that a scene covers: the footprint within the file; None if unknown."""
    place = drawn if file is None else file
    if drawn is not None and file is not None:
        within = shapely.union_all(_turned(drawn, file)).intersection(file)
        place = within if within.area > 0 else file  # a footprint outside the file is wrong
    return None if place is None else shapely.union_all(_turned(place, area)).intersection(area)


def gap(parts: Sequence[BaseGeometry | None], area: BaseGeometry) -> str | None:
    """A note on the part of an area that no scene covers, if any.

    Args:
        parts: the part that each scene covers.
        area: in degrees, unwrapped.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    missing = 100 * (1 - shapely.union_all(known).area / area.area)
    if missing < GAP_PERCENT:
        return None
    return f"the scenes cover {100 - missing:.0f} % of the area; more dates may cover the rest"


def _turned(place: BaseGeometry, area: BaseGeometry) -> list[BaseGeometry]:
    """A place moved by whole turns to the longitudes of an area; empty if they are apart."""
    west, _, east, _ = area.bounds
    left, _, right, _ = place.bounds
    turns = (turn for turn in (-720, -360, 0, 360, 720) if left + turn <= east and right + turn >= west)
    return [translate(place, xoff=turn) for turn in turns]
