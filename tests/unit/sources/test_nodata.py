"""No data, as declared by the file, the Item or the request, with every kernel; compared with GDAL's own warper."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.readers.nodata import held, numbers_of
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_band
from mosaic_worker.sources.scenes import Band
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from support.scenes.rasters import noise, write_raster

SIDE = 48
IMAGE = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, SIDE, SIDE)
SHIFTED = Grid("EPSG:32633", 500_043, 4_999_966, 10, 10, SIDE - 10, SIDE - 10)
COARSER = Grid("EPSG:32633", 500_000, 5_000_000, 40, 40, SIDE // 4, SIDE // 4)
KERNELS = ["nearest", "bilinear", "cubic", "average"]
FLOAT_MIN = float(np.finfo(np.float32).min)

HOLES = np.zeros((SIDE, SIDE), bool)
HOLES[5:12, 20:33] = True
HOLES[30, 7] = HOLES[31, 9] = HOLES[20:24, 40:44] = True
"""Where the images have no data: blocks, single pixels, and a whole pixel of the coarser grid."""


def band_of(path: Path, nodata: float | None = None, band: int = 1) -> Band:
    with Headers(own_machine(path.parent)) as headers:
        return headers.described_band(str(path), band, (None, None, nodata), "x")


def read(path: Path, grid: Grid, kernel: Any = None, nodata: float | None = None, band: int = 1) -> NDArray[Any]:
    with closing(OpenSources(own_machine(path.parent))) as sources:
        found = read_band(sources, band_of(path, nodata, band), grid, kernel, "x")
    assert found is not None
    return found


def warped(values: NDArray[Any], holes: NDArray[np.bool_], kernel: str) -> tuple[Grid, NDArray[np.float32]]:
    """The values without the holes, resampled by GDAL's warper; averages by numpy."""
    source = np.where(holes, np.nan, values.astype(np.float32)).astype(np.float32)
    if kernel == "average":
        with np.errstate(all="ignore"):
            blocks = source.reshape(SIDE // 4, 4, SIDE // 4, 4).astype(np.float64)
            count = np.isfinite(blocks).sum(axis=(1, 3))
            return COARSER, (np.nansum(blocks, axis=(1, 3)) / np.where(count, count, np.nan)).astype(np.float32)
    found = np.full((SHIFTED.height, SHIFTED.width), np.nan, np.float32)
    reproject(
        source, found, src_transform=IMAGE.transform, src_crs=IMAGE.crs, dst_transform=SHIFTED.transform,
        dst_crs=SHIFTED.crs, src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling[kernel],
    )  # fmt: skip
    return SHIFTED, found


def assert_holes(path: Path, values: NDArray[Any], holes: NDArray[np.bool_], nodata: float | None = None) -> None:
    """Check that a band has these values, and none in the holes, when it is copied and with every kernel."""
    copied = read(path, IMAGE, nodata=nodata)
    assert np.array_equal(copied, np.where(holes, np.nan, values.astype(np.float32)), equal_nan=True)
    for kernel in KERNELS:
        grid, expected = warped(values, holes, kernel)
        found = read(path, grid, kernel, nodata)
        assert np.isnan(expected).any()
        assert np.array_equal(np.isnan(found), np.isnan(expected)), kernel
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=5e-6 * np.ptp(values), err_msg=kernel)


def with_holes(values: NDArray[Any], number: float) -> NDArray[Any]:
    return np.where(HOLES, np.array(number, values.dtype), values)


@pytest.mark.parametrize("stated", [np.inf, -np.inf, np.nan, -9999, 0.5, 70_000, 1e300, 0, None])
def test_a_number_outside_the_data_type_does_not_disable_the_files_own_nodata(tmp_path: Path, stated: float | None):
    values = noise(SIDE, SIDE)
    path = write_raster(tmp_path / "a.tif", with_holes(values, 0), nodata=0)
    assert band_of(path, stated).nodata == (0,)
    assert_holes(path, values, HOLES, stated)


def test_nodata_of_the_request_and_of_the_file_both_apply(tmp_path: Path):
    values = with_holes(noise(SIDE, SIDE), 0)
    values[40:43, :5] = 65535
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    assert band_of(path, 65535).nodata == (0, 65535)
    assert_holes(path, values, HOLES | (values == 65535), 65535)


