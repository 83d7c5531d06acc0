"""Composite methods compared with plain numpy, the order in which they read scenes, and their list in the contract."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds import composite as contract
from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_worker.composites import METHODS
from mosaic_worker.composites import medoid as medoids
from mosaic_worker.composites.greenest import ndvi
from mosaic_worker.composites.medoid import medoid
from mosaic_worker.composites.observations import Observations

stacks = arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.just(2), st.just(3), st.just(4)),
    elements=st.one_of(st.floats(-1, 1, width=32), st.just(np.float32(np.nan))),
)


def reducer(method, shape, scenes, percentile=None, counting=False, compared=0, chosen=False):
    spec = Composite(method=method, percentile=percentile, count=counting, chosen=chosen)
    return METHODS[method].reducer(spec, shape, scenes, compared)


def composed(stack, method, percentile=None, counting=True, chosen=False):
    work = reducer(method, stack.shape[1:], len(stack), percentile, counting, chosen=chosen)
    for number, layer in enumerate(stack, 1):
        before = layer.copy()
        work.add(number, layer)
        assert np.array_equal(layer, before, equal_nan=True)
    return work.result()


def masked(stack):
    """Hide a pixel of a scene unless all of its bands have a value."""
    whole = np.where(np.isnan(stack).any(axis=1, keepdims=True), np.nan, stack.astype(np.float64))
    return whole, np.isfinite(whole).all(axis=1)


@given(stacks, st.sampled_from(["mean", "median", "min", "max"]))
@pytest.mark.filterwarnings("ignore:(All-NaN|Mean of empty):RuntimeWarning")
def test_a_reduction_has_the_result_of_numpy(stack, method):
    whole, valid = masked(stack)
    result = composed(stack, method)
    np.testing.assert_allclose(result.values, getattr(np, f"nan{method}")(whole, axis=0), rtol=1e-6, atol=1e-7)
    assert np.array_equal(result.count, valid.sum(axis=0))


@given(stacks, st.floats(0, 100))
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_a_percentile_has_the_result_of_numpy(stack, percentile):
    whole, _ = masked(stack)
    expected = np.nanpercentile(whole, percentile, axis=0)
    np.testing.assert_allclose(composed(stack, "percentile", percentile).values, expected, rtol=1e-5, atol=1e-6)


@given(stacks, st.booleans())
def test_the_first_valid_scene_wins_whether_counted_or_not(stack, counting):
    whole, valid = masked(stack)
    result = composed(stack, "latest", counting=counting)
    for row in range(3):
        for column in range(4):
            seen = np.flatnonzero(valid[:, row, column])
            assert result.chosen[row, column] == (seen[0] + 1 if seen.size else 0)
            expected = whole[seen[0], :, row, column] if seen.size else np.full(2, np.nan)
            assert np.array_equal(result.values[:, row, column], expected.astype(np.float32), equal_nan=True)


def test_no_pixel_of_a_complete_tile_is_open_unless_scenes_are_counted():
    full = np.ones((1, 2, 2), np.float32)
    for counting in (False, True):
        work = reducer("oldest", (1, 2, 2), 3, counting=counting)
        useful = work.open_pixels()
        assert useful is None or useful.all()
        work.add(1, full)
        useful = work.open_pixels()
        assert (useful is None) if counting else not useful.any()


def test_only_wanted_pixels_without_a_value_are_open():
    wanted = np.array([[True, True], [False, False]])
    first, every = reducer("latest", (1, 2, 2), 3), reducer("median", (1, 2, 2), 3)
    for work in (first, every):
        work.add(1, np.array([[[1, np.nan], [np.nan, 2]]], np.float32))
    assert first.open_pixels(wanted).tolist() == [[False, True], [False, False]]
    assert every.open_pixels(wanted) is wanted


def test_the_result_without_scenes_is_no_data():
    for method in METHODS:
        result = reducer(method, (2, 3, 4), 5, 10.0 if method == "percentile" else None).result()
        assert np.isnan(result.values).all()
        assert not result.count.any()
        assert not result.chosen.any()


def sums_of_distances(stack):
    """The sum of distances from each scene to all valid scenes, for each pixel, in Python; inf without a value."""
    valid = ~np.isnan(stack).any(axis=1)
    sums = np.full(valid.shape, np.inf)
    for place in np.ndindex(*valid.shape[1:]):
        candidates = np.flatnonzero(valid[(slice(None), *place)])
        vectors = stack[(candidates, slice(None), *place)].astype(np.float64).tolist()
        for candidate, vector in zip(candidates, vectors, strict=True):
            sums[(candidate, *place)] = reduce(add, (distance(vector, other) for other in vectors))
    return sums


def distance(one, other):
    """The Euclidean distance, with squares added in order; `sum` would add more exactly since Python 3.12."""
    return math.sqrt(reduce(add, ((a - b) * (a - b) for a, b in zip(one, other, strict=True))))


def assert_medoid(found, stack):
    """Check that the scenes at these positions, -1 for none, are the first with the smallest sum."""
    sums = sums_of_distances(stack)
    assert np.array_equal(found, np.where(np.isfinite(sums).any(axis=0), sums.argmin(axis=0), -1))


steps = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 9]), st.just(3), st.just(4)),
    elements=st.one_of(st.integers(0, 6).map(np.float32), st.just(np.float32(np.nan))),
)
"""A small range of values, so that there are ties."""


@given(steps, st.sampled_from([1, 5, 100_000]))
def test_the_medoid_is_the_first_of_the_scenes_nearest_to_all_others(stack, chunk):
    before, usual = stack.copy(), medoids.CHUNK
    medoids.CHUNK = chunk
    try:
        found = medoid(stack)
    finally:
        medoids.CHUNK = usual
    seen = ~np.isnan(stack).any(axis=1).all(axis=0)
    assert_medoid(np.where(seen, found, -1), stack)
    assert medoid(stack[:, :, 1:2, 2:3]).item() == found[1, 2]
    assert np.array_equal(stack, before, equal_nan=True)
    result = composed(stack, "medoid")
    assert np.array_equal(result.chosen, np.where(seen, found + 1, 0))
    assert np.array_equal(result.count, (~np.isnan(stack).any(axis=1)).sum(axis=0))
    taken = np.take_along_axis(stack, found[np.newaxis, np.newaxis], 0)[0]
    assert np.array_equal(result.values, np.where(seen, taken, np.nan), equal_nan=True)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=9).filter(lambda values: len(values) % 2))
def test_the_medoid_of_an_odd_number_of_single_values_is_their_median(values):
    stack = np.array(values, np.float32).reshape(-1, 1, 1, 1)
    assert composed(stack, "medoid").values.item() == np.median(stack)


def test_the_medoid_of_two_scenes_is_the_first_and_of_one_scene_itself():
    stack = np.array([[3, 4], [9, 1]], np.float32).reshape(2, 2, 1, 1)
    assert composed(stack, "medoid").chosen.item() == 1
    assert composed(stack[::-1], "medoid").values.ravel().tolist() == [9, 1]
    assert composed(stack[:1], "medoid").values.ravel().tolist() == [3, 4]


def test_the_medoid_is_never_a_scene_without_data_although_values_are_infinite():
    stack = np.array([np.nan, np.inf, 1, 2], np.float32).reshape(4, 1, 1, 1)
    assert composed(stack, "medoid").chosen.item() == 3
    assert composed(stack[:2], "medoid").chosen.item() == 2


@given(stacks, steps)
def test_the_compared_bands_can_differ_from_the_bands_of_the_product(values, compared):
    scenes = min(len(values), len(compared))
    work = reducer("medoid", values.shape[1:], scenes, compared=compared.shape[1])
    for number in range(scenes):
        work.add(number + 1, values[number], compared[number])
    result = work.result()
    both = np.concatenate([values[:scenes], compared[:scenes]], axis=1)
    valid = ~np.isnan(both).any(axis=1)
    hidden = np.where(valid[:, np.newaxis], compared[:scenes], np.nan)
    assert_medoid(result.chosen.astype(int) - 1, hidden)
    for row, column in np.argwhere(result.chosen):
        taken = values[result.chosen[row, column] - 1, :, row, column]
        assert np.array_equal(result.values[:, row, column], taken)


@given(stacks)
def test_the_greenest_scene_is_the_first_with_the_highest_ndvi(stack):
    work = reducer("greenest", (1, 3, 4), len(stack), compared=1)
    for number, (nir, red) in enumerate(stack, 1):
        work.add(number, nir[np.newaxis], ndvi(nir, red)[np.newaxis])
    result = work.result()
    with np.errstate(all="ignore"):
        green = (stack[:, 0] - stack[:, 1]) / (stack[:, 0] + stack[:, 1])
    green[~(np.abs(green) <= 1)] = -2
    green[np.isnan(stack).any(axis=1)] = -3
    first = green.argmax(axis=0)
    seen = green.max(axis=0) > -3
    assert np.array_equal(result.chosen, np.where(seen, first + 1, 0))
    taken = np.take_along_axis(stack[:, 0], first[np.newaxis], 0)[0]
    assert np.array_equal(result.values[0], np.where(seen, taken, np.nan), equal_nan=True)


def test_the_compared_ndvi_distinguishes_no_data_from_an_undefined_value():
    nir = np.array([0.75, 0.3, 0.0, np.nan, 0.1], np.float32)
    red = np.array([0.25, -0.2, 0.0, 0.1, np.nan], np.float32)
    assert np.array_equal(ndvi(nir, red), np.array([0.5, -2, -2, np.nan, np.nan], np.float32), equal_nan=True)


def test_greenest_reads_red_and_nir_beside_the_products_bands():
    assert METHODS["greenest"].bands_to_read(("red", "green")) == ("red", "green", "nir")
    assert METHODS["medoid"].bands_to_read(("red", "green")) == ("red", "green")


@dataclass(frozen=True)
class Seen:
    id: str
    datetime: datetime | None
    cloud_cover: float | None


SEEN = [
    Seen("a", datetime(2024, 7, 2, tzinfo=UTC), 30),
    Seen("b", datetime(2024, 7, 3, tzinfo=UTC), 10),
    Seen("c", datetime(2024, 7, 1, tzinfo=UTC), 10),
]


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("latest", [1, 0, 2]),
        ("oldest", [2, 0, 1]),
        ("leastCloudy", [1, 2, 0]),
        ("greenest", [1, 0, 2]),
        ("medoid", [1, 0, 2]),
        ("median", [0, 1, 2]),
        ("mean", [0, 1, 2]),
    ],
)
def test_scenes_come_in_the_methods_order(method, order):
    assert METHODS[method].order(SEEN) == order


@pytest.mark.parametrize(
    ("method", "lacks"), [("latest", "datetime"), ("oldest", "datetime"), ("leastCloudy", "cloudCover")]
)
def test_a_method_refuses_scenes_without_the_required_metadata(method, lacks):
    bare = Seen("bare", None, None)
    with pytest.raises(RequestError, match=f"{method} needs the {lacks} of each scene, and bare has none"):
        METHODS[method].order([*SEEN, bare])
    assert METHODS[method].order([bare]) == [0]


def test_compared_scenes_without_a_date_are_allowed_and_come_last():
    assert METHODS["medoid"].order([Seen("bare", None, None), *SEEN]) == [2, 1, 3, 0]


def test_the_contract_lists_the_methods_of_the_registry_and_describes_each():
    assert list(METHODS) == list(get_args(contract.Method)) == list(contract.METHODS)
    assert all(name == method.name for name, method in METHODS.items())
    assert all(METHODS[name].takes_first_valid == info.takes_first for name, info in contract.METHODS.items())
    assert len({info.title for info in contract.METHODS.values()}) == len(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_only_methods_that_choose_one_scene_per_pixel_report_the_chosen_scene(method):
    layers = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    work = reducer(method, (1, 2, 2), 3, 10.0 if method == "percentile" else None, compared=1)
    for number, layer in enumerate(layers, 1):
        work.add(number, layer, layer)
    assert work.result().chosen.all() == contract.METHODS[method].takes_scenes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("of", ["product", "bands"])
def test_a_method_compares_as_many_layers_as_its_memory_estimate_assumes(method, of):
    bands, one = ("red", "blue"), METHODS[method]
    layers = one.compared(of, bands, dict.fromkeys(one.bands_to_read(bands), np.ones((2, 2), np.float32)))
    assert one.compared_layers(of, bands) == (0 if layers is None else len(layers))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chosen", [False, True])
def test_the_memory_estimate_includes_all_scenes_that_a_method_keeps(method, chosen):
    percentile = 10.0 if method == "percentile" else None

    def held(scenes):
        work = reducer(method, (1, 64, 64), scenes, percentile, chosen=chosen)
        parts = [work, *(value for value in vars(work).values() if isinstance(value, Observations))]
        return sum(value.nbytes for part in parts for value in vars(part).values() if isinstance(value, np.ndarray))

    spec = Composite(method=method, percentile=percentile, chosen=chosen)
    assert (held(9) > held(3)) == METHODS[method].keeps_scenes(spec)
