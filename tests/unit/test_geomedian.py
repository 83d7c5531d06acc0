"""The geometric median and its deviations, compared with their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds.composite import Composite
from mosaic_worker.composites import METHODS, geomedian
from mosaic_worker.composites.weiszfeld import geometric_median

SMALL = arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 4), st.just(2), st.just(3)),
    elements=st.one_of(st.integers(0, 4).map(np.float32), st.floats(0, 1, width=32), st.just(np.float32(np.nan))),
)
"""With equal observations, and observations on a line."""


def reflectances(scenes, bands, pixels, seed=0):
    """Observations of pixels whose brightness varies, with some clouds and gaps: float32 (scenes, bands, pixels)."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.02, 0.4, (1, bands, pixels))
    values = base * rng.normal(1, 0.1, (scenes, 1, pixels)) + rng.normal(0, 0.01, (scenes, bands, pixels))
    values = np.where(rng.random((scenes, 1, pixels)) < 0.15, rng.uniform(0.3, 0.9, values.shape), values)
    values[np.broadcast_to(rng.random((scenes, 1, pixels)) < 0.2, values.shape)] = np.nan
    return values.astype(np.float32)


def composed(stack, **fields):
    spec = Composite(method="geomedian", of="bands", **fields)
    work = METHODS["geomedian"].reducer(spec, stack.shape[1:], len(stack), 0)
    for number, layer in enumerate(stack, 1):
        work.add(number, layer)
    return work.result()


def sum_of_distances(points, at):
    return np.sqrt(np.square(points - at).sum(axis=1)).sum()


def reference(points, steps=20_000):
    """The geometric median of points (observations, bands) by the plain method of Vardi and Zhang, in many steps."""
    at = points.mean(axis=0)
    for _ in range(steps):
        distances = np.sqrt(np.square(points - at).sum(axis=1))
        far = distances > 1e-14
        weights = 1 / distances[far]
        target = weights @ points[far] / weights.sum()
        force = np.sqrt(np.square(weights @ (points[far] - at)).sum())
        share = min(1.0, (~far).sum() / force) if force else 1.0
        following = (1 - share) * target + share * at
        if np.abs(following - at).max() < 1e-13:
            break
        at = following
    return at


@pytest.mark.parametrize(("scenes", "bands"), [(3, 2), (8, 4), (20, 6)])
def test_the_median_agrees_with_a_slow_reference(scenes, bands):
    stack = reflectances(scenes, bands, 25)
    found = composed(stack[..., np.newaxis]).values[..., 0]
    for pixel in range(stack.shape[2]):
        points = stack[:, :, pixel].astype(np.float64)
        points = points[~np.isnan(points[:, 0])]
        if len(points) > 2:
            assert np.abs(found[:, pixel] - reference(points)).max() < 1e-5


@given(SMALL)
@settings(max_examples=40)
def test_no_other_point_has_a_smaller_sum_of_distances(stack):
    result = composed(stack)
    valid = ~np.isnan(stack).any(axis=1)
    assert np.array_equal(np.isnan(result.values), np.broadcast_to(~valid.any(axis=0), result.values.shape))
    rng = np.random.default_rng(0)
    for row, column in np.argwhere(valid.any(axis=0)):
        points = stack[valid[:, row, column], :, row, column].astype(np.float64)
        found = result.values[:, row, column].astype(np.float64)
        near = found + rng.normal(0, 1, (20, found.size)) * np.geomspace(1e-4, 1, 20)[:, np.newaxis]
        others = [*points, points.mean(axis=0), np.median(points, axis=0), *near]
        assert sum_of_distances(points, found) <= min(sum_of_distances(points, at) for at in others) + 2e-6


@given(SMALL, st.integers(1, 100))
@settings(max_examples=30)
def test_a_pixel_does_not_depend_on_the_others(stack, numbers):
    whole = composed(stack, deviations=True, chosen=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geomedian, "NUMBERS_AT_ONCE", numbers)
        patch.setattr(geomedian, "LEAST_PIXELS", 1)
        parts = composed(stack, deviations=True)
    alone = composed(stack[:, :, 1:, 2:], deviations=True)
    assert np.array_equal(whole.values, parts.values, equal_nan=True)
    assert np.array_equal(whole.deviations, parts.deviations, equal_nan=True)
    assert np.array_equal(whole.values[:, 1:, 2:], alone.values, equal_nan=True)
    assert np.array_equal(whole.deviations[:, 1:, 2:], alone.deviations, equal_nan=True)