def test_a_number_in_a_sidecar_replaces_the_images_own_only_if_it_fits_the_data_type(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", noise(SIDE, SIDE), nodata=0)
    beside = path.with_name("a.tif.aux.xml")
    for stated, found in (("7", (7,)), ("-9999", (0,)), ("inf", (0,))):
        beside.write_text(
            f'<PAMDataset><PAMRasterBand band="1"><NoDataValue>{stated}</NoDataValue></PAMRasterBand></PAMDataset>'
        )
        assert band_of(path).nodata == found


def test_each_band_has_its_own_nodata_number(tmp_path: Path):
    both = np.stack([with_holes(noise(SIDE, SIDE), 7), with_holes(noise(SIDE, SIDE, 1), 9)])
    path = write_raster(tmp_path / "a.tif", both)
    numbers = "".join(
        f'<PAMRasterBand band="{band}"><NoDataValue>{number}</NoDataValue></PAMRasterBand>'
        for band, number in ((1, 7), (2, 9))
    )
    path.with_name("a.tif.aux.xml").write_text(f"<PAMDataset>{numbers}</PAMDataset>")
    for band, number in ((1, 7), (2, 9)):
        assert np.array_equal(np.isnan(read(path, IMAGE, band=band)), both[band - 1] == number)


def test_a_colour_can_mean_no_data(tmp_path: Path):
    """GDAL's NODATA_VALUES: a pixel has no data if each band has its nodata number."""
    colours = np.stack([with_holes(noise(SIDE, SIDE, seed, 0, 3), number) for seed, number in enumerate((0, 1, 2))])
    path = write_raster(tmp_path / "a.tif", colours.astype(np.uint8), photometric="RGB")
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(NODATA_VALUES="0 1 2")
    holes = (colours == np.array([0, 1, 2])[:, np.newaxis, np.newaxis]).all(axis=0)
    assert holes.sum() > HOLES.sum()
    assert np.array_equal(np.isnan(read(path, IMAGE, band=2)), holes)


@pytest.mark.parametrize(
    ("dtype", "stored", "stated"),
    [
        ("float32", FLOAT_MIN, -3.4028234663852886e38),
        ("float32", FLOAT_MIN, -3.4028235e38),
        ("float32", FLOAT_MIN, -3.40282306074e38),
        ("float32", FLOAT_MIN, -3.4e38),
        ("float32", FLOAT_MIN, -1.7976931348623157e308),
        ("float32", -3.40282306074e38, FLOAT_MIN),
        ("float32", 1e20, 1e20),
        ("float32", 9.969209968386869e36, 9.96921e36),
        ("float32", 0.1, 0.1),
        ("float64", float(np.float32(1e20)), 1e20),
        ("float64", 1e20, 1e20),
        ("float64", -1.7976931348623157e308, -1.7976931348623157e308),
        ("int8", -128, -128),
        ("uint8", 255, 255),
        ("int16", -9999, -9999.0),
        ("uint32", 4294967295, 4294967295),
        ("int64", -9999, -9999),
        ("uint64", 18446744073709551615, 18446744073709551615),
    ],
)
def test_compares_a_declared_number_in_the_data_type_of_the_file(
    tmp_path: Path, dtype: str, stored: float, stated: float
):
    values = np.arange(SIDE * SIDE, dtype=np.float64).reshape(SIDE, SIDE) % 100 + 1
    numbers = with_holes(values.astype(dtype), stored)
    path = write_raster(tmp_path / "a.tif", numbers)
    assert_holes(path, values, HOLES, stated)
    assert not np.isnan(read(path, IMAGE, nodata=50.5)).any() or abs(stored) > 3.4028235e38


def test_a_neighbour_of_a_large_nodata_integer_is_valid(tmp_path: Path):
    values = np.array([[2**53 + 1, 2**53, 2**53 - 1]], np.int64)
    path = write_raster(tmp_path / "a.tif", values)
    found = read(path, Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 3, 1), nodata=2.0**53)
    assert np.isnan(found).tolist() == [[False, True, False]]


def test_numbers_are_rounded_to_their_data_type():
    assert held(18446744073709551615.0, "uint64") == 2**64 - 1
    assert held(9223372036854775807.0, "int64") == 2**63 - 1
    assert held(-1.0, "uint8") is held(256.0, "uint8") is held(None, "uint8") is None
    assert isinstance(held(0.0, "uint8"), int)
    assert numbers_of([0.1, float(np.float32(0.1)), None, np.nan], "float32") == (float(np.float32(0.1)),)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [None, np.nan, -np.inf, -9999])
def test_infinite_numbers_and_nan_are_no_data_and_do_not_spread(tmp_path: Path, dtype: str, nodata: float | None):
    values = noise(SIDE, SIDE).astype(dtype)
    numbers = with_holes(values, np.inf)
    numbers[30, 7], numbers[31, 9] = -np.inf, np.nan
    path = write_raster(tmp_path / "a.tif", numbers, nodata=nodata)
    assert_holes(path, values, HOLES)


def test_numbers_beyond_float32_are_no_data(tmp_path: Path):
    values = np.array([[1e300, -1e39, 1e38]])
    path = write_raster(tmp_path / "a.tif", values)
    grid = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, 3, 1)
    assert np.isnan(read(path, grid)).tolist() == [[True, True, False]]
    with Headers(own_machine(tmp_path)) as headers:
        band = headers.described_band(str(path), 1, (100.0, 0.0, None), "x")
    with closing(OpenSources(own_machine(tmp_path))) as sources:
        assert read_band(sources, band, grid, None, "x") is not None
        assert np.isnan(read_band(sources, band, grid, None, "x")).all()  # type: ignore[arg-type]


