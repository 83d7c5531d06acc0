"""Masks: named classes, probabilities, and opening and dilation that are exact to the pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_worker.pixels.morphology import dilate, opened
from mosaic_worker.sources.masks import CLEAR, FLAGGED, UNKNOWN, mask_codes, undetected_classes

from support.scenes.pipeline import masking


def brute_force(flagged, radius):
    ys, xs = np.nonzero(flagged)
    rows, columns = np.mgrid[: flagged.shape[0], : flagged.shape[1]]
    found = np.zeros_like(flagged)
    for y, x in zip(ys, xs, strict=True):
        found |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return found


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 15))
def test_dilates_a_mask_by_exactly_the_radius(flagged, radius):
    before = flagged.copy()
    assert np.array_equal(dilate(flagged, radius), brute_force(flagged, radius))
    assert np.array_equal(flagged, before)


def opened_by_definition(flagged, radius):
    """The union of all discs in the mask and the image."""
    rows, columns = np.mgrid[: flagged.shape[0], : flagged.shape[1]]
    found = np.zeros_like(flagged)
    for y, x in np.ndindex(flagged.shape):
        inside = min(y, x, flagged.shape[0] - 1 - y, flagged.shape[1] - 1 - x) >= radius
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        if inside and flagged[disc].all():
            found |= disc
    return found


@settings(max_examples=50)
@given(
    arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([True] * 9 + [False])),
    st.integers(0, 4),
)
def test_an_opened_mask_is_where_discs_fit(flagged, radius):
    before = flagged.copy()
    assert np.array_equal(opened(flagged, radius), opened_by_definition(flagged, radius))
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
    found = mask_codes(np.arange(12, dtype=np.uint8), "scl", masking(classes))
    assert set(np.flatnonzero(found == FLAGGED)) == numbers
    assert np.flatnonzero(found == UNKNOWN).tolist() == [0]


BITS = {"cloud": (1, 3), "shadow": (4,), "cirrus": (2,), "snow": (5,), "water": (7,)}


@given(
    st.lists(st.sampled_from(sorted(BITS)), unique=True),
    st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    st.sampled_from([np.uint16, np.int32]),
)
def test_classes_are_bits_of_landsats_qa_pixel(classes, numbers, dtype):
    found = mask_codes(np.array(numbers, dtype), "qaPixel", masking(classes))
    for number, code in zip(numbers, found, strict=True):
        wanted = any(number >> place & 1 for name in classes for place in BITS[name])
        assert code == (UNKNOWN if number & 1 else FLAGGED if wanted else CLEAR)


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "fill"), (21824, "clear"), (22280, "cloud"), (23888, "shadow"), (30048, "snow"), (54596, "cirrus")],
)
def test_decodes_values_of_landsat_files(number, name):
    for requested in BITS:
        code = mask_codes(np.array([number], np.uint16), "qaPixel", masking([requested])).item()
        assert code == (UNKNOWN if name == "fill" else FLAGGED if name == requested else CLEAR)


FMASK_BITS = {"cloud": (1, 2), "shadow": (3,), "cirrus": (0,), "snow": (4,), "water": (5,)}


@pytest.mark.parametrize("classes", [[name] for name in FMASK_BITS] + [["cloud", "shadow"], ["snow", "water"], []])
def test_classes_are_bits_of_fmask_and_255_is_fill(classes):
    found = mask_codes(np.arange(256, dtype=np.uint8), "fmask", masking(classes))
    for number, code in enumerate(found):
        wanted = any(number >> place & 1 for name in classes for place in FMASK_BITS[name])
        assert code == (UNKNOWN if number == 255 else FLAGGED if wanted else CLEAR)


def test_1_means_clear_in_cloud_masks_of_earthdaily():
    numbers = np.arange(5, dtype=np.uint8)
    assert mask_codes(numbers, "earthDaily", masking(["cloud"])).tolist() == [UNKNOWN, CLEAR, FLAGGED, CLEAR, CLEAR]
    assert mask_codes(numbers, "earthDaily", masking(["shadow", "cirrus"])).tolist() == [
        UNKNOWN,
        CLEAR,
        CLEAR,
        FLAGGED,
        FLAGGED,
    ]


def test_masks_with_one_class_flag_it_for_any_requested_class():
    numbers = np.array([0, 1, 255], np.uint8)
    for classes in ([], ["snow"]):
        assert mask_codes(numbers, "nonzero", masking(classes)).tolist() == [CLEAR, FLAGGED, FLAGGED]
        assert mask_codes(numbers, "zero", masking(classes)).tolist() == [FLAGGED, CLEAR, CLEAR]


@pytest.mark.parametrize("above", [0, 39.5, 40, 65, 100])
def test_a_probability_of_cloud_is_percent_or_a_fraction(above):
    percent = np.arange(256)
    codes = [UNKNOWN if number > 100 else FLAGGED if number > above else CLEAR for number in percent]
    for dtype in (np.uint8, np.uint16, np.int32):
        assert mask_codes(percent.astype(dtype), "probability", masking(["cloud"], above=above)).tolist() == codes
    for dtype in (np.float32, np.float64):
        fractions = (percent / 100).astype(dtype)
        assert mask_codes(fractions, "probability", masking(["cloud"], above=above)).tolist() == codes


def test_numbers_that_are_no_probabilities_are_unknown():
    numbers = np.array([np.nan, np.inf, -0.01, 0, 1, 1.01], np.float32)
    codes = [UNKNOWN] * 3 + [CLEAR, FLAGGED, UNKNOWN]
    assert mask_codes(numbers, "probability", masking(["cloud"])).tolist() == codes
    assert mask_codes(np.array([-1, 0, 101], np.int16), "probability", masking(["cloud"])).tolist() == [0, 1, 0]


def test_lists_the_classes_that_a_kind_of_mask_does_not_have():
    everything = ["cloud", "shadow", "cirrus", "snow", "water"]
    undetected = {kind: undetected_classes(kind, everything) for kind in ("scl", "earthDaily", "probability", "zero")}
    assert undetected == {"scl": [], "earthDaily": ["snow", "water"], "probability": everything[1:], "zero": []}
