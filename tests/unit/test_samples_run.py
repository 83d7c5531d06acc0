"""Run the samples on synthetic scenes and compare the results with plain numpy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.validation import parse_request
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.synthetic import write_scenes
from mosaic_worker.synthetic.safe import write_safe

from support.scenes.pipeline import Made

SAMPLES = Path(__file__).parents[2] / "crds" / "samples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    items = list(write_scenes(place / "scenes", count=3, side=512, seed=3))
    write_safe(items[0], place / "scenes" / "S2_SYNTHETIC_1.SAFE.zip")
    for sample in SAMPLES.glob("*.yaml"):
        shutil.copy(sample, place)
    return place


def made(folder: Path, sample: str) -> Made:
    path = folder / f"{sample}.yaml"
    result = run(parse_request(path.read_text(), path.name), own_machine(folder), str(folder / "store"), workers=2)
    return Made(folder / "store" / result.folder, result.item)


def reflectance(folder: Path, scene: int, band: str) -> np.ndarray:
    with rasterio.open(folder / f"scenes/S2_SYNTHETIC_{scene}/{band}.tif") as dataset:
        numbers = dataset.read(1).astype(float)
    return np.where(numbers == 0, np.nan, numbers * 0.0001 - 0.1)


def test_ndsi(folder):
    mosaic = made(folder, "ndsi")
    green = reflectance(folder, 1, "B03").reshape(256, 2, 256, 2).mean(axis=(1, 3))
    swir = reflectance(folder, 1, "B11")
    with np.errstate(invalid="ignore"):
        expected = (green - swir) / (green + swir)
        expected[np.abs(expected) > 1] = np.nan
    found = mosaic.values()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-5
    assert mosaic.item["assets"]["picture"]["mosaic:stretch"] == [[-1, 1]]


def test_median(folder):
    mosaic = made(folder, "median")
    with mosaic.open() as dataset:
        assert dataset.descriptions == ("NDVI", "count")
        values, count = dataset.read()
    assert 0.3 < np.nanmedian(values) < 0.95
    assert set(np.unique(count)) == {0, 1, 2, 3}
    assert np.array_equal(np.isnan(values), count == 0) or (np.isnan(values) >= (count == 0)).all()
    assert json.loads((mosaic.folder / "mosaic.json").read_text())["properties"]["start_datetime"] < "2024-07-02"


def test_true_colour(folder):
    mosaic = made(folder, "true-colour")
    with mosaic.open() as dataset:
        for number, band in enumerate(("B04", "B03", "B02"), 1):
            found, expected = dataset.read(number), reflectance(folder, 1, band)
            assert np.array_equal(np.isnan(found), np.isnan(expected))
            assert np.nanmax(np.abs(found - expected)) < 1e-6


def test_greenest(folder):
    mosaic = made(folder, "greenest")
    with mosaic.open() as dataset:
        assert dataset.descriptions == ("red", "green", "blue", "scene")
        red, chosen = dataset.read(1), dataset.read(4)
    assert set(np.unique(chosen[np.isfinite(chosen)])) == {1, 2, 3}
    listed = [scene["id"] for scene in mosaic.item["properties"]["mosaic:scenes"]]
    assert listed == ["S2_SYNTHETIC_3", "S2_SYNTHETIC_2", "S2_SYNTHETIC_1"]
    left = mosaic.item["assets"]["mosaic"]["proj:transform"]
    for number, name in enumerate(listed, 1):
        with rasterio.open(folder / f"scenes/{name}/B04.tif") as dataset:
            row, column = round((left[5] - dataset.transform.f) / 10), round((dataset.transform.c - left[2]) / 10)
        own = reflectance(folder, int(name[-1]), "B04")
        here = np.s_[row : row + own.shape[0], column : column + own.shape[1]]
        taken = chosen[here] == number
        assert taken.any()
        assert np.abs(red[here] - own)[taken].max() < 1e-6


def test_sentinel_2_product(folder):
    mosaic = made(folder, "sentinel-2-product")
    red, nir = reflectance(folder, 1, "B04"), reflectance(folder, 1, "B08")
    with rasterio.open(folder / "scenes/S2_SYNTHETIC_1/SCL.tif") as dataset:
        classes = dataset.read(1).repeat(2, 0).repeat(2, 1)
    with np.errstate(invalid="ignore"):
        expected = (nir - red) / (nir + red)
        expected[(np.abs(expected) > 1) | np.isin(classes, [0, 3, 8, 9])] = np.nan
    found = mosaic.values()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-5
    assert mosaic.item["properties"]["datetime"] == "2024-07-01T19:29:11Z"


def test_ndvi_classes(folder):
    mosaic, plain = made(folder, "ndvi-classes"), made(folder, "median")
    with plain.open() as dataset:
        ndvi = dataset.read(1)
    expected = np.digitize(ndvi, np.array([0, 0.2, 0.5], np.float32)) + 1
    assert np.array_equal(mosaic.values(), np.where(np.isnan(ndvi), 0, expected))
    assert set(np.unique(mosaic.values())) == {0, 1, 2, 3, 4}


def test_geomedian(folder):
    mosaic = made(folder, "geomedian")
    with mosaic.open() as dataset:
        assert dataset.descriptions == (
            *("blue", "green", "red", "nir", "swir16"),
            *("emad", "smad", "bcmad"),
            *("count", "scene"),
        )
        values = dataset.read()
        left, top = dataset.transform.c, dataset.transform.f
    assert mosaic.item["properties"]["mosaic:picture"] == ["swir16", "nir", "red"]
    assert np.array_equal(np.isnan(values[5]), np.isnan(values[0]))
    assert (values[5, values[8] == 1] < 1e-9).all()
    with rasterio.open(folder / "scenes/S2_SYNTHETIC_2/B11.tif") as dataset:
        column, row = int((dataset.transform.c - left) / 20), int((top - dataset.transform.f) / 20)
    part = values[:, row : row + 256, column : column + 256]
    alone = (part[8] == 1) & (part[9] == 2)
    assert alone.any()
    assert np.abs(part[4] - reflectance(folder, 2, "B11"))[alone].max() < 1e-6


def test_ndvi_difference(folder):
    mosaic = made(folder, "ndvi-difference")
    with mosaic.open() as dataset:
        assert dataset.descriptions == ("NDVI_difference",)
        shape, place = dataset.shape, dataset.transform
    sides = []
    for number in (3, 2):
        with rasterio.open(folder / f"scenes/S2_SYNTHETIC_{number}/SCL.tif") as dataset:
            classes = dataset.read(1).repeat(2, 0).repeat(2, 1)
            row, column = round((dataset.transform.f - place.f) / 10), round((dataset.transform.c - place.c) / 10)
        red, nir = reflectance(folder, number, "B04"), reflectance(folder, number, "B08")
        with np.errstate(invalid="ignore"):
            ndvi = (nir - red) / (nir + red)
            ndvi[(np.abs(ndvi) > 1) | np.isin(classes, [0, 3, 8, 9])] = np.nan
        side = np.full((shape[0] + 2000, shape[1] + 2000), np.nan)
        top, left = 1000 - row, 1000 + column
        side[top : top + ndvi.shape[0], left : left + ndvi.shape[1]] = ndvi
        sides.append(side[1000 : 1000 + shape[0], 1000 : 1000 + shape[1]])
    found, expected = mosaic.values(), sides[0] - sides[1]
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert 0 < np.isfinite(found).mean() < 1
    assert np.nanmax(np.abs(found - expected)) < 1e-5
