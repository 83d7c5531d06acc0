"""Resamples numbers at positions in an image, with the kernels of GDAL: nearest, bilinear, cubic.

OpenCV interpolates; NaN spreads to all pixels whose kernel touches it, and so does everything outside the image. These
few pixels are computed again from their valid neighbours. OpenCV 4 and earlier round weights to 1/32.
"""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.mesh import Positions

Number = TypeVar("Number", np.float32, np.uint8)
Floats = NDArray[np.float32]
LARGEST_SIDE = 32_766
"""Largest side of an image that OpenCV reads, pixels."""

ROWS = 32
"""Rows that are computed at a time, so that they stay in the cache."""

cv2.setNumThreads(1)  # a worker uses one core


def rounded(places: Positions) -> Positions:
    """The columns and rows of the pixels that contain positions."""
    across, down = (np.floor(axis + np.float32(0.5)) for axis in places)
    return across, down


def nearest(numbers: NDArray[Number], columns_and_rows: Positions, absent: float) -> NDArray[Number]:
    """Pixels of an image, `absent` outside.

    Args:
        numbers: the image, (height, width).
        columns_and_rows: whole numbers, such as those of `rounded`.
        absent: the number that means "no data".
    """
    across, down = columns_and_rows
    if max(numbers.shape) <= LARGEST_SIDE:
        pixels = cv2.remap(numbers, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=absent)
        return np.asarray(pixels, numbers.dtype)
    height, width = numbers.shape
    found = np.full(across.shape, absent, numbers.dtype)
    there = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    found[there] = numbers[down[there].astype(np.intp), across[there].astype(np.intp)]
    return found


def bilinear(values: Floats, places: Positions) -> Floats:
    """Interpolate between the four neighbours of positions, NaN if the pixel that contains the position is NaN.

    Neighbours that are NaN or outside the image do not count.

    Args:
        values: the image, (height, width), NaN for no data.
        places: the positions.
    """
    if max(values.shape) > LARGEST_SIDE:
        found = np.full(places[0].shape, np.nan, np.float32)
    else:
        found = _linear(values, *places, outside=np.nan)
    _repair(found, np.isnan(found), values, places)
    return found


def cubic(values: Floats, places: Positions) -> Floats:
    """Cubic convolution (Catmull-Rom, a = -0.5) of the 16 neighbours of positions; `bilinear` if one of them is NaN.

    OpenCV's own cubic kernel has a = -0.75. The two middle neighbours have positive weights, so one bilinear
    interpolation takes both: nine instead of sixteen.
    """
    if max(values.shape) > LARGEST_SIDE:
        return bilinear(values, places)
    missing = np.isnan(values)
    numbers = np.where(missing, np.float32(0), values) if missing.any() else values
    found = np.zeros(places[0].shape, np.float32)
    for top in range(0, len(found), ROWS):
        rows = slice(top, top + ROWS)
        _add_cubic(numbers, places[0][rows], places[1][rows], found[rows])
    if numbers is not values or not _all_inside(values, places):
        near_missing = cv2.dilate(
            missing.view(np.uint8), np.ones((4, 4), np.uint8), anchor=(1, 1),
            borderType=cv2.BORDER_CONSTANT, borderValue=1,
        )  # fmt: skip
        corners = np.floor(places[0]), np.floor(places[1])
        _repair(found, nearest(np.asarray(near_missing, np.uint8), corners, 1) != 0, values, places)
    return found


def _all_inside(values: Floats, places: Positions) -> bool:
    """Whether all positions have 16 neighbours in the image."""
    return all(
        bool(axis.min() >= 1 and axis.max() < side - 2) for axis, side in zip(places, values.shape[::-1], strict=True)
    )


def _linear(values: Floats, across: Floats, down: Floats, outside: float) -> Floats:
    """Interpolate between four neighbours, with a number for those outside the image; NaN if one of them is NaN."""
    found = cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)
    return np.asarray(found, np.float32)


def _repair(found: Floats, broken: NDArray[np.bool_], values: Floats, places: Positions) -> None:
    """Replace broken pixels by the mean of their valid neighbours, with bilinear weights; NaN if `nearest` is NaN."""
    if not broken.any():
        return
    found[broken] = np.nan
    broken &= ~np.isnan(nearest(values, rounded(places), np.nan))
    across, down = (axis[broken].astype(np.float64) for axis in places)
    height, width = values.shape
    total, weights = np.zeros(across.shape), np.zeros(across.shape)
    for row in (np.floor(down), np.floor(down) + 1):
        for column in (np.floor(across), np.floor(across) + 1):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            number = values[np.where(inside, row, 0).astype(np.intp), np.where(inside, column, 0).astype(np.intp)]
            weight = np.where(inside & ~np.isnan(number), (1 - np.abs(across - column)) * (1 - np.abs(down - row)), 0)
            total += weight * np.where(weight > 0, number, 0)
            weights += weight
    found[broken] = total / weights


def _add_cubic(values: Floats, across: Floats, down: Floats, found: Floats) -> None:
    """Add the cubic convolution at positions."""
    left, upper = np.floor(across), np.floor(down)
    columns = _taps(across - left, left)
    for y, weight_y in _taps(down - upper, upper):
        line = np.zeros(across.shape, np.float32)
        for x, weight_x in columns:
            line += weight_x * _linear(values, x, y, outside=0)
        line *= weight_y
        found += line


def _taps(t: Floats, first: Floats) -> list[tuple[Floats, Floats]]:
    """Positions and weights of the neighbours along an axis: the outer left one, the middle pair, the outer right one.

    Args:
        t: the distance from the inner left neighbour, 0 to 1.
        first: the position of the inner left neighbour.
    """
    one, half = np.float32(1), np.float32(0.5)
    s = one - t
    before, after = -half * t * s * s, -half * s * t * t
    inner_right = half * t * (one + t * (np.float32(4) - np.float32(3) * t))
    middle = one - before - after
    return [(first - one, before), (first + inner_right / middle, middle), (first + np.float32(2), after)]
