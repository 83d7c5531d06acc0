"""Kernels at positions in an image, compared with their definitions in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_worker.geometry import boxes, remap
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.mesh import NOWHERE, Positions, positions
from mosaic_worker.geometry.warping import warp
from numpy.typing import NDArray

SIDE = 24


def image(seed: int, holes: float) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    values = random.uniform(0, 1, (SIDE, SIDE + 3)).astype(np.float32)
    values[random.random(values.shape) < holes] = np.nan
    return values


IMAGES = st.builds(image, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3, 1.0]))


def scattered(seed: int) -> Positions:
    """Positions inside, at the edges of, and outside an image; at pixels, between them, and nowhere."""
    random = np.random.default_rng(seed)
    x, y = (random.uniform(-3, SIDE + 6, (40, 50)) for _ in range(2))
    x[::3], y[::4] = np.round(x[::3]), np.round(y[::4])
    x[5, 5] = y[5, 5] = NOWHERE
    return x.astype(np.float32), y.astype(np.float32)


def pixel(values: NDArray[np.float32], column: int, row: int) -> float:
    inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
    return float(values[row, column]) if inside else np.nan


def weighted(
    values: NDArray[np.float32], x: float, y: float, weights: dict[int, tuple[float, float]]
) -> list[tuple[float, float]]:
    """Neighbours and their weights; `weights` by the distance from the inner upper left neighbour, across and down."""
    left, top = int(np.floor(x)), int(np.floor(y))
    return [(pixel(values, left + dx, top + dy), weights[dx][0] * weights[dy][1]) for dy in weights for dx in weights]


def nearest(values: NDArray[np.float32], places: Positions) -> NDArray[np.float32]:
    return remap.nearest(values, remap.rounded(places), np.nan)


def expected_nearest(values: NDArray[np.float32], x: float, y: float) -> float:
    return pixel(values, int(np.floor(x + 0.5)), int(np.floor(y + 0.5)))


def expected_bilinear(values: NDArray[np.float32], x: float, y: float) -> float:
    if np.isnan(expected_nearest(values, x, y)):
        return np.nan
    t, u = x % 1, y % 1
    found = [(v, w) for v, w in weighted(values, x, y, {0: (1 - t, 1 - u), 1: (t, u)}) if not np.isnan(v)]
    return sum(v * w for v, w in found) / sum(w for _, w in found)


def expected_cubic(values: NDArray[np.float32], x: float, y: float) -> float:
    def keys(t: float) -> list[float]:
        away = np.abs(np.array([1 + t, t, 1 - t, 2 - t]))
        inner, outer = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
        return list(np.where(away <= 1, inner, outer))

    weights = dict(zip((-1, 0, 1, 2), zip(keys(x % 1), keys(y % 1), strict=True), strict=True))
    found = weighted(values, x, y, weights)
    return expected_bilinear(values, x, y) if np.isnan([v for v, _ in found]).any() else sum(v * w for v, w in found)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
@given(values=IMAGES, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_kernel_equals_its_definition_at_every_position(kernel, values, seed):
    places = scattered(seed)
    compute = {"nearest": nearest, "bilinear": remap.bilinear, "cubic": remap.cubic}[kernel]
    define = {"nearest": expected_nearest, "bilinear": expected_bilinear, "cubic": expected_cubic}[kernel]
    expected = np.array([define(values, float(x), float(y)) for x, y in zip(*(p.ravel() for p in places), strict=True)])
    found = compute(values, places).ravel()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_an_image_wider_than_opencv_reads_has_the_same_values(kernel, monkeypatch):
    values, places = image(1, 0.1), scattered(2)
    compute = {"nearest": nearest, "bilinear": remap.bilinear, "cubic": remap.bilinear}[kernel]
    expected = compute(values, places)
    monkeypatch.setattr(remap, "LARGEST_SIDE", 10)
    with monkeypatch.context() as patched:
        patched.setattr(remap.cv2, "remap", None)
        found = remap.cubic(values, places) if kernel == "cubic" else compute(values, places)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(values=IMAGES, factor=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=50)
def test_an_average_is_weighted_by_the_covered_area(values, factor, seed):
    """Pixels of any fraction of an image pixel, whose overlaps are computed one by one."""
    random = np.random.default_rng(seed)
    size = factor + random.uniform(0, 1)
    left, top = random.uniform(-2, 2, 2)
    edges = [start + size * np.arange(9) for start in (left, top)]
    corners = tuple(axis.astype(np.float32) for axis in np.meshgrid(edges[0] - 0.5, edges[1] - 0.5))
    found = boxes.average(values, boxes.boxes_in_image(corners, values.shape, same_area=True))
    overlaps = [
        np.clip(np.minimum(e[1:, None], np.arange(n) + 1) - np.maximum(e[:-1, None], np.arange(n)), 0, None)
        for e, n in zip(edges, values.shape[::-1], strict=True)
    ]
    valid = ~np.isnan(values)
    weights = overlaps[1] @ valid @ overlaps[0].T
    sums = overlaps[1] @ np.where(valid, values, 0).astype(float) @ overlaps[0].T
    enough = weights > 0.01 * size**2
    np.testing.assert_allclose(found[enough], (sums / np.maximum(weights, 1e-9))[enough], atol=1e-4)
    assert np.isnan(found[weights == 0]).all()


@given(values=IMAGES, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_pixel_is_flagged_if_any_point_of_it_is(values, seed):
    flags = np.isnan(values)
    random = np.random.default_rng(seed)
    angle, size = random.uniform(0, 2 * np.pi), random.uniform(1, 4)
    down, across = np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij")
    x = SIDE / 2 + size * ((across - 4) * np.cos(angle) - (down - 4) * np.sin(angle))
    y = SIDE / 2 + size * ((across - 4) * np.sin(angle) + (down - 4) * np.cos(angle))
    corners = (x.astype(np.float32), y.astype(np.float32))
    found = boxes.any_inside(flags, boxes.boxes_in_image(corners, flags.shape, same_area=False))
    share = (np.arange(15) + 0.5) / 15
    for row, column in np.ndindex(found.shape):
        u, v = np.meshgrid(share, share)
        px = x[row, column] + u * (x[row, column + 1] - x[row, column]) + v * (x[row + 1, column] - x[row, column])
        py = y[row, column] + u * (y[row, column + 1] - y[row, column]) + v * (y[row + 1, column] - y[row, column])
        points = {(int(np.floor(a + 0.5)), int(np.floor(b + 0.5))) for a, b in zip(px.ravel(), py.ravel(), strict=True)}
        touched = any(0 <= a < flags.shape[1] and 0 <= b < flags.shape[0] and flags[b, a] for a, b in points)
        assert found[row, column] or not touched


def test_pixels_nowhere_have_no_average_and_no_flag():
    values = np.ones((40, 40), np.float32)
    x, y = (axis.astype(np.float32) for axis in np.meshgrid(np.arange(0.0, 40, 4), np.arange(0.0, 40, 4)))
    x[3:, 5:], y[3:, 5:] = NOWHERE, NOWHERE
    lost = np.zeros((9, 9), bool)
    lost[2:, 4:] = True
    equal, around = (boxes.boxes_in_image((x, y), values.shape, same_area=same) for same in (True, False))
    assert np.array_equal(np.isnan(boxes.average(values, equal)), lost)
    assert np.array_equal(boxes.any_inside(values > 0, around), ~lost)


def test_codes_of_a_mask_take_the_greatest_that_a_pixel_touches():
    codes = np.array([[0, 0, 9, 9], [0, 1, 9, 9], [9, 9, 1, 0], [9, 9, 0, 0]], np.uint8)
    fine, coarse = Grid("EPSG:32633", 0, 40, 10, 10, 4, 4), Grid("EPSG:32633", 0, 40, 20, 20, 2, 2)
    assert warp(codes, fine, coarse, "max", (2, 2), 9).tolist() == [[1, 9], [9, 1]]


@pytest.mark.parametrize("left", [-3, 0, 4])
def test_blocks_of_whole_pixels_have_the_same_averages_as_boxes(left):
    values = image(5, 0.2)
    values[6:9, 6:9] = np.nan
    source = Grid("EPSG:32633", 0, 0, 10, 10, values.shape[1], values.shape[0])
    grid = Grid("EPSG:32633", left * 10, left * -10, 30, 30, 11, 10)
    found = warp(values, source, grid, "average", (3, 3), np.nan)
    corners = positions(grid.corners, source)
    expected = boxes.average(values, boxes.boxes_in_image(corners, values.shape, same_area=True))
    assert np.isnan(found).any()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("left", "size"), [(0, 10), (-35, 10), (15, 4), (-5, 20), (3, 7)])
def test_rows_and_columns_of_the_nearest_pixels_are_those_of_positions(left, size):
    values = image(6, 0.1)
    source = Grid("EPSG:32633", 0, 0, 10, 10, values.shape[1], values.shape[0])
    grid = Grid("EPSG:32633", left, 8, size, size, 30, 31)
    expected = nearest(values, positions(grid, source))
    assert np.array_equal(
        warp(values, source, grid, "nearest", (size / 10, size / 10), np.nan), expected, equal_nan=True
    )
