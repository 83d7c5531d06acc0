"""Positions on a circle: longitudes, and x of cylindrical projections. PROJ cuts them, but files and grids do not."""

import math
from collections.abc import Sequence

import numpy as np
from rasterio.crs import CRS

from mosaic_worker.geometry.projection import Floats, crs_of, proj_parts, proj_text, world_of


def continuous_crs(text: str, middle: float) -> CRS:
    """The same CRS, but PROJ cuts it half the Earth away from a middle.

    Args:
        text: the CRS; `world_of` must know it.
        middle: x of the middle, which may be outside its range.
    """
    crs, world = crs_of(text), world_of(text)
    if world is None:
        raise ValueError("only a CRS that goes around the Earth can be cut elsewhere")
    parts = proj_parts(crs)
    if crs.is_geographic:
        return crs_of(proj_text(parts | {"lon_wrap": math.degrees(middle * crs.units_factor[1])}))
    turned = 360 * (middle - (world[0] + world[1]) / 2) / (world[1] - world[0])
    longitude = float(str(parts.get("lon_0", 0))) + turned
    x = middle * crs.linear_units_factor[1]
    return crs_of(proj_text(parts | {"lon_0": (longitude + 180) % 360 - 180, "x_0": x}))


def closest_turns(stretches: Sequence[tuple[float, float]], period: float) -> list[int]:
    """The turns by which to move each of several intervals on a circle, so that all together are as short as possible.

    The widest gap stays outside; intervals are not moved if that does not help.
    """
    order = sorted(range(len(stretches)), key=lambda number: stretches[number])
    reached = stretches[order[0]][1]
    start, widest = 0, stretches[order[0]][0] + period - max(right for _, right in stretches)
    for place, number in enumerate(order[1:], 1):
        left, right = stretches[number]
        if left - reached > widest:
            start, widest = place, left - reached
        reached = max(reached, right)
    before = set(order[:start])
    return [int(number in before) for number in range(len(stretches))]


def near(text: str, xs: Floats, middle: float) -> Floats:
    """X of places, moved by whole turns to within half a turn of a middle; unchanged if x is not on a circle."""
    world = world_of(text)
    if world is None:
        return xs
    period = world[1] - world[0]
    with np.errstate(invalid="ignore"):  # infinite places become NaN
        turns: Floats = np.round((xs - middle) / period)
        return xs - period * turns


def continuous_longitudes(text: str, xs: Floats, longitudes: Floats) -> Floats:
    """Longitudes of places without the jumps at -180 and 180.

    Args:
        text: the CRS of the places. If its x goes around the Earth, x determines the turn.
        xs: x of the places.
        longitudes: of the places. In other CRSs they must be less than half the Earth apart, or in order along a line.
    """
    world = world_of(text)
    if world is None:
        apart = longitudes[0] + (longitudes - longitudes[0] + 180) % 360 - 180
        return apart if np.ptp(apart) < 180 else np.unwrap(longitudes, period=360)
    even = longitudes[0] + (xs - xs[0]) * 360 / (world[1] - world[0])
    turns: Floats = np.round((even - longitudes) / 360)
    return longitudes + 360 * turns
