"""Parse times; the result does not depend on the machine."""

from calendar import timegm

import pytest
from mosaic_crds.times import interval, moment, utc_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01", (2024, 7, 1, 0, 0, 0)),
        ("2024-07-01T10:20:30", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01T10:20:30Z", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01t10:20:30z", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01 10:20:30", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01T10:20", (2024, 7, 1, 10, 20, 0)),
        ("2024-07-01T10:20:30+0000", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01T10:20:30+00", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01T10:20:30-00:00", (2024, 7, 1, 10, 20, 30)),
        ("2024-07-01T10:20:30-07:00", (2024, 7, 1, 17, 20, 30)),
        ("2024-07-01T01:20:30+05:45", (2024, 6, 30, 19, 35, 30)),
        ("2024-02-28T24:00:00Z", (2024, 2, 29, 0, 0, 0)),
        ("2016-12-31T23:59:60Z", (2017, 1, 1, 0, 0, 0)),
    ],
)
def test_parses_times(text, expected):
    assert moment(text).timestamp() == timegm(expected)
    assert moment(text).utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("text", "microseconds"), [("30.5", 500_000), ("30.123456789", 123_456), ("30.000001", 1), ("30,25", 250_000)]
)
def test_digits_beyond_microseconds_are_truncated(text, microseconds):
    assert moment(f"2024-07-01T10:20:{text}Z").microsecond == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "2024", "2024-07", "summer", "2024-02-30", "2024-13-01", "0000-01-01", "2024-07-01T",
        "2024-07-01T25:00:00Z",
        "2024-07-01T24:00:01Z", "2024-07-01T10:60:00Z", "2024-07-01T10:00:61Z", "2024-07-01T10:00:00+24:00",
        "2024-07-01T10:00:00+05:60", "2024-07-01T10:00:00PST", "9999-12-31T24:00:00Z", "0001-01-01T00:00:00+01:00",
        "2024-07-01\n", "\u0662024-07-01",
    ],
)  # fmt: skip
def test_refuses_other_text(text):
    with pytest.raises(ValueError, match=r"."):
        moment(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01", "2024-07-01"),
        ("2024-07-01/2024-07-31", "2024-07-01/2024-07-31"),
        ("../2024-07-31T10:00:00", "../2024-07-31T10:00:00Z"),
        ("2024-07-01t10:00:00-07:00/..", "2024-07-01T17:00:00Z/.."),
        ("2024-07-01T10:00:00Z/2024-07-01", "2024-07-01T10:00:00Z/2024-07-01"),
    ],
)
def test_an_interval_is_converted_to_utc(text, expected):
    assert interval(text) == expected


@pytest.mark.parametrize(
    "text", ["2024-07-02/2024-07-01", "2024-07-01T10:00:00Z/2024-07-01T09:59:59Z", "2024-02-30/.."]
)
def test_refuses_an_impossible_interval(text):
    with pytest.raises(ValueError, match=r"."):
        interval(text)


def test_a_time_is_formatted_in_utc():
    assert utc_text(moment("2024-07-01T10:20:30.25-07:00")) == "2024-07-01T17:20:30.250000Z"
