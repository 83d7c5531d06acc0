"""Durations: 15m, 6h, 1d12h."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.times import duration_seconds

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("6h", 21600), ("1d12h", 129600)])
def test_a_duration_is_converted_to_seconds(text, seconds):
    assert duration_seconds(text) == seconds


@given(st.lists(st.tuples(st.integers(1, 999_999), st.sampled_from("smhd")), min_size=1, max_size=5))
def test_a_duration_is_the_sum_of_its_parts(parts):
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert duration_seconds(text) == sum(number * SECONDS[unit] for number, unit in parts)


@given(st.text(alphabet="019smhdw. -", max_size=6))
def test_refuses_other_text(text):
    try:
        seconds = duration_seconds(text)
    except ValueError:
        return
    assert seconds > 0
    assert text[-1] in SECONDS
    assert text[0] in "19"


@pytest.mark.parametrize("text", ["", "0s", "5", "m", "5x", "-5m", "1.5h", "5m\n", " 5m", "1000000s", "٣m"])
def test_refuses_text_that_resembles_a_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as 15m, 6h or 1d12h"):
        duration_seconds(text)