def slope(points, at):
    """How steeply the sum of distances falls at a point; 0 at the geometric median."""
    apart = points - at
    distances = np.sqrt(np.square(apart).sum(axis=1))
    far = distances > 1e-9
    force = np.sqrt(np.square((apart[far] / distances[far, np.newaxis]).sum(axis=0)).sum())
    return max(0.0, force - (~far).sum())


@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-4, 1e-5])
def test_it_is_found_where_observations_are_nearly_on_a_line(noise):
    rng = np.random.default_rng(1)
    base = rng.uniform(0.02, 0.4, (1, 2, 400))
    points = (base * rng.normal(1, 0.15, (4, 1, 400)) + rng.normal(0, noise, (4, 2, 400))).round(4)
    found = geometric_median(points, np.ones((4, 400), np.bool_))
    assert max(slope(points[:, :, pixel], found[:, pixel]) for pixel in range(400)) < 1e-4


def test_of_one_observation_it_is_that_one_of_two_the_middle_and_of_equal_ones_any():
    stack = np.array([[0.1, 0.2], [0.3, 0.6], [np.nan, 5]], np.float32)[:, :, np.newaxis, np.newaxis]
    assert composed(stack[:1]).values.ravel().tolist() == stack[0].ravel().tolist()
    assert np.allclose(composed(stack).values.ravel(), [0.2, 0.4], atol=1e-7)
    equal = np.repeat(stack[:1], 5, axis=0)
    assert composed(equal, deviations=True).values.ravel().tolist() == stack[0].ravel().tolist()
    assert np.allclose(composed(equal, deviations=True).deviations, 0, atol=1e-12)
    nothing = composed(np.full_like(stack, np.nan), deviations=True)
    assert np.isnan(nothing.values).all()
    assert np.isnan(nothing.deviations).all()


def test_an_observation_that_is_the_median_is_returned_exactly():
    rng = np.random.default_rng(3)
    around = rng.normal(0, 0.1, (6, 5))
    points = np.concatenate([[np.zeros(5)], around, -around]) + 0.5
    median = geometric_median(points[:, :, np.newaxis], np.ones((13, 1), np.bool_))
    assert median.ravel().tolist() == [0.5] * 5
    assert geometric_median(points[::-1, :, np.newaxis], np.ones((13, 1), np.bool_)).ravel().tolist() == [0.5] * 5


@given(arrays(np.float32, (5, 1, 2, 3), elements=st.floats(0, 1, width=32)), st.integers(1, 5))
@settings(max_examples=20)
def test_of_one_band_it_is_the_median(stack, scenes):
    np.testing.assert_allclose(composed(stack[:scenes]).values, np.median(stack[:scenes], axis=0), rtol=1e-6)


def test_the_deviations_are_medians_of_three_distances():
    stack = reflectances(9, 4, 40)
    result = composed(stack[..., np.newaxis], deviations=True)
    points, median = stack.astype(np.float64), result.values[..., 0].astype(np.float64)
    cosines = (points * median).sum(axis=1) / np.sqrt((points**2).sum(axis=1) * (median**2).sum(axis=0))
    expected = [
        np.nanmedian(np.sqrt(((points - median) ** 2).sum(axis=1)), axis=0),
        np.nanmedian(1 - cosines, axis=0),
        np.nanmedian(np.abs(points - median).sum(axis=1) / np.abs(points + median).sum(axis=1), axis=0),
    ]
    np.testing.assert_allclose(result.deviations[..., 0], expected, atol=2e-6)
    assert (result.deviations > 0).all()


def test_distances_of_zeros_do_not_count():
    stack = np.zeros((3, 2, 1, 1), np.float32)
    assert composed(stack, deviations=True).deviations.ravel()[0] == 0
    assert np.isnan(composed(stack, deviations=True).deviations.ravel()[1:]).all()
