"""Resamples an image onto a coarser grid: the mean of the pixels in a pixel of the grid, or whether one is set.

Sums over boxes come from summed-area tables: those of a small part of the image at a time, which stay in the cache.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.mesh import NOWHERE, TOLERANCE, Positions

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Part = tuple[slice, slice]
SIDE = 128
"""Largest side of the part of a grid, pixels, for which a table is made."""
IMAGE_SIDE = 1024
"""About the largest side of a table."""
_ENDS = (slice(None, -1), slice(1, None))
LEAST_SHARE = 1e-4
"""The share of a box that must be valid for a mean; less is within the errors of positions and sums."""


@dataclass(frozen=True)
class _Boxes:
    """Boxes in an image, each array (height, width): 0 is the outer edge of its first pixel."""

    left: Doubles
    top: Doubles
    right: Doubles
    bottom: Doubles


@dataclass(frozen=True)
class BoxesInImage:
    """The boxes of the pixels of a grid in an image.

    Attributes:
        shape: height and width of the grid.
        parts: parts of the grid, their boxes, and the parts of the image that these need, to whose corner they are
            relative.
    """

    shape: tuple[int, int]
    parts: tuple[tuple[Part, _Boxes, Part], ...]


def average(values: Floats, boxes: BoxesInImage) -> Floats:
    """The means of the pixels in boxes, weighted by the covered area; NaN does not count.

    Args:
        values: the image, (height, width), NaN for no data.
        boxes: with the area of the pixels of the grid.

    Returns:
        (height, width) of the grid, NaN where no valid pixel is covered.
    """
    found = np.full(boxes.shape, np.nan, np.float32)
    for here, part_boxes, needed in boxes.parts:
        part = values[needed]
        missing = np.isnan(part)
        area = (part_boxes.right - part_boxes.left) * (part_boxes.bottom - part_boxes.top)
        inside = _clipped(part_boxes, part.shape)
        if missing.any():
            weights = _sums(_table((~missing).view(np.uint8)), inside)
            part = np.where(missing, np.float32(0), part)
        else:
            weights = (inside.right - inside.left) * (inside.bottom - inside.top)
        sums = _sums(_table(part), inside)
        enough = weights > LEAST_SHARE * area
        np.divide(sums, weights, out=found[here], where=enough, casting="same_kind")
    return found


def average_of_blocks(values: Floats, across: int, down: int) -> Floats:
    """The means of blocks of whole pixels; NaN does not count.

    Args:
        values: the image, (height, width), a multiple of the sides of a block; NaN for no data.
        across: the width of a block.
        down: the height of a block.

    Returns:
        (height / down, width / across), NaN where a block has no valid pixel.
    """
    size = values.shape[1] // across, values.shape[0] // down
    missing = np.isnan(values)
    if not missing.any():
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    sums = cv2.resize(np.where(missing, np.float32(0), values), size, interpolation=cv2.INTER_AREA)
    shares = cv2.resize((~missing).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return np.asarray(sums / shares, np.float32)


def any_inside(flags: NDArray[np.bool_], boxes: BoxesInImage) -> NDArray[np.bool_]:
    """Whether any pixel that a box touches is set.

    Args:
        flags: the image, (height, width).
        boxes: with the corners of the pixels of the grid inside.

    Returns:
        (height, width) of the grid.
    """
    found = np.zeros(boxes.shape, np.bool_)
    for here, around, needed in boxes.parts:
        part = flags[needed].view(np.uint8)
        table = cv2.integral(part, sdepth=cv2.CV_32S)
        left, top = np.floor(around.left + TOLERANCE), np.floor(around.top + TOLERANCE)
        right = np.maximum(np.ceil(around.right - TOLERANCE), left + 1)
        bottom = np.maximum(np.ceil(around.bottom - TOLERANCE), top + 1)
        inside = _clipped(_Boxes(left, top, right, bottom), part.shape)
        left, right = inside.left.astype(np.intp), inside.right.astype(np.intp)
        top, bottom = inside.top.astype(np.intp), inside.bottom.astype(np.intp)
        found[here] = table[bottom, right] - table[bottom, left] - table[top, right] + table[top, left] > 0
    return found


def boxes_in_image(
    corners: Positions, shape: tuple[int, int], turn: float | None = None, *, same_area: bool
) -> BoxesInImage:
    """The boxes of pixels that may be rotated in an image.

    Args:
        corners: the positions of the corners of the pixels of the grid, (height + 1, width + 1).
        shape: height and width of the image.
        turn: columns of the image for a whole turn around the Earth, if it can go around.
        same_area: whether boxes have the centre and the area of the pixels; otherwise their corners are inside.
    """
    height, width = (side - 1 for side in corners[0].shape)
    coarser = max(1.0, shape[0] / height, shape[1] / width)
    side = max(1, min(SIDE, int(IMAGE_SIDE / coarser)))
    found = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            around = np.s_[top : top + side + 1, left : left + side + 1]
            x, y = (axis[around].astype(np.float64) for axis in corners)
            boxes = _boxes(x, y, turn, same_area)
            columns = _stretch(boxes.left, boxes.right, shape[1])
            rows = _stretch(boxes.top, boxes.bottom, shape[0])
            moved = _Boxes(
                boxes.left - columns.start,
                boxes.top - rows.start,
                boxes.right - columns.start,
                boxes.bottom - rows.start,
            )
            found.append((np.s_[top : top + side, left : left + side], moved, (rows, columns)))
    return BoxesInImage((height, width), tuple(found))


def _stretch(low: Doubles, high: Doubles, length: int) -> slice:
    """The pixels of an image between the least and the greatest edge, at least one."""
    known = high > NOWHERE / 2
    first = int(np.clip(np.floor(low[known].min(initial=length)) - 1, 0, length - 1))
    last = int(np.clip(np.ceil(high[known].max(initial=0)) + 1, first + 1, length))
    return slice(first, last)


def _boxes(x: Doubles, y: Doubles, turn: float | None, same_area: bool) -> _Boxes:
    """The boxes around pixels with corners; with their area, or with the corners inside. `NOWHERE` if a corner is."""
    first = x[:-1, :-1]
    corners = [(x[rows, columns], y[rows, columns]) for rows in _ENDS for columns in _ENDS]
    if turn is not None:  # the corners of a pixel on the cut are at both ends of the image
        corners = [(each - turn * np.round((each - first) / turn), other) for each, other in corners]
    (left_x, left_y), (right_x, right_y), (lower_x, lower_y), (opposite_x, opposite_y) = corners
    across_x, across_y = (right_x - left_x + opposite_x - lower_x) / 2, (right_y - left_y + opposite_y - lower_y) / 2
    down_x, down_y = (lower_x - left_x + opposite_x - right_x) / 2, (lower_y - left_y + opposite_y - right_y) / 2
    width, height = np.abs(across_x) + np.abs(down_x), np.abs(across_y) + np.abs(down_y)
    if same_area:
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.sqrt(np.abs(across_x * down_y - across_y * down_x) / (width * height))
        width, height = width * scale, height * scale
    centre_x, centre_y = (np.mean([each[axis] for each in corners], axis=0) + 0.5 for axis in (0, 1))
    lost = np.logical_or.reduce([x[rows, columns] == NOWHERE for rows in _ENDS for columns in _ENDS])
    centre_x[lost] = centre_y[lost] = NOWHERE
    width[lost] = height[lost] = 1
    return _Boxes(centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2)


def _clipped(boxes: _Boxes, shape: tuple[int, ...]) -> _Boxes:
    """The parts of boxes within an image."""
    (left, right), (top, bottom) = (
        (np.clip(low, 0, side), np.clip(high, 0, side))
        for low, high, side in ((boxes.left, boxes.right, shape[1]), (boxes.top, boxes.bottom, shape[0]))
    )
    return _Boxes(left, top, right, bottom)


def _table(numbers: NDArray[Any]) -> Doubles:
    """The summed-area table of an image, one larger each way."""
    return np.asarray(cv2.integral(numbers, sdepth=cv2.CV_64F), np.float64)


def _sums(table: Doubles, boxes: _Boxes) -> Doubles:
    """The integrals of pixels over boxes, from a summed-area table: exact, as it is bilinear within each pixel."""
    columns = [_neighbour(edges, table.shape[1]) for edges in (boxes.left, boxes.right)]
    flat = table.ravel()
    rows = [_neighbour(edges, table.shape[0]) for edges in (boxes.top, boxes.bottom)]
    (upper, lower) = (
        [_between(flat, row * table.shape[1] + column, table.shape[1], share_x, share_y) for column, share_x in columns]
        for row, share_y in rows
    )
    found: Doubles = lower[1] - lower[0] - upper[1] + upper[0]
    return found


def _neighbour(edges: Doubles, count: int) -> tuple[NDArray[np.intp], Doubles]:
    """The number before each edge, and its distance."""
    before = np.minimum(edges.astype(np.intp), count - 2)
    return before, edges - before


def _between(table: Doubles, index: NDArray[np.intp], width: int, share_x: Doubles, share_y: Doubles) -> Doubles:
    """The bilinear interpolation of a flat table."""
    upper, lower = table[index], table[index + width]
    upper += share_x * (table[index + 1] - upper)
    lower += share_x * (table[index + width + 1] - lower)
    lower -= upper
    lower *= share_y
    lower += upper
    return lower
