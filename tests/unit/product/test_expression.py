"""Expressions: a closed grammar, with the results of numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.product.expression import parse

RNG = np.random.default_rng(3)
NIR, RED, BLUE = (RNG.uniform(-0.1, 0.9, (40, 50)).astype(np.float32) for _ in range(3))
VALUES = {"nir": NIR, "red": RED, "blue": BLUE}


def expected(formula: str) -> np.ndarray:
    """The value of the formula, computed by Python in float64."""
    names = {name: values.astype(np.float64) for name, values in VALUES.items()}
    functions = {name: getattr(np, name) for name in ("sqrt", "exp", "log", "log10", "abs")}
    with np.errstate(all="ignore"):
        found = eval(formula, {**names, **functions, "min": np.minimum, "max": np.maximum})
    return np.where(np.abs(found) <= np.finfo(np.float32).max, found, np.nan)


@pytest.mark.parametrize(
    "formula",
    [
        "(nir - red) / (nir + red)",
        "2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)",
        "nir",
        "-nir + +red",
        "nir ** 2 - red ** 0.5",
        "nir**-1",
        "sqrt(abs(red)) + exp(-nir) * log10(blue + 2) - log(nir + 1)",
        "min(nir, max(red, blue)) / 3",
        "nir / (red - red)",
        "1e-3 * nir + 1E2",
        "exp(nir * 200)",
        "nir * 1e30 * 1e30",
        "log10(red) / 2",
        "1 / exp(-nir * 200)",
    ],
)
def test_a_formula_has_the_result_of_numpy(formula):
    found = parse(formula).evaluate(VALUES)
    assert found.dtype == np.float32
    truth = expected(formula)
    assert np.array_equal(np.isnan(found), np.isnan(truth))
    np.testing.assert_allclose(found, truth, rtol=2e-4, atol=1e-6)


def test_no_data_stays_no_data_in_min_and_max_too():
    nir = np.array([np.nan, 1.0, np.nan], np.float32)
    red = np.array([2.0, np.nan, np.nan], np.float32)
    for formula in ("min(nir, red)", "max(nir, red)", "nir + red", "0 * nir", "nir ** 0", "nir ** 0.0", "1 ** nir"):
        found = parse(formula).evaluate({"nir": nir, "red": red})
        assert np.isnan(found[[0, 2]]).all()
    assert np.isnan(parse("min(nir, red)").evaluate({"nir": nir, "red": red})).all()


def test_zero_by_zero_and_infinity_are_no_data():
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert np.isnan(parse("nir / red").evaluate({"nir": zero, "red": zero})).all()
    assert np.isnan(parse("nir / red").evaluate({"nir": one, "red": zero})).all()
    assert np.isnan(parse("log(nir)").evaluate({"nir": zero})).all()


def test_does_not_change_its_inputs():
    nir = NIR.copy()
    parse("nir").evaluate({"nir": nir})[:] = 0
    assert np.array_equal(nir, NIR)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('true')",
        "nir.real",
        "nir[0]",
        "[nir]",
        "(nir, red)",
        "nir if red else blue",
        "nir > red",
        "nir and red",
        "not nir",
        "~nir",
        "nir % red",
        "nir // red",
        "nir @ red",
        "nir << 2",
        "lambda: nir",
        "(x := nir)",
        "'nir'",
        "f'{nir}'",
        "True + nir",
        "None",
        "nir + 1j",
        "sin(nir)",
        "sqrt(nir, red)",
        "min(nir)",
        "sqrt(x=nir)",
        "sqrt(*nir)",
        "sqrt",
        "nir; red",
        "nir = red",
        "",
        "nir +",
        "(((((nir)))",
        "1 + 2",
        "1e400 * nir",
        "9" * 400 + " * nir",
        "nir\x00",
        "(" * 300 + "nir" + ")" * 300,
        "-" * 600 + "nir",
    ],
)
def test_refuses_syntax_outside_the_grammar_with_one_sentence(formula):
    with pytest.raises(RequestError, match=r"^spec\.product\.expression: [^\n]+$"):
        parse(formula)


def test_nested_powers_do_not_block_a_worker():
    assert np.isnan(parse("nir * 9**9**9**9").evaluate({"nir": NIR})).all()


@pytest.mark.parametrize(
    ("formula", "normalised"),
    [
        ("(nir - red) / (nir + red)", True),
        ("(nir - red) / (red + nir)", True),
        ("(N - R) / (B08 + red)", True),
        ("(green - (nir + red)) / (green + (nir + red))", True),
        ("(nir - red) / (nir + red) + 0", False),
        ("(nir - red) / (nir + green)", False),
        ("(nir - nir) / (nir + red)", False),
        ("2 * (nir - red) / (nir + red)", False),
        ("(nir + red) / (nir - red)", False),
    ],
)
def test_recognises_a_normalised_difference_by_its_form(formula, normalised):
    assert parse(formula).normalised_difference is normalised


@pytest.mark.parametrize(
    ("formula", "homogeneous"),
    [
        ("(nir - red) / (nir + red)", True),
        ("nir - 0.5 * red", True),
        ("nir * red", True),
        ("sqrt(nir * red) / blue", True),
        ("2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)", False),
        ("1.5 * (nir - red) / (nir + red + 0.5)", False),
        ("exp(nir)", False),
        ("nir + 0.1", False),
    ],
)
def test_a_formula_without_constants_accepts_stored_numbers(formula, homogeneous):
    assert parse(formula).homogeneous is homogeneous


leaves = st.sampled_from(["nir", "red", "blue", "0.5", "2", "3"])
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["abs", "-"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=12,
).filter(lambda formula: any(band in formula for band in VALUES))


@given(formulas)
def test_any_formula_of_the_grammar_has_the_result_of_numpy(formula):
    found, truth = parse(formula).evaluate(VALUES), expected(formula)
    assert found.shape == NIR.shape
    np.testing.assert_allclose(found, np.broadcast_to(truth, NIR.shape), rtol=1e-3, atol=1e-3)
