"""Composites, against plain numpy; and the order in which scenes are preferred."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds.errors import RequestError
from mosaic_worker.pixels.composite import reducer, scene_order

stacks = arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.just(2), st.just(3), st.just(4)),
    elements=st.one_of(st.floats(-1, 1, width=32), st.just(np.float32(np.nan))),
)


def composed(stack, method, percentile=None, counting=True):
    work = reducer(method, percentile, stack.shape[1:], len(stack), counting=counting)
    for number, layer in enumerate(stack, 1):
        before = layer.copy()
        work.add(number, layer)
        assert np.array_equal(layer, before, equal_nan=True)
    return work.result()


def masked(stack):
    """A pixel of a scene counts when all of its bands have a value."""
    whole = np.where(np.isnan(stack).any(axis=1, keepdims=True), np.nan, stack.astype(np.float64))
    return whole, np.isfinite(whole).all(axis=1)


@given(stacks, st.sampled_from(["mean", "median", "min", "max"]))
@pytest.mark.filterwarnings("ignore:(All-NaN|Mean of empty):RuntimeWarning")
def test_a_reduction_gives_what_numpy_gives(stack, method):
    whole, valid = masked(stack)
    result = composed(stack, method)
    np.testing.assert_allclose(result.values, getattr(np, f"nan{method}")(whole, axis=0), rtol=1e-6, atol=1e-7)
    assert np.array_equal(result.count, valid.sum(axis=0))


@given(stacks, st.floats(0, 100))
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_a_percentile_gives_what_numpy_gives(stack, percentile):
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


def test_full_means_complete_unless_scenes_are_counted():
    full = np.ones((1, 2, 2), np.float32)
    for counting in (False, True):
        work = reducer("oldest", None, (1, 2, 2), 3, counting=counting)
        assert not work.complete
        work.add(1, full)
        assert work.complete is not counting


def test_no_scene_at_all_is_no_data():
    for method in ("latest", "mean", "median", "min", "max", "percentile"):
        result = reducer(method, 10.0, (2, 3, 4), 5, counting=False).result()
        assert np.isnan(result.values).all()
        assert not result.count.any()


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
        ("median", [0, 1, 2]),
        ("mean", [0, 1, 2]),
    ],
)
def test_scenes_come_in_the_methods_order(method, order):
    assert scene_order(method, SEEN) == order


@pytest.mark.parametrize(
    ("method", "lacks"), [("latest", "datetime"), ("oldest", "datetime"), ("leastCloudy", "cloudCover")]
)
def test_a_method_refuses_scenes_that_lack_what_it_needs(method, lacks):
    bare = Seen("bare", None, None)
    with pytest.raises(RequestError, match=f"{method} needs the {lacks} of each scene, and bare has none"):
        scene_order(method, [*SEEN, bare])
    assert scene_order(method, [bare]) == [0]
