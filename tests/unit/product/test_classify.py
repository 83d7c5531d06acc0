"""Classification of float32 values, compared with direct comparisons."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_crds.classes import ProductClass
from mosaic_crds.errors import RequestError
from mosaic_worker.product.classify import STRIP_ROWS, Classifier

NAN = np.float32("nan")


def of_range(name, at_least=None, below=None):
    limits = {"atLeast": at_least, "below": below}
    given = {key: value for key, value in limits.items() if value is not None}
    return ProductClass.model_validate({"name": name, "colour": "#123456", "range": given})


def of_value(name, value):
    return ProductClass.model_validate({"name": name, "colour": "#123456", "value": value})


def compared(classes, values):
    """The numbers of the classes by one comparison after the other."""
    found = np.where(np.isnan(values), np.nan, 255).astype(np.float32)
    for number, each in enumerate(classes, 1):
        if each.range is None:
            inside = values == np.float32(each.value)
        else:
            low, high = each.range.at_least, each.range.below
            inside = ~np.isnan(values)
            inside &= True if low is None else values >= np.float32(low)
            inside &= True if high is None else values < np.float32(high)
        found[inside] = number
    return found


def test_limits_are_float32_so_that_a_value_at_a_limit_is_in_the_upper_class():
    classes = [of_range("low", below=0.7), of_range("high", at_least=0.7)]  # float32(0.7) is less than 0.7
    values = np.array([0.7, 0.1, np.nextafter(np.float32(0.7), np.float32(0)), 5], np.float32)
    assert Classifier(classes).classify(values.reshape(1, 2, 2)).ravel().tolist() == [2, 1, 1, 2]


def test_a_value_is_only_that_number():
    below, above = (np.nextafter(np.float32(3), np.float32(to)) for to in (0, 9))
    values = np.array([3, below, above, NAN, 0, -0.0], np.float32).reshape(1, 1, 6)
    found = Classifier([of_value("three", 3), of_value("zero", 0)]).classify(values)
    assert np.array_equal(found[0, 0], [1, 255, 255, NAN, 2, 2], equal_nan=True)


def test_classes_keep_their_numbers_in_any_order():
    classes = [of_range("c", 2, 3), of_range("a", below=0), of_value("b", 1), of_range("d", 0, 1)]
    values = np.array([2.5, -1, 1, 0, 0.5, 1.5, 3, NAN], np.float32).reshape(1, 2, 4)
    assert np.array_equal(Classifier(classes).classify(values).ravel(), [1, 2, 3, 4, 4, 255, 255, NAN], equal_nan=True)


def test_a_tile_is_classified_in_strips_without_changing_it():
    values = np.random.default_rng(0).normal(0, 1, (1, 2 * STRIP_ROWS + 3, 50)).astype(np.float32)
    values[0, ::7] = NAN
    before, classes = values.copy(), [of_range("a", below=-0.5), of_range("b", 0, 1)]
    assert np.array_equal(Classifier(classes).classify(values), compared(classes, values), equal_nan=True)
    assert np.array_equal(values, before, equal_nan=True)


def test_no_value_is_in_a_class_or_all_are_no_data():
    classifier = Classifier([of_range("far", 100, 200)])
    assert (classifier.classify(np.zeros((1, 3, 3), np.float32)) == 255).all()
    assert np.isnan(classifier.classify(np.full((1, 3, 3), NAN))).all()


ODD = [-1.0, -0.0, 0.0, 0.1, 0.2, 0.3, 0.7, 1.0, 1e18, -1e18]
LIMITS = st.floats(-(2.0**59), 2.0**59, width=32, allow_subnormal=False) | st.sampled_from(
    [-1.0, -0.0, 0.0, 0.1, 0.2, 0.3, 0.7, 1.0, 1e18, -1e18]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(LIMITS, min_size=2, max_size=12, unique_by=np.float32), st.data())
def test_agrees_with_direct_comparisons(limits, data):
    edges = sorted(limits)
    classes = [of_range("first", below=edges[0])] if data.draw(st.booleans()) else []
    for number, (low, high) in enumerate(pairwise(edges)):
        kind = data.draw(st.sampled_from(["range", "value", "gap"]))
        if kind != "gap":
            classes.append(of_value(f"v{number}", low) if kind == "value" else of_range(f"r{number}", low, high))
    classes.append(of_range("last", at_least=edges[-1]))
    classes = data.draw(st.permutations(classes))
    near = [np.nextafter(np.float32(edge), np.float32(to)) for edge in edges for to in (-2e18, 2e18)]
    values = np.array([*edges, *near, 0, -0.0, 3e38, -3e38, NAN], np.float32).reshape(1, 1, -1)
    assert np.array_equal(Classifier(classes).classify(values), compared(classes, values), equal_nan=True)


@pytest.mark.parametrize(
    "classes",
    [
        [of_range("close", 1, 1.000000001)],
        [of_value("one", 1), of_value("close", 1.00000001)],
        [of_range("one", 0, 1.00000001), of_range("close", 1.00000001, 1.00000002)],
        [of_value("one", 1), of_range("close", 1.00000001, 2)],
    ],
)
def test_refuses_limits_that_float32_cannot_tell_apart(classes):
    with pytest.raises(RequestError, match=r"spec\.product\.classes: the limits of close are too close for float32"):
        Classifier(classes)
