"""The bins of histograms."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bins = Literal["normalised difference", "float32"]
"""Equal bins over [-1, 1]; or bins by the upper 16 bits of a float32 (sign, exponent and 7 bits of the fraction), with
which the error of percentiles is 0.8 %."""

NORMALISED_BINS = 20_000
"""Bins over [-1, 1]: the error of a percentile is 0.0001."""


def bin_edges(bins: Bins, numbers: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """The lower and upper limits of bins."""
    if bins == "normalised difference":
        return numbers / (NORMALISED_BINS / 2) - 1, (numbers + 1) / (NORMALISED_BINS / 2) - 1
    lower, upper = _floats_of(numbers << 16), _floats_of((numbers << 16) | 0xFFFF)
    finite = np.isfinite(lower) & np.isfinite(upper)
    return np.where(finite, lower, 0.0), np.where(finite, upper, 0.0)


def bin_numbers(values: Floats, exact: Doubles, bins: Bins) -> NDArray[np.int32]:
    """The bin of each value.

    Args:
        values: float32, any shape, without NaN.
        exact: the same in float64.
        bins: the kind of bins.
    """
    if bins == "normalised difference":
        shares = exact + 1
        shares *= NORMALISED_BINS / 2
        numbers = shares.astype(np.int32)
        if numbers.max() >= NORMALISED_BINS:  # the value 1 belongs to the last bin
            np.minimum(numbers, NORMALISED_BINS - 1, out=numbers)
        return numbers
    bits = values.view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    return (ordered >> 16).astype(np.int32)


def _floats_of(ordered: NDArray[np.int64]) -> Doubles:
    """The float32 of order-preserving numbers."""
    bits = np.where(ordered >> 31, ordered & 0x7FFFFFFF, ~ordered & 0xFFFFFFFF).astype(np.uint32)
    with np.errstate(invalid="ignore"):  # the upper limit of the bin of infinity is a signalling NaN
        return bits.view(np.float32).astype(np.float64)
