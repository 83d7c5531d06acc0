"""The picture: georeference, colours, and transparency where there is no data."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import MERCATOR_LATITUDE
from mosaic_worker.geometry.tiling import BLOCK, part_levels, tiles_of
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.mercator import picture_grid, picture_mesh, shown
from mosaic_worker.output.palettes import colormap_palette
from mosaic_worker.output.parts import encode_part
from mosaic_worker.output.picture import render
from mosaic_worker.output.stretched import StretchedLevel, stretch_to_bytes
from PIL import Image
from rasterio.warp import transform

HALF_WORLD = 20037508.342789244
NEAR = 0.125
"""Pixels; GDAL's own warper may be off by this much, in rasterio's default settings."""


def picture_of(values, *, left, top, resolution=10.0, crs="EPSG:32609", stretch=((0.0, 1.0),), **more):
    bands = (values if values.ndim == 3 else values[np.newaxis]).astype(np.float32)
    grid = Grid(crs, left, top, resolution, resolution, bands.shape[2], bands.shape[1])
    encoding = Encoding("float32", (1.0,) * len(bands), ("mean",) * len(bands))
    tiles, levels = tiles_of(grid, 2048), part_levels(grid, 2048, BLOCK)
    parts = []
    for tile in tiles:
        pixels = bands[:, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        parts.append(encode_part(pixels, encoding, grid.window(tile.x, tile.y, tile.width, tile.height), levels))

    def stretched(level):
        def read_part(tile):
            index = parts[tile].levels[level]
            return b"".join(parts[tile].pieces)[index.start : index.stop]

        return StretchedLevel(tiles, level, encoding, read_part, stretch, range(len(bands)))

    with ThreadPoolExecutor(2) as threads:
        rendering = render(stretched, levels, grid, colormap_palette("nipy_spectral"), threads, **more)
    return rendering, np.asarray(Image.open(io.BytesIO(b"".join(rendering.png()))))


def place_of(rendering, mask):
    rows, columns = np.nonzero(mask)
    return rendering.picture.transform @ (columns.mean() + 0.5, rows.mean() + 0.5)


@pytest.mark.parametrize(
    ("crs", "left", "top", "resolution"),
    [
        ("EPSG:32609", 500_000, 5_700_000, 10),
        ("EPSG:32609", 680_000, 6_900_000, 10),
        ("EPSG:32733", 300_000, 8_000_000, 10),
        ("EPSG:4326", -125.9, 51.7, 0.0001),
        ("EPSG:3857", -14_000_000, 6_700_000, 10),
        ("EPSG:32601", 159_000, 5_000_000, 10),
        ("EPSG:3035", 4_300_000, 3_100_000, 10),
    ],
)
def test_a_marker_is_found_at_its_longitude_and_latitude(crs, left, top, resolution):
    values = np.zeros((900, 800))
    values[600:603, 200:203] = 1
    rendering, pixels = picture_of(values, left=left, top=top, resolution=resolution, crs=crs)
    x, y = place_of(rendering, pixels == 255)
    at = transform(crs, "EPSG:3857", [left + 201.5 * resolution], [top - 601.5 * resolution])
    size = rendering.picture.transform.a
    assert abs((x - at[0][0] + HALF_WORLD) % (2 * HALF_WORLD) - HALF_WORLD) < size / 2
    assert abs(y - at[1][0]) < size / 2
    assert rendering.picture.reduction == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crs", "left", "top", "resolution", "side"),
    [
        ("EPSG:32609", 500_000, 5_700_000, 10, 4096),
        ("EPSG:32609", 680_000, 9_200_000, 60, 2000),
        ("EPSG:32601", 159_000, 5_000_000, 10, 1000),
        ("EPSG:4326", -180, 85, 360 / 8192, 3000),
        ("EPSG:4326", 170, 30, 0.01, 2000),
        ("EPSG:3413", -500_000, 500_000, 2000, 500),
        ("EPSG:6933", -17_367_530, 7_000_000, 20_000, 600),
        ("EPSG:3857", -20_037_508.342789244, 6_700_000, 10, 900),
    ],
)
def test_each_pixel_shows_the_nearest_pixel_of_the_mosaic(crs, left, top, resolution, side):
    grid = Grid(crs, left, top, resolution, resolution, side, side)
    target, _ = picture_grid(grid, 8192)
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(6):
        width, height = min(400, target.width), min(300, target.height)
        column, row = rng.integers(0, target.width - width + 1), rng.integers(0, target.height - height + 1)
        piece = target.window(int(column), int(row), width, height)
        mesh = picture_mesh(piece, grid)
        if mesh.window.empty:
            continue
        xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        place = transform(piece.crs, crs, piece.left + xs.ravel() * piece.xres, piece.top - ys.ravel() * piece.yres)
        x, y = (np.array(values).reshape(height, width) for values in place)
        if crs == "EPSG:4326":
            x = np.where(x < left, x + 360, x)
        exact = np.stack([(x - left) / resolution, (top - y) / resolution])
        inside = ((exact > NEAR) & (exact < side - NEAR)).all(axis=0)
        window = mesh.window
        found = []
        for numbers in np.meshgrid(np.arange(window.left, window.right), np.arange(window.top, window.bottom)):
            low, high = shown(mesh, np.stack([numbers % 256, numbers // 256]).astype(np.uint8))
            found.append(low + 256.0 * high)
        apart = np.abs(np.stack(found) + 0.5 - exact).max(axis=0)
        assert apart[inside].max(initial=0) <= 0.5 + NEAR
        compared += int(inside.sum())
    assert compared > 10_000


def test_the_picture_continues_across_the_antimeridian():
    rendering, pixels = picture_of(np.ones((400, 4000)), left=245_000, top=5_000_000, crs="EPSG:32601")
    assert rendering.picture.bounds[0] < -HALF_WORLD or rendering.picture.bounds[2] > HALF_WORLD
    assert rendering.picture.bounds[2] - rendering.picture.bounds[0] < 70_000
    assert (pixels > 0).mean() > 0.7


def test_the_picture_ends_at_the_limits_of_web_mercator():
    rendering, pixels = picture_of(np.ones((500, 500)), left=-500_000, top=500_000, resolution=2000, crs="EPSG:3413")
    assert rendering.picture.bounds[3] == pytest.approx(HALF_WORLD, rel=1e-6)
    assert pytest.approx(85.0511, abs=1e-4) == MERCATOR_LATITUDE
    assert (pixels > 0).any()


def test_a_mosaic_without_data_is_fully_transparent():
    rendering, pixels = picture_of(np.full((60, 50), np.nan), left=500_000, top=5_000_000)
    assert (pixels == 0).all()
    shown = Image.open(io.BytesIO(b"".join(rendering.png())))
    assert (shown.mode, shown.info["transparency"]) == ("P", 0)
    assert (np.asarray(shown.convert("RGBA"))[..., 3] == 0).all()


def test_a_mosaic_of_one_pixel_has_a_picture():
    rendering, pixels = picture_of(np.ones((1, 1)), left=500_000, top=5_000_000)
    assert rendering.picture.width >= 1
    assert 255 in pixels


def test_pixels_without_data_stay_transparent():
    values = np.ones((300, 300))
    values[100:200, 100:200] = np.nan
    _, pixels = picture_of(values, left=500_000, top=5_000_000)
    middle = pixels[pixels.shape[0] // 2 - 40 : pixels.shape[0] // 2 + 40, pixels.shape[1] // 2 - 40 :][:, :80]
    assert (middle == 0).all()
    assert (pixels == 0).mean() == pytest.approx(1 / 9, abs=0.03)


def test_the_picture_of_a_large_mosaic_is_made_from_an_overview():
    values = np.zeros((2100, 3000))
    values[1600:1616, 800:816] = 1
    rendering, pixels = picture_of(values, left=500_000, top=5_000_000, largest_side=700)
    assert max(pixels.shape) <= 700
    assert rendering.picture.reduction == 4
    x, y = place_of(rendering, pixels > 100)
    at = transform("EPSG:32609", "EPSG:3857", [500_000 + 8080], [5_000_000 - 16080])
    assert abs(x - at[0][0]) < rendering.picture.transform.a / 2
    assert abs(y - at[1][0]) < rendering.picture.transform.a / 2


def test_values_beyond_the_stretch_get_the_first_or_last_colour():
    values = np.array([[[-5, 0, 0.5, 1, 5, np.nan]]], np.float32)
    assert stretch_to_bytes(values, [(0, 1)]).tolist() == [[[1, 1, 128, 255, 255, 0]]]


def test_a_flat_stretch_gives_the_middle_colour():
    values = np.array([[[7, np.nan]]], np.float32)
    assert stretch_to_bytes(values, [(7, 7)]).tolist() == [[[128, 0]]]


def test_three_bands_are_colours_with_transparency():
    values = np.stack([np.full((90, 90), share) for share in (0.0, 0.5, 1.0)])
    values[1, :45] = np.nan
    _, pixels = picture_of(values, left=500_000, top=5_000_000, stretch=((0, 1),) * 3)
    assert pixels[10, 40].tolist() == [0, 0, 0, 0]
    assert pixels[80, 40].tolist() == [1, 128, 255, 255]


@pytest.mark.parametrize("name", ["nipy_spectral", "viridis", "magma", "cividis", "RdYlGn", "BrBG", "Greys"])
def test_a_palette_keeps_its_first_entry_for_no_data(name):
    colours = np.frombuffer(palette(name), np.uint8).reshape(256, 3)
    assert colours[0].tolist() == [0, 0, 0]
    assert len(np.unique(colours[1:], axis=0)) > 100


def test_a_thumbnail_is_small_and_keeps_its_transparency():
    values = np.ones((1200, 2400))
    values[:, :1200] = np.nan
    rendering, _ = picture_of(values, left=500_000, top=5_000_000)
    small = Image.open(io.BytesIO(rendering.thumbnail()))
    assert max(small.size) <= 512
    alpha = np.asarray(small.convert("RGBA"))[..., 3]
    assert alpha[small.height // 2, 20] == 0
    assert alpha[small.height // 2, -20] == 255


def test_equal_mosaics_give_equal_bytes():
    values = np.random.default_rng(0).random((300, 300))
    one, _ = picture_of(values, left=500_000, top=5_000_000)
    two, _ = picture_of(values, left=500_000, top=5_000_000)
    assert list(one.png()) == list(two.png())
