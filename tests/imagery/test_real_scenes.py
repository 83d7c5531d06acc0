"""Mosaics of real Sentinel-2 scenes, compared with plain GDAL and numpy on the same files."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.names import API_VERSION
from mosaic_crds.validation import load_request
from mosaic_worker.local.run import Result, run
from mosaic_worker.sources.access.gate import own_machine
from numpy.typing import NDArray
from rasterio import warp
from rasterio.transform import Affine

DATES = ("20230810", "20230813", "20230815", "20230818", "20230820")
TILES = ("33TWL", "33TWM")
CLOUDS = [3, 8, 9, 10]


def scene_ids(scenes: Path, tile: str) -> list[str]:
    return [next(folder.name for folder in scenes.iterdir() if f"_{tile}_{date}" in folder.name) for date in DATES]


def item_of(scenes: Path, scene: str) -> str:
    return str(scenes / scene / f"{scene}.json")


def make(tmp_path: Path, spec: dict, name: str = "test") -> tuple[Result, Path]:
    request = load_request(
        {
            "apiVersion": API_VERSION,
            "kind": "MosaicRequest",
            "metadata": {"name": name},
            "spec": spec,
        }
    )
    result = run(request, own_machine(tmp_path), str(tmp_path / "store"), workers=2)
    return result, tmp_path / "store" / result.folder


def read(path: Path) -> tuple[NDArray[np.float32], Affine, str]:
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform, dataset.crs.to_string()


def numbers(scenes: Path, scene: str, band: str) -> tuple[NDArray[np.float64], Affine]:
    with rasterio.open(scenes / scene / f"{band}.tif") as dataset:
        found = dataset.read(1).astype(float)
        if band != "SCL":
            found[found == 0] = np.nan
        return found, dataset.transform


def ndvi(red: NDArray[np.floating], nir: NDArray[np.floating]) -> NDArray[np.floating]:
    with np.errstate(all="ignore"):
        found = (nir - red) / (nir + red)
    return np.where(np.abs(found) <= 1, found, np.nan)


class Places:
    """Columns and rows of a grid's pixel centres in an image, each transformed exactly."""

    def __init__(self, transform: Affine, to: Affine, shape: tuple[int, int], crs: str) -> None:
        columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        x, y = to.c + to.a * columns, to.f + to.e * rows
        if crs != "EPSG:32633":
            found = warp.transform(crs, "EPSG:32633", x.ravel().tolist(), y.ravel().tolist())
            x, y = np.array(found[0]).reshape(shape), np.array(found[1]).reshape(shape)
        self.columns, self.rows = (x - transform.c) / transform.a, (y - transform.f) / transform.e

    def nearest(self, values: NDArray) -> NDArray[np.floating]:
        columns, rows = np.floor(self.columns).astype(int), np.floor(self.rows).astype(int)
        height, width = values.shape
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        return np.where(inside, values[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)], np.nan)

    def bilinear(self, values: NDArray) -> NDArray[np.floating]:
        """The mean of the valid pixels among the four nearest, weighted by distance; no data where no pixel has the
        centre.
        """
        left, top = np.floor(self.columns - 0.5).astype(int), np.floor(self.rows - 0.5).astype(int)
        right_share, lower_share = self.columns - 0.5 - left, self.rows - 0.5 - top
        total, weights = np.zeros(left.shape), np.zeros(left.shape)
        height, width = values.shape
        for dy, share_y in ((0, 1 - lower_share), (1, lower_share)):
            for dx, share_x in ((0, 1 - right_share), (1, right_share)):
                column, row = left + dx, top + dy
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                found = values[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
                weight = np.where(inside & np.isfinite(found), share_x * share_y, 0)
                total += weight * np.nan_to_num(found)
                weights += weight
        with np.errstate(all="ignore"):
            return np.where(np.isnan(self.nearest(values)), np.nan, total / weights)


def expected_median(scenes: Path, to: Affine, shape: tuple[int, int], crs: str) -> NDArray[np.floating]:
    """The cloudless NDVI of every scene on one grid, and the median of all."""
    layers = []
    for tile in TILES:
        _, transform = numbers(scenes, scene_ids(scenes, tile)[0], "B04")
        places = Places(transform, to, shape, crs)
        for scene in scene_ids(scenes, tile):
            red, nir, classes = (numbers(scenes, scene, band)[0] for band in ("B04", "B08", "SCL"))
            found = ndvi(places.bilinear(red), places.bilinear(nir))
            scl = places.nearest(classes)
            found[np.isin(scl, [0, *CLOUDS]) | np.isnan(scl)] = np.nan
            layers.append(found)
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        return np.nanmedian(np.stack(layers), axis=0)


def median_spec(scenes: Path, **grid: object) -> dict:
    return {
        "source": {
            "files": {"scenes": [{"item": item_of(scenes, s)} for tile in TILES for s in scene_ids(scenes, tile)]}
        },
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud", "shadow", "cirrus"], "count": True},
        "grid": grid,
    }


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("date", range(5))
def test_ndvi_of_a_scene_on_its_own_grid(scenes, tmp_path, tile, date):
    scene = scene_ids(scenes, tile)[date]
    spec = {"source": {"files": {"scenes": [{"item": item_of(scenes, scene)}]}}, "product": {"index": "NDVI"}}
    _, folder = make(tmp_path, spec)
    found, transform, crs = read(folder / "mosaic.tif")
    red, native = numbers(scenes, scene, "B04")
    nir, _ = numbers(scenes, scene, "B08")
    assert transform == native
    assert crs == "EPSG:32633"
    expected = ndvi(red, nir)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-6


def test_does_not_apply_an_offset_again_that_the_item_declares_applied(scenes, tmp_path):
    """The Items have an offset of -0.1 and `earthsearch:boa_offset_applied`."""
    scene = scene_ids(scenes, "33TWL")[0]
    spec = {"source": {"files": {"scenes": [{"item": item_of(scenes, scene)}]}}, "product": {"bands": ["red"]}}
    result, folder = make(tmp_path, spec)
    found, _, _ = read(folder / "mosaic.tif")
    red, _ = numbers(scenes, scene, "B04")
    assert np.nanmax(np.abs(found - red * 0.0001)) < 1e-6
    stated = json.loads(Path(item_of(scenes, scene)).read_text())["assets"]["red"]["raster:bands"][0]["offset"]
    assert stated == -0.1
    assert result.item["properties"]["mosaic:scenes"][0]["bands"]["red"]["offset"] == 0.0


def test_does_not_align_grids_that_are_half_a_pixel_apart(scenes, tmp_path):
    """The rows of 33TWM are half a row from those of 33TWL: on the grid of 33TWL, bilinear is the mean of two rows."""
    below, above = scene_ids(scenes, "33TWL")[0], scene_ids(scenes, "33TWM")[0]
    bands = [{"bands": {"red": str(scenes / s / "B04.tif")}} for s in (below, above)]
    spec = {
        "source": {"files": {"scenes": bands}},
        "product": {"bands": ["red"]},
        "composite": {"method": "max"},
        "grid": {"resampling": "bilinear"},
    }
    _, folder = make(tmp_path, spec)
    found, transform, _ = read(folder / "mosaic.tif")
    _, lower_transform = numbers(scenes, below, "B04")
    upper, upper_transform = numbers(scenes, above, "B04")
    offset = (transform.f - upper_transform.f) / 120
    assert offset == 0.5
    assert (transform.c, transform.a) == (lower_transform.c, 120)
    first = round((transform.f - lower_transform.f) / 120)
    only_upper = found[1:first]
    expected = (upper[0 : first - 1] + upper[1:first]) / 2
    both = np.isfinite(expected) & np.isfinite(only_upper)
    assert both.mean() > 0.8
    assert np.abs(only_upper - expected)[both].max() < 1e-2


def test_median_of_both_tiles_and_five_dates_without_clouds(scenes, tmp_path):
    _, folder = make(tmp_path, median_spec(scenes))
    found, transform, crs = read(folder / "mosaic.tif")
    expected = expected_median(scenes, transform, found.shape, crs)
    assert found.shape == (1749, 915)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-6
    with rasterio.open(folder / "mosaic.tif") as dataset:
        assert dataset.descriptions == ("NDVI", "count")
        assert dataset.read(2).max() == 10


def test_median_in_another_zone(scenes, tmp_path):
    """UTM 32: coordinates are approximated to a thousandth of a pixel, and masks keep their exact edges."""
    _, folder = make(tmp_path, median_spec(scenes, crs="EPSG:32632", resolution=120, resampling="bilinear"))
    found, transform, crs = read(folder / "mosaic.tif")
    assert crs == "EPSG:32632"
    assert transform.c % 120 == transform.f % 120 == 0
    expected = expected_median(scenes, transform, found.shape, crs)
    assert (np.isnan(found) != np.isnan(expected)).mean() < 2e-4
    difference = np.abs(found - expected)
    assert np.nanquantile(difference, 0.999) < 2e-3
    assert np.nanmedian(difference) < 5e-5


def test_copies_an_unmodified_jpeg_2000_of_esa_pixel_by_pixel(imagery, tmp_path):
    path = imagery / "T31TDH_20180101T105441_B01.jp2"
    spec = {"source": {"files": {"scenes": [{"bands": {"coastal": str(path)}}]}}, "product": {"bands": ["coastal"]}}
    _, folder = make(tmp_path, spec)
    found, transform, crs = read(folder / "mosaic.tif")
    with rasterio.open(path) as dataset:
        assert np.array_equal(found, dataset.read(1))
        assert (transform, crs) == (dataset.transform, "EPSG:32631")


@pytest.mark.parametrize("zipped", [False, True])
def test_copies_an_unmodified_jpeg_2000_of_esa_in_its_product(imagery, tmp_path, zipped):
    """The product has ESA's layout and the metadata of its baseline, which has no offset."""
    path = imagery / "T31TDH_20180101T105441_B01.jp2"
    image = f"GRANULE/L1C_T31TDH_A013216_20180101T105435/IMG_DATA/{path.name}"
    metadata = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
    <n1:Level-1C_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-1C.xsd">
    <n1:General_Info><Product_Info><PRODUCT_START_TIME>2018-01-01T10:54:41.026Z</PRODUCT_START_TIME>
    <PRODUCT_URI>S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911.SAFE</PRODUCT_URI></Product_Info>
    <Product_Image_Characteristics>
    <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
    </Special_Values><QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE></Product_Image_Characteristics>
    </n1:General_Info></n1:Level-1C_User_Product>"""
    product = tmp_path / ("product.zip" if zipped else "product.SAFE")
    if zipped:
        with zipfile.ZipFile(product, "w") as archive:
            archive.writestr("S2A.SAFE/MTD_MSIL1C.xml", metadata)
            archive.write(path, f"S2A.SAFE/{image}")
    else:
        (product / image).parent.mkdir(parents=True)
        (product / image).symlink_to(path)
        (product / "MTD_MSIL1C.xml").write_text(metadata)
    result, folder = make(
        tmp_path, {"source": {"files": {"scenes": [{"safe": str(product)}]}}, "product": {"bands": ["B01"]}}
    )
    found, transform, _ = read(folder / "mosaic.tif")
    with rasterio.open(path) as dataset:
        stored = dataset.read(1).astype(float)
        assert transform == dataset.transform
    expected = np.where(stored == 0, np.nan, stored / 10000)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-6
    assert result.item["properties"]["mosaic:scenes"][0]["id"].startswith("S2A_MSIL1C_20180101T105441")


def test_an_area_has_the_same_pixels_as_the_whole(scenes, tmp_path):
    scene = scene_ids(scenes, "33TWL")[2]
    source = {"files": {"scenes": [{"item": item_of(scenes, scene)}]}}
    _, whole = make(tmp_path, {"source": source, "product": {"index": "NDVI"}}, "whole")
    area = {"bbox": [15.5, 45.3, 15.8, 45.6]}
    _, part = make(tmp_path, {"area": area, "source": source, "product": {"index": "NDVI"}}, "part")
    all_of_it, whole_transform, _ = read(whole / "mosaic.tif")
    found, transform, _ = read(part / "mosaic.tif")
    column, row = round((transform.c - whole_transform.c) / 120), round((whole_transform.f - transform.f) / 120)
    expected = all_of_it[row : row + found.shape[0], column : column + found.shape[1]]
    assert np.array_equal(found, expected, equal_nan=True)
