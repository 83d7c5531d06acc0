"""Masks: classes by name, and discs exact to the pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_worker.pixels.masks import dilate, scl_flagged


def brute(flagged, radius):
    ys, xs = np.nonzero(flagged)
    rows, columns = np.mgrid[: flagged.shape[0], : flagged.shape[1]]
    found = np.zeros_like(flagged)
    for y, x in zip(ys, xs, strict=True):
        found |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return found


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 15))
def test_a_dilated_mask_reaches_exactly_as_far_as_the_radius(flagged, radius):
    before = flagged.copy()
    assert np.array_equal(dilate(flagged, radius), brute(flagged, radius))
    assert np.array_equal(flagged, before)


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [
        (["cloud"], {8, 9}),
        (["shadow"], {3}),
        (["cirrus"], {10}),
        (["snow"], {11}),
        (["water"], {6}),
        (["cloud", "shadow", "cirrus"], {3, 8, 9, 10}),
        ([], set()),
    ],
)
def test_classes_of_the_scene_classification(classes, numbers):
    assert set(np.flatnonzero(scl_flagged(np.arange(12, dtype=np.uint8), classes))) == numbers