def with_alpha(
    path: Path, bands: NDArray[Any], alpha: NDArray[Any], nodata: float | None = None, overviews: bool = False
) -> Path:
    stack = np.concatenate([bands, alpha.astype(bands.dtype)[np.newaxis]])
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=len(stack), dtype=stack.dtype, crs=IMAGE.crs,
        transform=from_origin(IMAGE.left, IMAGE.top, 10, 10), nodata=nodata, blockxsize=16, blockysize=16, tiled=True,
    ) as dataset:  # fmt: skip
        dataset.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * (len(bands) - 1), ColorInterp.alpha]
        dataset.write(stack)
    if overviews:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2], Resampling.average)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_alpha_hides_pixels_of_any_number_of_bands(tmp_path: Path, count: int, dtype: str):
    values = noise(SIDE, SIDE, high=200).astype(dtype)
    path = with_alpha(tmp_path / "a.tif", np.stack([values] * count), np.where(HOLES, 0, 255))
    assert_holes(path, values, HOLES)
    assert not np.isnan(read(path, IMAGE, band=count + 1)).any()


@pytest.mark.parametrize("count", [1, 3, 4])
def test_alpha_and_a_nodata_number_both_apply(tmp_path: Path, count: int):
    values = noise(SIDE, SIDE, high=200).astype(np.uint8)
    values[2:4, 2:9] = 255
    path = with_alpha(tmp_path / "a.tif", np.stack([values] * count), np.where(HOLES, 0, 254), nodata=255)
    assert_holes(path, values, HOLES | (values == 255))


def test_partly_transparent_pixels_are_valid(tmp_path: Path):
    values = noise(SIDE, SIDE, high=200).astype(np.uint8)
    alpha = np.where(HOLES, 0, np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 254 + 1)
    assert_holes(with_alpha(tmp_path / "a.tif", np.stack([values] * 4), alpha), values, HOLES)


@pytest.mark.parametrize("driver", ["PNG", "JP2OpenJPEG"])
def test_alpha_of_other_formats(tmp_path: Path, driver: str):
    values = noise(SIDE, SIDE, high=200).astype(np.uint8)
    stack = np.stack([values, values, values, np.where(HOLES, 0, 255).astype(np.uint8)])
    path = write_raster(tmp_path / {"PNG": "a.png", "JP2OpenJPEG": "a.jp2"}[driver], stack, driver=driver)
    if driver == "JP2OpenJPEG":
        path.unlink()
        write_raster(path, stack, driver=driver, photometric="RGB", alpha="YES")
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] is ColorInterp.alpha
    assert np.array_equal(np.isnan(read(path, IMAGE)), HOLES)


def test_an_internal_mask_and_a_nodata_number_both_apply(tmp_path: Path):
    values = noise(SIDE, SIDE)
    values[2:4, 2:9] = 0
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(~HOLES)
    assert_holes(path, values, HOLES | (values == 0))


def test_does_not_read_averages_that_contain_hidden_pixels(tmp_path: Path):
    values = np.where(HOLES, 10_000, noise(SIDE, SIDE, high=5000)).astype(np.uint16)
    for count, nodata in ((1, None), (3, None), (4, None), (4, 0)):
        alpha = np.where(HOLES, 0, 65535)
        path = with_alpha(tmp_path / f"{count}{nodata}.tif", np.stack([values] * count), alpha, nodata, overviews=True)
        with rasterio.open(path) as dataset:
            assert dataset.overviews(1) == [2]
        assert band_of(path).overviews == ()
        np.testing.assert_allclose(read(path, COARSER, "average"), warped(values, HOLES, "average")[1], rtol=1e-6)


@pytest.mark.parametrize("nodata", [None, np.nan, -9999])
@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_computes_averages_that_contain_an_infinite_number_again(tmp_path: Path, nodata: float | None, number: float):
    values = noise(SIDE, SIDE).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", with_holes(values, number), nodata=nodata, tiled=True, blockxsize=16)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], Resampling.average)
    assert len(band_of(path).overviews) == 1
    expected = warped(values, HOLES, "average")[1]
    if np.isnan(number) and nodata is not None and np.isnan(nodata):  # GDAL omits NaN from the averages of the overview
        found = read(path, COARSER, "average")
        assert np.array_equal(np.isnan(found), np.isnan(expected))
    else:
        np.testing.assert_allclose(read(path, COARSER, "average"), expected, rtol=1e-5)
    for window in ((0, 0, 5, 3), (5, 1, 4, 4)):
        part = COARSER.window(*window)
        column, row, width, height = window
        whole = read(path, COARSER, "average")[row : row + height, column : column + width]
        assert np.array_equal(read(path, part, "average"), whole, equal_nan=True)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_refuses_complex_numbers(tmp_path: Path, dtype: str):
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=8, height=8, count=1, dtype=dtype, crs=IMAGE.crs, transform=IMAGE.transform
    ):
        pass
    with pytest.raises(RequestError, match=r"^x: .* contains complex numbers, which no product supports; convert them"):
        band_of(path)


def test_reads_half_precision_floats(tmp_path: Path):
    values = np.linspace(0, 1, SIDE * SIDE, dtype=np.float16).reshape(SIDE, SIDE).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", with_holes(values, 60000), nodata=60000, NBITS=16)
    assert_holes(path, values, HOLES)
