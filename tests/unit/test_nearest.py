"""`chosen` with methods that do not take whole scenes: the scene nearest to the composite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds import composite as contract
from mosaic_crds.composite import Composite
from mosaic_worker.composites import METHODS
from mosaic_worker.composites import stack as kept

STATISTICS = [name for name, info in contract.METHODS.items() if not info.takes_scenes]
stacks = arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.sampled_from([1, 3]), st.just(3), st.just(4)),
    elements=st.one_of(st.floats(-1, 1, width=32), st.integers(0, 3).map(np.float32), st.just(np.float32(np.nan))),
)


def composed(stack, method, *, chosen, enough=None):
    percentile = 30 if method == "percentile" else None
    spec = Composite(method=method, percentile=percentile, chosen=chosen, enough=enough)
    work = METHODS[method].reducer(spec, stack.shape[1:], len(stack), 0)
    for number, layer in enumerate(stack, 1):
        work.add(number, layer)
    return work.result()


@given(stacks, st.sampled_from(STATISTICS), st.sampled_from([1, 100_000]))
@settings(max_examples=40)
def test_a_statistic_names_the_first_of_the_scenes_nearest_to_it_and_keeps_its_values(stack, method, numbers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "NUMBERS_AT_ONCE", numbers)
        result = composed(stack, method, chosen=True)
    without = composed(stack, method, chosen=False)
    assert np.array_equal(result.values, without.values, equal_nan=True)
    assert np.array_equal(result.count, without.count)
    assert not without.chosen.any()
    distances = np.square(stack.astype(np.float64) - result.values).sum(axis=1)
    distances[np.isnan(stack).any(axis=1)] = np.inf
    expected = np.where(np.isinf(distances).all(axis=0), 0, distances.argmin(axis=0) + 1)
    assert np.array_equal(result.chosen, expected)


@pytest.mark.parametrize(("method", "expected"), [("median", 3), ("min", 1), ("max", 2), ("geomedian", 3)])
def test_the_first_scene_with_the_value_is_chosen(method, expected):
    stack = np.array([1, 9, 5, 5, 1, 9, 5], np.float32).reshape(-1, 1, 1, 1)
    assert composed(stack, method, chosen=True).chosen.item() == expected


@given(stacks, st.sampled_from(STATISTICS), st.integers(1, 3))
@settings(max_examples=30)
def test_only_the_first_observations_are_compared_if_they_are_enough(stack, method, enough):
    valid = ~np.isnan(stack).any(axis=1)
    used = np.where((valid & (valid.cumsum(axis=0) <= enough))[:, np.newaxis], stack, np.nan).astype(np.float32)
    found, expected = composed(stack, method, chosen=True, enough=enough), composed(used, method, chosen=True)
    assert np.array_equal(found.values, expected.values, equal_nan=True)
    assert np.array_equal(found.chosen, expected.chosen)


def test_numbers_of_scenes_that_were_not_read_are_skipped():
    work = METHODS["max"].reducer(Composite(method="max", chosen=True), (1, 1, 1), 3, 0)
    work.add(4, np.array([[[1]]], np.float32))
    work.add(9, np.array([[[2]]], np.float32))
    assert work.result().chosen.item() == 9
