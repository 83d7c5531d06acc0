"""Positions of the pixels of a grid in an image, compared with PROJ for each pixel."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mosaic_worker.geometry import mesh as module
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import near
from mosaic_worker.geometry.mesh import NOWHERE, TOLERANCE, Mesh, mesh_between, positions
from mosaic_worker.geometry.projection import places_in, projected

DEGREE = 111_000.0
CRSS = (
    "EPSG:4326",
    "EPSG:3857",
    "EPSG:32601",
    "EPSG:32633",
    "EPSG:32660",
    "EPSG:3035",
    "EPSG:3413",
    "EPSG:3031",
    "EPSG:6933",
)
"""Geographic, cylindrical, UTM on both sides of the antimeridian, conic or azimuthal, and polar."""


def grid_at(crs: str, longitude: float, latitude: float, metres: float, width: int, height: int) -> Grid | None:
    """A grid around a place; None if the CRS has no such place, or if it is on the other side of the pole."""
    if {"EPSG:3413": -latitude, "EPSG:3031": latitude}.get(crs, 0) > 60:
        return None
    (x,), (y,) = places_in("EPSG:4326", crs, [longitude], [latitude])
    if not (np.isfinite(x) and np.isfinite(y)):
        return None
    size = metres / DEGREE if crs == "EPSG:4326" else metres
    return Grid(crs, x - width / 2 * size, y + height / 2 * size, size, size, width, height)


def exact(grid: Grid, image: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The positions of all pixels, each transformed by PROJ."""
    xs, ys = np.meshgrid(
        grid.left + (np.arange(grid.width) + 0.5) * grid.xres, grid.top - (np.arange(grid.height) + 0.5) * grid.yres
    )
    x, y = projected(grid.crs, image.crs, xs, ys)
    x = near(image.crs, x, image.left + image.width / 2 * image.xres)
    return (x - image.left) / image.xres - 0.5, (image.top - y) / image.yres - 0.5


def assert_window(mesh: Mesh, expected: tuple[np.ndarray, np.ndarray], image: Grid) -> None:
    """Check that the window of a mesh contains the pixels that contain positions."""
    columns, rows = (np.floor(axis + 0.5) for axis in expected)
    with np.errstate(invalid="ignore"):
        inside = (columns >= 0) & (columns < image.width) & (rows >= 0) & (rows < image.height)
        for axis, low, high in (
            (columns, mesh.window.left, mesh.window.right),
            (rows, mesh.window.top, mesh.window.bottom),
        ):
            assert ((axis[inside] >= low - 0.01) & (axis[inside] < high + 0.01)).all()


def assert_exact(grid: Grid, image: Grid) -> None:
    """Check all positions near the image: others only need to be outside."""
    module.positions.cache_clear()
    found = positions(grid, image)
    expected = exact(grid, image)
    assert_window(mesh_between(grid, image), expected, image)
    placed = np.isfinite(expected[0]) & np.isfinite(expected[1])
    for axis, truth, side in zip(found, expected, (image.width, image.height), strict=True):
        assert axis.dtype == np.float32
        assert not axis.flags.writeable
        assert (axis[~placed] == NOWHERE).all()
        close = placed & (np.abs(truth) < 4 * side)
        rounding = np.spacing(np.float32(4 * side))
        assert np.abs(axis - truth)[close].max(initial=0) <= TOLERANCE + rounding


@given(
    source=st.sampled_from(CRSS),
    target=st.sampled_from(CRSS),
    longitude=st.floats(-180, 180),
    latitude=st.floats(-89.9, 89.9),
    metres=st.sampled_from([10.0, 30.0, 500.0, 5000.0]),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
)
@example("EPSG:4326", "EPSG:3413", -45.0, 89.9, 500.0, 150, 150)  # contains the pole
@example("EPSG:32601", "EPSG:4326", 180.0, 60.0, 500.0, 200, 90)  # contains the antimeridian
@example("EPSG:32660", "EPSG:32601", 180.0, 10.0, 10.0, 200, 200)
@example("EPSG:4326", "EPSG:3857", 180.0, 0.0, 5000.0, 141, 73)  # bends to both sides of the equator
@example("EPSG:4326", "EPSG:4326", 12.0, 45.0, 30.0, 70, 1)
@settings(max_examples=150)
def test_positions_are_within_a_thousandth_of_a_pixel(source, target, longitude, latitude, metres, width, height):
    image = grid_at(source, longitude, latitude, metres, 300, 300)
    grid = grid_at(target, longitude, latitude, metres, width, height)
    if image is not None and grid is not None:
        assert_exact(grid, image)


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031", "EPSG:32661"])
def test_positions_around_a_pole_are_exact_where_longitudes_are_cut(crs):
    north = crs != "EPSG:3031"
    grid = grid_at(crs, 0.0, 89.99 if north else -89.99, 5000, 300, 300)
    assert grid is not None
    top = 90.0 if north else -80.0
    assert_exact(grid, Grid("EPSG:4326", -180, top, 0.05, 0.05, 7200, 200))


def test_pixels_beyond_the_projection_are_nowhere():
    grid = Grid("EPSG:4326", -180, 95, 0.5, 0.5, 200, 100)
    found = positions(grid, Grid("EPSG:3857", -20_037_508, 20_037_508, 10_000, 10_000, 4000, 4000))
    assert (found[0][:9] == NOWHERE).all()
    assert (found[0][-1] > NOWHERE).all()


def test_positions_in_the_same_crs_are_exact():
    grid = Grid("EPSG:32633", 500_040, 5_000_000, 20, 20, 30, 20)
    x, y = positions(grid, Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 100, 100))
    assert np.array_equal(x, np.broadcast_to(4.5 + 2.0 * np.arange(30), (20, 30)))
    assert np.array_equal(y, np.broadcast_to(0.5 + 2.0 * np.arange(20)[:, None], (20, 30)))


def test_most_pixels_are_interpolated(monkeypatch):
    """A tile in another zone takes PROJ for less than one pixel in a hundred."""
    counted = []
    original = module.transform
    monkeypatch.setattr(module, "transform", lambda a, b, xs, ys: counted.append(len(xs)) or original(a, b, xs, ys))
    module.positions.cache_clear()
    module._nodes.cache_clear()
    positions(
        Grid("EPSG:32634", 300_000, 5_000_000, 10, 10, 1024, 1024),
        Grid("EPSG:32633", 770_000, 5_010_000, 10, 10, 1300, 1300),
    )
    assert 0 < sum(counted) < 1024 * 1024 / 100


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32634", "EPSG:3857"])
def test_the_reduction_is_the_ratio_of_the_pixels(crs):
    grid = grid_at(crs, 15.0, 45.0, 40.0, 90, 70)
    image = grid_at("EPSG:32633", 15.0, 45.0, 10.0, 600, 600)
    assert grid is not None
    assert image is not None
    mesh = mesh_between(grid, image)
    stretched = np.cos(np.radians(45)) if crs == "EPSG:3857" else 1
    assert mesh.reduction == pytest.approx(4 * stretched, rel=0.01)
    halved, whole = mesh.reduced(2), mesh
    assert halved.reduction == pytest.approx(mesh.reduction / 2)
    for half, full in zip(halved.positions(), whole.positions(), strict=True):
        np.testing.assert_allclose(half * 2 + 0.5, full, atol=1e-3)
