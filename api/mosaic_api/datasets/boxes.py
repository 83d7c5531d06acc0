"""Bounding boxes: [west, south, east, north] in degrees, where west > east crosses the antimeridian."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HALF, TURN = 180.0, 360.0


class Box(NamedTuple):
    """A bounding box; longitudes in [-180, 180], latitudes in [-90, 90]."""

    west: float
    south: float
    east: float
    north: float

    @property
    def crosses(self) -> bool:
        """Whether it crosses the antimeridian."""
        return self.west > self.east

    @property
    def unwrapped_east(self) -> float:
        """The eastern side, increased by 360 if it is less than the western one."""
        return self.east + TURN if self.crosses else self.east

    @property
    def outline(self) -> dict[str, Any]:
        """The outline as GeoJSON, cut at the antimeridian (RFC 7946, 3.1.9); a point if it has no size."""
        if self.west == self.east and self.south == self.north:
            return {"type": "Point", "coordinates": [self.west, self.south]}
        if not self.crosses:
            return {"type": "Polygon", "coordinates": [_ring(self)]}
        halves = (self._replace(east=HALF), self._replace(west=-HALF))
        return {"type": "MultiPolygon", "coordinates": [[_ring(half)] for half in halves]}


def _ring(box: Box) -> list[list[float]]:
    west, south, east, north = box
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def box_around(west: float, south: float, east: float, north: float) -> Box:
    """The box with sides whose longitudes may exceed ±180; east is not less than west."""
    if east - west >= TURN:
        return Box(-HALF, south, HALF, north)
    wide = east > west
    if not -HALF <= west <= HALF or (wide and west == HALF):
        west = (west + HALF) % TURN - HALF
    if not -HALF <= east <= HALF or (wide and east == -HALF):
        east = HALF - (HALF - east) % TURN
    return Box(west, south, east, north)


def smallest_box(boxes: NDArray[np.float64]) -> Box:
    """The narrowest box around rows of west, south, east and north (n, 4), of which east is not less than west."""
    widths = boxes[:, 2] - boxes[:, 0]
    south, north = float(boxes[:, 1].min()), float(boxes[:, 3].max())
    starts = (boxes[:, 0] + HALF) % TURN - HALF
    starts = np.where((boxes[:, 0] >= -HALF) & (boxes[:, 0] <= HALF), boxes[:, 0], starts)  # exact where possible
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], (starts + widths)[order]
    count = len(starts)
    # a second lap, so that each gap between two boxes has all boxes of the first lap before it
    starts, ends = np.concatenate([starts, starts + TURN]), np.concatenate([ends, ends + TURN])
    reached = np.maximum.accumulate(ends)[count - 1 : -1]
    gaps = starts[count:] - reached
    widest = int(np.argmax(gaps))
    if gaps[widest] <= 0:
        return Box(-HALF, south, HALF, north)
    return box_around(float(starts[count + widest] - TURN), south, float(reached[widest]), north)
