"""Grids: snapped to multiples of the resolution, in the right zone, and covering the whole area."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.grid import Grid, snapped, utm_crs
from mosaic_worker.geometry.projection import crs_of, places_in, projected_bounds
from rasterio.warp import transform

coordinates = st.floats(-2e7, 2e7, allow_nan=False)
sizes = st.floats(1e-3, 1e5)
resolutions = st.sampled_from([0.5, 1.0, 10.0, 20.0, 60.0, 120.0, 1000.0, 7.3])


@given(coordinates, coordinates, sizes, sizes, resolutions)
def test_a_snapped_grid_covers_the_bounds_with_less_than_a_pixel_to_spare(left, bottom, width, height, resolution):
    bounds = (left, bottom, left + width, bottom + height)
    grid = snapped("EPSG:32633", bounds, resolution, resolution)
    slack = resolution * 1e-5
    assert grid.bounds[0] <= bounds[0] + slack
    assert grid.bounds[1] <= bounds[1] + slack
    assert grid.bounds[2] >= bounds[2] - slack
    assert grid.bounds[3] >= bounds[3] - slack
    assert grid.width == 1 or grid.width * resolution < width + 2 * resolution
    assert grid.height == 1 or grid.height * resolution < height + 2 * resolution


@given(coordinates, coordinates, sizes, resolutions)
def test_neighbouring_grids_are_aligned(left, bottom, side, resolution):
    ours = snapped("EPSG:32633", (left, bottom, left + side, bottom + side), resolution, resolution)
    theirs = snapped("EPSG:32633", (left + side, bottom, left + 2 * side, bottom + side), resolution, resolution)
    apart = (theirs.left - ours.left) / resolution
    assert apart == pytest.approx(round(apart), abs=1e-6)
    assert theirs.left <= ours.bounds[2] + resolution * 1e-5


def test_rounding_errors_add_no_extra_pixel_to_bounds_on_grid_lines():
    grid = snapped("EPSG:32633", (0.1 + 0.2, 0.0, 0.6 + 1e-12, 0.3), 0.1, 0.1)
    assert (grid.width, grid.height) == (3, 3)


def test_an_anchor_preserves_a_shift_of_half_a_pixel():
    grid = snapped("EPSG:32633", (499980, 5100020, 500100, 5100260), 120, 120, anchor=(499980, 5200020))
    assert (grid.left, grid.top, grid.width, grid.height) == (499980, 5100300, 1, 3)


def test_a_window_preserves_the_coordinates_of_its_pixels():
    grid = Grid("EPSG:32633", 600000, 5000000, 10, 10, 100, 80)
    part = grid.window(7, 3, 20, 10)
    assert part.transform @ (0, 0) == grid.transform @ (7, 3)
    assert (part.width, part.height) == (20, 10)


@pytest.mark.parametrize(
    ("longitude", "latitude", "crs"),
    [
        (-125.86, 51.61, "EPSG:32610"),
        (-126.01, 51.61, "EPSG:32609"),
        (15.0, 45.5, "EPSG:32633"),
        (179.9, -17.0, "EPSG:32760"),
        (180.5, -17.0, "EPSG:32701"),
        (0.0, 85.0, "EPSG:32661"),
        (0.0, -81.0, "EPSG:32761"),
    ],
)
def test_finds_the_utm_zone_of_a_place(longitude, latitude, crs):
    assert utm_crs(longitude, latitude) == crs


@given(st.floats(-179.9, 179.9), st.floats(-79, 83))
def test_a_place_is_near_the_middle_of_its_zone(longitude, latitude):
    xs, _ = transform("EPSG:4326", utm_crs(longitude, latitude), [longitude], [latitude])
    assert abs(xs[0] - 500_000) <= 334_500 * math.cos(math.radians(latitude)) + 5_000


def test_an_error_names_an_unknown_crs():
    with pytest.raises(RequestError, match=r"spec\.grid\.crs: unknown coordinate reference system EPSG:99999"):
        crs_of("EPSG:99999")


def test_projected_bounds_contain_the_curved_edges():
    left, bottom, right, top = projected_bounds((10, 60, 20, 61), "EPSG:4326", "EPSG:32633")
    xs, ys = transform("EPSG:4326", "EPSG:32633", [10, 15, 20, 10], [61, 61, 61, 60])
    assert left <= min(xs)
    assert right >= max(xs)
    assert top >= max(ys) - 1
    assert bottom < ys[1] - 110_000


def test_only_coordinates_outside_a_crs_become_infinite():
    xs, ys = [1.93e7, 1e7, 1.94e7, -1e7], [-5e6, 0.0, -5e6, 0.0]
    found = places_in("EPSG:3857", "EPSG:2193", xs, ys)
    assert [math.isfinite(x) for x in found[0]] == [True, False, True, False]
    expected = transform("EPSG:3857", "EPSG:2193", xs[::2], ys[::2])
    assert (found[0][::2], found[1][::2]) == expected
