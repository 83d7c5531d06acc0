"""Computes overviews, each half as large as the previous one."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Reduction = Literal["mean", "first"]
MEAN: Reduction = "mean"
FIRST: Reduction = "first"

_STRIP = 64


def halve(values: Floats, reductions: Sequence[Reduction]) -> Floats:
    """Half the size, rounded up.

    Args:
        values: float32 (bands, height, width), NaN for no data.
        reductions: for each band: the mean of the valid ones of 2 x 2 pixels; or the first one, for numbers without a
            mean, such as numbers of scenes.
    """
    bands, height, width = values.shape
    found = np.empty((bands, -(-height // 2), -(-width // 2)), np.float32)
    for band, reduction in enumerate(reductions):
        if reduction == "first":
            found[band] = values[band, ::2, ::2]
            continue
        for row in range(0, height, 2 * _STRIP):
            strip = values[band, row : row + 2 * _STRIP]
            found[band, row // 2 : row // 2 + -(-strip.shape[0] // 2)] = _means(strip)
    return found


def _means(strip: Floats) -> Floats:
    odd = (strip.shape[0] % 2, strip.shape[1] % 2)
    if any(odd):
        strip = np.pad(strip, ((0, odd[0]), (0, odd[1])), constant_values=np.nan)
    corners = (strip[::2, ::2], strip[::2, 1::2], strip[1::2, ::2], strip[1::2, 1::2])
    with np.errstate(over="ignore"):
        means: Floats = (corners[0] + corners[1] + corners[2] + corners[3]) * np.float32(0.25)
    partly = np.isnan(means)
    if partly.any():
        four = np.stack([corner[partly] for corner in corners])
        valid = ~np.isnan(four)
        count = valid.sum(axis=0, dtype=np.float32)
        with np.errstate(over="ignore"):
            total = np.where(valid, four, np.float32(0)).sum(axis=0, dtype=np.float32)
        means[partly] = np.divide(total, count, out=np.full(count.shape, np.nan, np.float32), where=count > 0)
    too_large = np.isinf(means)
    if too_large.any():  # the sum overflows float32, but not the mean
        four = np.stack([corner[too_large] for corner in corners])
        means[too_large] = np.nanmean(four, axis=0, dtype=np.float64)
    return means
