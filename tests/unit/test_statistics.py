"""Statistics: exact, or approximate within a documented error, and the same for any split into ranges."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds.errors import RequestError
from mosaic_worker.output.parts import LevelIndex
from mosaic_worker.pixels.statistics import TileStatistics, measure, merge
from mosaic_worker.tiles.records import TileRecord
from pydantic import TypeAdapter

normalised = st.one_of(st.floats(-1, 1, width=32), st.just(np.float32(np.nan)))
anything = st.one_of(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), st.just(np.float32(np.nan)))
RECORD = TypeAdapter(TileStatistics)


def tiles_of(values, sizes, **how):
    bounds = np.cumsum([0, *sizes])
    parts = [values[..., a:b] for a, b in pairwise(bounds)]
    return [measure(part, out_of_range=1, **how) for part in parts if part.size]


@pytest.mark.parametrize(("elements", "is_normalised"), [(normalised, True), (anything, False)])
def test_merged_statistics_equal_those_of_the_whole(elements, is_normalised):
    @given(arrays(np.float32, (1, 4, 20), elements=elements), st.permutations([3, 7, 10]))
    def check(values, sizes):
        tiles = tiles_of(values, sizes, normalised_difference=is_normalised)
        band = merge(tiles).bands[0]
        valid = values[np.isfinite(values)].astype(np.float64)
        assert band.valid == valid.size
        assert band.valid_percent == 100 * valid.size / 80
        assert merge(tiles).out_of_range == 3
        if valid.size:
            assert (band.minimum, band.maximum) == (valid.min(), valid.max())
            assert band.mean == pytest.approx(valid.mean(), rel=1e-12, abs=1e-12)
            assert band.stddev == pytest.approx(valid.std(), rel=1e-9, abs=1e-9)
            assert sum(band.item_histogram()["buckets"]) == valid.size
        shuffled = merge(tiles[::-1]).bands[0]
        assert (shuffled.mean, shuffled.stddev) == (band.mean, band.stddev)
        again = merge([RECORD.validate_json(RECORD.dump_json(tile)) for tile in tiles]).bands[0]
        assert again.item_histogram() == band.item_histogram()
        assert again.percentile(37) == band.percentile(37)

    check()


@pytest.mark.parametrize("percent", [0, 2, 25, 50, 98, 100])
def test_a_percentile_of_a_normalised_difference_is_accurate_to_one_bin(percent):
    values = np.random.default_rng(1).beta(2, 5, (1, 300, 300)).astype(np.float32) * 2 - 1
    band = merge([measure(values, normalised_difference=True, out_of_range=0)]).bands[0]
    assert band.percentile(percent) == pytest.approx(np.percentile(values, percent), abs=2e-4)
    assert band.percentile_error(percent) == pytest.approx(0 if percent in {0, 100} else 1e-4, abs=1e-12)


@pytest.mark.parametrize("percent", [0, 2, 25, 50, 98, 100])
@pytest.mark.parametrize("scale", [1e-3, 1.0, -5e3])
def test_a_percentile_of_any_values_is_accurate_to_one_percent(percent, scale):
    values = (np.random.default_rng(1).gamma(3, 1, (1, 300, 300)) * scale).astype(np.float32)
    found = merge([measure(values, normalised_difference=False, out_of_range=0)]).bands[0].percentile(percent)
    assert found == pytest.approx(np.percentile(values, percent), rel=0.01)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0, 0.25, -3e4, 1e30])
def test_all_statistics_of_a_flat_mosaic_are_its_value(value):
    band = merge(
        [measure(np.full((1, 9, 9), value, np.float32), normalised_difference=abs(value) <= 1, out_of_range=0)]
    ).bands[0]
    flat = float(np.float32(value))
    assert (band.minimum, band.maximum, band.percentile(2), band.percentile(98)) == (flat,) * 4
    assert band.mean == pytest.approx(flat)
    assert band.item_histogram()["buckets"][0] == 81


def test_counts_values_that_do_not_fit_by_band():
    values = np.zeros((2, 5, 5), np.float32)
    tiles = [measure(values, normalised_difference=False, out_of_range=0, overflow=(3, 0)) for _ in range(4)]
    again = merge([RECORD.validate_json(RECORD.dump_json(tile)) for tile in tiles])
    assert [band.overflow for band in again.bands] == [12, 0]


@pytest.mark.parametrize("name", ["minimum", "maximum", "total", "deviation"])
@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_writes_no_record_that_cannot_be_parsed(name, number):
    statistics = measure(np.zeros((1, 5, 5), np.float32), normalised_difference=False, out_of_range=0)
    good = TileRecord("plan", "code", 3, "digest", (), LevelIndex(1, 1, 0, 4, (), "digest"), statistics, (1,))
    assert TileRecord.from_json(good.to_json()).tile == 3
    broken = replace(statistics, bands=(replace(statistics.bands[0], **{name: number}),))
    with pytest.raises(RequestError, match=f"^the record of tile 3 cannot be read back .statistics.bands.0.{name}."):
        replace(good, statistics=broken).to_json()


def test_a_mosaic_without_data_has_statistics_without_values():
    empty = np.full((2, 5, 5), np.nan, np.float32)
    for band in merge([measure(empty, normalised_difference=True, out_of_range=0)] * 2).bands:
        assert (band.valid, band.mean, band.stddev, band.valid_percent) == (0, 0, 0, 0)
        assert math.isfinite(band.percentile(50))
        assert sum(band.item_histogram()["buckets"]) == 0
