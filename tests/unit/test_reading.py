"""Bands and masks on a grid: copied or resampled; pixels without data stay without data."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import projected, projected_bounds
from mosaic_worker.geometry.sampling import Window, kernel_for, source_window
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.masks import CLEAR, FLAGGED, UNKNOWN
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_band, read_mask
from mosaic_worker.sources.scenes import Band, Mask
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from support.scenes.pipeline import masking
from support.scenes.rasters import noise, write_raster

NATIVE = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 64, 48)


def band_of(path: Path, **stated: float | None) -> Band:
    given = (stated.get("scale"), stated.get("offset"), stated.get("nodata"))
    with Headers(own_machine(path.parent)) as headers:
        return headers.described_band(str(path), int(stated.get("band") or 1), given, "x")


def read(path: Path, grid: Grid, kernel=None, **stated: float | None):
    return read_band(OpenSources(own_machine(path.parent)), band_of(path, **stated), grid, kernel, "x")


def mask_on(path: Path, grid: Grid, classes=(), values="scl", **fields: float):
    with Headers(own_machine(path.parent)) as headers:
        _, header = headers.read(str(path), 1, "x")
    mask, sources = Mask(str(path), 1, values, header), OpenSources(own_machine(path.parent))
    return read_mask(sources, mask, grid, masking(classes, **fields), "x")


@pytest.mark.parametrize("driver", ["GTiff", "JP2OpenJPEG"])
@pytest.mark.parametrize("kernel", [None, "nearest", "bilinear", "cubic", "average"])
def test_copies_a_band_on_its_own_grid_with_any_kernel(tmp_path, kernel, driver):
    values = noise(48, 64)
    path = write_raster(tmp_path / ("a.tif" if driver == "GTiff" else "a.jp2"), values, driver=driver)
    assert np.array_equal(read(path, NATIVE, kernel), values)


def test_a_part_of_the_grid_has_no_data_beyond_the_edge_of_the_band(tmp_path):
    values = noise(48, 64)
    path = write_raster(tmp_path / "a.tif", values)
    found = read(path, NATIVE.window(-3, 40, 10, 12))
    assert np.array_equal(found[:8, 3:], values[40:, :7])
    assert np.isnan(found[:, :3]).all()
    assert np.isnan(found[8:]).all()


def test_does_not_read_a_band_outside_the_grid(tmp_path):
    path = write_raster(tmp_path / "a.tif", noise(48, 64))
    assert read(path, NATIVE.window(1000, 0, 10, 10)) is None


def test_applies_scale_and_offset_once_with_priority_of_the_request(tmp_path):
    values = noise(48, 64)
    path = write_raster(tmp_path / "a.tif", values)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.001,), (5.0,)
    assert np.allclose(read(path, NATIVE), values * 0.001 + 5)
    assert np.allclose(read(path, NATIVE, scale=0.0001, offset=-0.1), values * 0.0001 - 0.1, atol=1e-6)
    assert band_of(path).calibrated
    assert not band_of(write_raster(tmp_path / "b.tif", values)).calibrated


def test_selects_a_band_by_its_number(tmp_path):
    both = np.stack([noise(48, 64, 1), noise(48, 64, 2)])
    path = write_raster(tmp_path / "a.tif", both)
    assert np.array_equal(read(path, NATIVE, band=2), both[1])


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic", "average"])
def test_nodata_stays_nodata_and_does_not_spread(tmp_path, kernel):
    values = np.full((48, 64), 5000, np.uint16)
    values[10:20, 10:20] = 0
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    fine = Grid("EPSG:32633", 500_000, 5_000_000, 4, 4, 160, 120)
    found = read(path, fine, kernel)
    centres_x, centres_y = (np.arange(160) + 0.5) * 4 / 10, (np.arange(120) + 0.5) * 4 / 10
    hole = (values == 0)[np.ix_(centres_y.astype(int), centres_x.astype(int))]
    if kernel == "average":
        hole &= np.isnan(found)
        assert np.isnan(found[26:48, 26:48]).all()
    assert np.array_equal(np.isnan(found), hole)
    assert np.abs(found[~hole] - 5000).max() < 0.005


def test_nodata_of_the_request_applies_in_addition_to_that_of_the_file(tmp_path):
    values = noise(48, 64)
    values[0, 0], values[1, 1] = 0, 77
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    assert np.isnan(read(path, NATIVE)[0, 0])
    assert read(path, NATIVE)[1, 1] == 77
    assert np.array_equal(np.isnan(read(path, NATIVE, nodata=77)), (values == 0) | (values == 77))


def test_an_internal_mask_removes_its_pixels(tmp_path):
    path = write_raster(tmp_path / "a.tif", noise(48, 64))
    shown = np.ones((48, 64), bool)
    shown[5:9] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(shown)
    assert np.array_equal(np.isnan(read(path, NATIVE)), ~shown)


def test_average_on_a_grid_twice_as_coarse_is_the_mean_of_four_pixels(tmp_path):
    values = noise(48, 64)
    path = write_raster(tmp_path / "a.tif", values)
    found = read(path, Grid("EPSG:32633", 500_000, 5_000_000, 20, 20, 32, 24))
    assert np.allclose(found, values.reshape(24, 2, 32, 2).mean(axis=(1, 3)), rtol=1e-6)


def test_averages_on_a_coarser_grid_and_interpolates_on_a_finer_one_by_default(tmp_path):
    header = band_of(write_raster(tmp_path / "a.tif", noise(48, 64))).header.grid
    assert kernel_for(header, Grid("EPSG:32633", 0, 0, 20, 20, 9, 9), None) == "average"
    assert kernel_for(header, Grid("EPSG:32633", 0, 0, 5, 5, 9, 9), None) == "bilinear"
    assert kernel_for(header, Grid("EPSG:32633", 5, 5, 10, 10, 9, 9), None) == "bilinear"
    assert kernel_for(header, Grid("EPSG:32632", 0, 0, 60, 60, 9, 9), None) == "average"
    assert kernel_for(header, Grid("EPSG:32633", 0, 0, 20, 20, 9, 9), "nearest") == "nearest"


def test_bilinear_at_a_shift_of_half_a_pixel_is_the_mean_of_neighbours(tmp_path):
    values = noise(48, 64)
    path = write_raster(tmp_path / "a.tif", values)
    found = read(path, Grid("EPSG:32633", 500_005, 5_000_000, 10, 10, 63, 48), "bilinear")
    assert np.allclose(found, (values[:, 1:].astype(float) + values[:, :-1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("size", [13, 30])
@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_a_kernel_on_a_coarser_grid_is_as_wide_as_its_pixels_in_every_window(tmp_path, kernel, size):
    """As wide as in GDAL, so that no source pixel is omitted."""
    values = noise(200, 200).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", values)
    whole = Grid("EPSG:32633", 500_200, 4_999_800, size, size, 40, 40)

    def weights(first: float) -> np.ndarray:
        places = (first + (np.arange(40) + 0.5) * size) / 10 - 0.5
        away = np.abs(np.arange(200) - places[:, None]) / (size / 10)
        near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
        cubic = np.where(away <= 1, near, np.where(away < 2, far, 0))
        found = np.maximum(1 - away, 0) if kernel == "bilinear" else cubic
        return found / found.sum(axis=1, keepdims=True)

    expected = weights(200) @ values.astype(float) @ weights(200).T
    assert np.allclose(read(path, whole, kernel), expected, rtol=1e-5)
    assert np.allclose(read(path, whole.window(17, 5, 9, 11), kernel), expected[5:16, 17:26], rtol=1e-5)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_a_window_in_another_zone_equals_its_part_of_the_whole_warp(tmp_path, kernel):
    ramp = (np.add.outer(np.arange(300) * 3.0, np.arange(300) * 7.0) + 1000).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", ramp, left=700_000)
    left, _, _, top = projected_bounds((700_000, 4_997_000, 703_000, 5_000_000), "EPSG:32633", "EPSG:32634")
    whole = Grid("EPSG:32634", left // 10 * 10, top // 10 * 10 + 10, 10, 10, 340, 340)
    expected = np.full((340, 340), np.nan, np.float32)
    reproject(
        ramp, expected, src_transform=from_origin(700_000, 5_000_000, 10, 10), src_crs="EPSG:32633",
        dst_transform=whole.transform, dst_crs="EPSG:32634", src_nodata=np.nan, dst_nodata=np.nan,
        resampling=Resampling[kernel], tolerance=1e-6,
    )  # fmt: skip
    assert np.isfinite(expected).mean() > 0.5
    for window in (whole, whole.window(100, 90, 128, 60), whole.window(0, 250, 340, 90)):
        row, column = round((whole.top - window.top) / 10), round((window.left - whole.left) / 10)
        part = expected[row : row + window.height, column : column + window.width]
        found = read(path, window, kernel)
        assert np.array_equal(np.isnan(found), np.isnan(part))
        assert np.nanmax(np.abs(found - part)) < (10.1 if kernel == "nearest" else 0.05)


def test_an_average_in_another_zone_is_the_mean_of_the_covered_area(tmp_path):
    """Compared with the mean of 20 x 20 points in each pixel, each transformed exactly."""
    values = noise(300, 300).astype(np.float32)
    values[100:120, 100:160] = 0
    path = write_raster(tmp_path / "a.tif", values, left=700_000, nodata=0)
    left, _, _, top = projected_bounds((700_000, 4_997_000, 703_000, 5_000_000), "EPSG:32633", "EPSG:32634")
    grid = Grid("EPSG:32634", left // 50 * 50 - 100, top // 50 * 50 + 100, 50, 50, 72, 72)
    xs, ys = np.meshgrid(grid.left + (np.arange(72 * 20) + 0.5) * 2.5, grid.top - (np.arange(72 * 20) + 0.5) * 2.5)
    x, y = projected("EPSG:32634", "EPSG:32633", xs, ys)
    columns, rows = np.floor((x - 700_000) / 10).astype(int), np.floor((5_000_000 - y) / 10).astype(int)
    inside = (columns >= 0) & (columns < 300) & (rows >= 0) & (rows < 300)
    points = np.where(inside, values[rows.clip(0, 299), columns.clip(0, 299)], 0).reshape(72, 20, 72, 20)
    share = (points > 0).mean(axis=(1, 3))
    expected = points.sum(axis=(1, 3)) / np.maximum((points > 0).sum(axis=(1, 3)), 1)
    found = read(path, grid, "average")
    whole = share == 1
    assert whole.mean() > 0.5
    assert np.abs(found - expected)[whole].max() < 0.02 * values.std() * 5
    assert np.isfinite(found[share > 0.05]).all()
    assert np.isnan(found[share == 0]).mean() > 0.99


def test_reads_only_the_required_window_and_the_margin_of_the_kernel(tmp_path):
    header = band_of(write_raster(tmp_path / "a.tif", noise(480, 640))).header.grid
    between = Grid("EPSG:32633", 501_005, 4_999_005, 10, 10, 50, 40)
    assert source_window(header, between, "cubic") == Window(97, 96, 154, 143)


def test_a_truncated_jpeg_2000_causes_an_error_instead_of_zeros(tmp_path):
    path = write_raster(tmp_path / "a.jp2", noise(512, 512), driver="JP2OpenJPEG", BLOCKXSIZE=128, BLOCKYSIZE=128)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RequestError, match="cannot be read completely; the file is damaged or incomplete"):
        read(path, Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 512, 512))


def test_refuses_a_file_that_changed_since_planning(tmp_path):
    path = write_raster(tmp_path / "a.tif", noise(48, 64))
    band, sources = band_of(path), OpenSources(own_machine(tmp_path))
    assert read_band(sources, band, NATIVE, None, "x") is not None
    write_raster(path, noise(48, 64, 2))
    os.utime(path, ns=(1, 1))
    for requested in (sources, OpenSources(own_machine(tmp_path))):
        with pytest.raises(RequestError, match=r"^x: .*a\.tif changed since the plan was made; run the request again"):
            read_band(requested, band, NATIVE, None, "x")


def test_a_scene_classification_flags_the_classes_by_name(tmp_path):
    classes = np.arange(12, dtype=np.uint8).repeat(4).reshape(6, 8)
    path = write_raster(tmp_path / "scl.tif", classes)
    found = mask_on(path, Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 8, 6), ("cloud", "shadow"))
    assert np.array_equal(found == FLAGGED, np.isin(classes, [3, 8, 9]))
    assert np.array_equal(found == UNKNOWN, classes == 0)


def test_a_coarser_pixel_with_half_a_cloud_is_cloudy(tmp_path):
    classes = np.full((8, 8), 4, np.uint8)
    classes[3, 5] = 9
    path = write_raster(tmp_path / "scl.tif", classes)
    found = mask_on(path, Grid("EPSG:32633", 500_000, 5_000_000, 20, 20, 4, 4), ("cloud",))
    expected = np.full((4, 4), CLEAR)
    expected[1, 2] = FLAGGED
    assert np.array_equal(found, expected)


def test_a_mask_on_a_finer_grid_uses_the_pixel_that_contains_the_centre(tmp_path):
    flags = np.array([[0, 1], [1, 0]], np.uint8)
    path = write_raster(tmp_path / "mask.tif", flags, resolution=20)
    fine = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 4, 4)
    assert np.array_equal(mask_on(path, fine, values="nonzero") == FLAGGED, flags.repeat(2, 0).repeat(2, 1))
    assert np.array_equal(mask_on(path, fine, values="zero") == CLEAR, flags.repeat(2, 0).repeat(2, 1))


def test_transparent_and_non_finite_pixels_of_a_mask_are_unknown(tmp_path):
    flags = np.array([[[0, 1, 0, 1]], [[255, 255, 0, 0]]], np.uint8)
    path = write_raster(tmp_path / "mask.tif", flags, alpha="YES")
    grid = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 4, 1)
    assert mask_on(path, grid, values="nonzero").tolist() == [[CLEAR, FLAGGED, UNKNOWN, UNKNOWN]]
    path = write_raster(tmp_path / "floats.tif", np.array([[0, 1, np.nan, np.inf]], np.float32))
    assert mask_on(path, grid, values="nonzero").tolist() == [[CLEAR, FLAGGED, UNKNOWN, UNKNOWN]]


def test_pixels_outside_a_mask_are_unknown(tmp_path):
    path = write_raster(tmp_path / "mask.tif", np.zeros((4, 4), np.uint8))
    found = mask_on(path, Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 6, 4), values="nonzero")
    assert (found[:, :4] == CLEAR).all()
    assert (found[:, 4:] == UNKNOWN).all()


def test_reads_no_margin_where_pixels_coincide():
    image = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 300, 200)
    inner = image.window(128, 64, 64, 64)
    assert source_window(image, inner, "cubic") == Window(128, 64, 192, 128)
    assert source_window(image, image.window(-10, 150, 64, 64), "bilinear") == Window(0, 150, 54, 200)
    assert source_window(image, image.window(300, 0, 64, 64), "bilinear").empty
