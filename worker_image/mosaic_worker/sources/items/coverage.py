"""How much of an area scenes cover: by what Items draw, which is for notes only, and by where their files are.

What an Item draws may be wrong: the whole cell where half of it is empty, or half the world where it crosses the
antimeridian. So no scene is left out because of it.
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
"""Of the area; a smaller gap is what roughly drawn footprints leave."""
MARGIN = 0.05
"""Of the width and height of the box around a file."""
WIDEST = 180
"""Degrees; a footprint that is wider was mangled at the antimeridian, or says nothing."""


def footprint(geometry: Mapping[str, Any] | None) -> BaseGeometry | None:
    """What an Item draws, in degrees; None if it draws nothing, or nothing that can be true."""
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
    """The box around a file in degrees; None if that is not known."""
    bounds = projected_bounds(grid.bounds, grid.crs, WGS84)
    return None if bounds is None else box(*bounds)


def touches(place: BaseGeometry | None, area: BaseGeometry) -> bool:
    """Whether a place may touch an area, both in degrees; a place that is not known may.

    The box around a file is known by points of its edges, so it is taken somewhat larger; the plan looks again.
    """
    if place is None:
        return True
    return any(part.intersects(area) for part in _turned(scale(place, 1 + MARGIN, 1 + MARGIN), area))


def covered(drawn: BaseGeometry | None, file: BaseGeometry | None, area: BaseGeometry) -> BaseGeometry | None:
    """The part of an area that a scene covers as far as is known: what is drawn, within the file; None if unknown."""
    place = drawn if file is None else file
    if drawn is not None and file is not None:
        within = shapely.union_all(_turned(drawn, file)).intersection(file)
        place = within if within.area > 0 else file  # what is drawn beside the file is wrong
    return None if place is None else shapely.union_all(_turned(place, area)).intersection(area)


def gap(parts: Sequence[BaseGeometry | None], area: BaseGeometry) -> str | None:
    """What to tell a user of the part of the area that no scene covers, if there is one.

    Args:
        parts: what each scene covers of the area.
        area: in degrees, unwrapped.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    missing = 100 * (1 - shapely.union_all(known).area / area.area)
    if missing < GAP_PERCENT:
        return None
    return f"the scenes that were found cover {100 - missing:.0f} % of the area; more dates may cover the rest"


def _turned(place: BaseGeometry, area: BaseGeometry) -> list[BaseGeometry]:
    """A place with longitudes as the area has them, which pass 180 across the antimeridian; empty if it is apart."""
    west, _, east, _ = area.bounds
    left, _, right, _ = place.bounds
    turns = (turn for turn in (-720, -360, 0, 360, 720) if left + turn <= east and right + turn >= west)
    return [translate(place, xoff=turn) for turn in turns]
