"""Compares the pixels of a peer with ours, before its time counts."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SAMPLE = 2048
"""Side of the compared windows in pixels."""


def assert_same(ours: Path, theirs: Path, tolerance: float) -> None:
    """Compare a peer's pixels with ours in three windows: half of the values, and nearly all pixels without data.

    Raises:
        AssertionError: The pixels differ, so that the time of the peer means nothing.
    """
    with rasterio.open(ours) as one, rasterio.open(theirs) as other:
        assert (one.width, one.height) == (other.width, other.height), f"{theirs} has another size"
        side = min(SAMPLE, one.width, one.height)
        for share in (0.0, 0.5, 1.0):
            window = Window(int(share * (one.width - side)), int(share * (one.height - side)), side, side)
            expected, found = (image.read(1, window=window, masked=True).filled(np.nan) for image in (one, other))
            apart = np.abs(expected - found)[~np.isnan(expected) & ~np.isnan(found)]
            unlike = (np.isnan(expected) != np.isnan(found)).mean()
            assert unlike < 0.01, f"{theirs} has values where ours has none, or the reverse: {unlike:.2%}"
            assert apart.size > 0.3 * expected.size, f"{theirs} and ours share too few values"
            assert np.median(apart) <= tolerance, f"{theirs} differs by {np.median(apart)} in half of its pixels"
