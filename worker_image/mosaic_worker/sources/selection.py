"""Which of the Items that a search found are needed, and how much of the area they cover: by their footprints alone."""

from collections.abc import Sequence

import shapely
from mosaic_crds.spec import Composite
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from mosaic_worker.pixels.preference import CHOOSING, scene_order
from mosaic_worker.sources.stac_item import StacItem

SURE_DEGREES = 0.005
"""About 500 m: so far within a footprint there is data, however roughly its edge was drawn."""
GAP_PERCENT = 0.5
"""Of the area; a smaller gap is what roughly drawn footprints leave."""


def needed(items: Sequence[StacItem], composite: Composite, area: BaseGeometry) -> list[StacItem]:
    """The Items without those that lie wholly behind preferred ones.

    Only where the method takes the first scene that is valid, and nothing else asks for the others: masks let later
    scenes through, and counts count them.

    Args:
        items: in any order.
        composite: how they are composed.
        area: in degrees, unwrapped.

    Raises:
        RequestError: the method needs a date or a cloud cover that an Item does not have.
    """
    if composite.method not in CHOOSING or composite.mask or composite.count:
        return list(items)
    found: list[StacItem] = []
    sure: BaseGeometry = shapely.Polygon()
    for item in (items[place] for place in scene_order(composite.method, items)):
        footprint = _unwrapped(item, area)
        if footprint is None or not sure.covers(footprint.intersection(area)):
            found.append(item)
        if footprint is not None:
            sure = sure.union(footprint.buffer(-SURE_DEGREES))
    return found


def gap(items: Sequence[StacItem], area: BaseGeometry) -> str | None:
    """What to tell a user of the part of the area that no footprint covers, if there is one.

    Args:
        items: those that are used.
        area: in degrees, unwrapped.
    """
    footprints = [_unwrapped(item, area) for item in items]
    known = [footprint for footprint in footprints if footprint is not None]
    if len(known) < len(footprints):
        return None
    missing = 100 * (1 - shapely.union_all(known).intersection(area).area / area.area)
    if missing < GAP_PERCENT:
        return None
    return f"the scenes that were found cover {100 - missing:.0f} % of the area; more dates may cover the rest"


def _unwrapped(item: StacItem, area: BaseGeometry) -> BaseGeometry | None:
    """An Item's footprint with longitudes as the area has them, which pass 180 across the antimeridian."""
    footprint = item.footprint
    if footprint is None:
        return None
    valid = shapely.make_valid(footprint)
    return shapely.union_all([translate(valid, xoff=turn) for turn in (-360, 0, 360) if _near(valid, turn, area)])


def _near(footprint: BaseGeometry, turn: float, area: BaseGeometry) -> bool:
    west, _, east, _ = area.bounds
    return bool(footprint.bounds[0] + turn < east and footprint.bounds[2] + turn > west)
