"""Synthetic scenes: equal where they overlap, consistent with their metadata, and labelled as synthetic."""

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from mosaic_worker.synthetic import LABEL, write_scenes

SIDE = 256


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> list[Path]:
    return [path.parent for path in write_scenes(tmp_path_factory.mktemp("scenes"), count=3, side=SIDE, seed=5)]


def read(path: Path):
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset


@pytest.mark.parametrize("band", ["B02", "B03", "B04", "B08", "B11", "SCL"])
def test_jpeg_2000_and_cog_have_the_same_pixels_and_georeference(scenes, band):
    one, jp2 = read(scenes[0] / f"{band}.jp2")
    two, cog = read(scenes[0] / f"{band}.tif")
    assert np.array_equal(one, two)
    assert (jp2.transform, jp2.crs) == (cog.transform, cog.crs)
    assert jp2.driver == "JP2OpenJPEG"
    assert one.shape == ((SIDE, SIDE) if band in {"B02", "B03", "B04", "B08"} else (SIDE // 2, SIDE // 2))


def test_overlapping_scenes_show_the_same_surface(scenes):
    ours, our_place = read(scenes[0] / "B08.tif")
    theirs, their_place = read(scenes[1] / "B08.tif")
    column = round((their_place.transform.c - our_place.transform.c) / 10)
    row = round((our_place.transform.f - their_place.transform.f) / 10)
    assert 0 < column < SIDE
    our_classes = read(scenes[0] / "SCL.tif")[0].repeat(2, 0).repeat(2, 1)[row:, column:]
    their_classes = read(scenes[1] / "SCL.tif")[0].repeat(2, 0).repeat(2, 1)[: SIDE - row, : SIDE - column]
    clear = np.isin(our_classes, [4, 5, 6, 11]) & np.isin(their_classes, [4, 5, 6, 11])
    difference = ours[row:, column:].astype(int) - theirs[: SIDE - row, : SIDE - column]
    assert clear.sum() > 1000
    assert np.median(np.abs(difference[clear])) < 20
    assert np.quantile(np.abs(difference[clear]), 0.9) < 60


def test_snow_water_and_plants_have_their_spectra(scenes):
    classes = np.concatenate([read(scene / "SCL.tif")[0].ravel() for scene in scenes])

    def reflectance(band):
        """The resolution of the classes, 20 m."""
        found = []
        for scene in scenes:
            numbers, _ = read(scene / f"{band}.tif")
            blocks = numbers.reshape(SIDE // 2, len(numbers) * 2 // SIDE, SIDE // 2, len(numbers) * 2 // SIDE)
            found.append(blocks.mean(axis=(1, 3)).ravel())
        return np.concatenate(found) * 0.0001 - 0.1

    green, red, nir, swir = (reflectance(band) for band in ("B03", "B04", "B08", "B11"))
    plants = classes == 4
    assert np.median((nir - red)[plants] / (nir + red)[plants]) > 0.5
    snow = classes == 11
    assert np.median((green - swir)[snow] / (green + swir)[snow]) > 0.6


def test_the_item_is_correct_and_labels_the_scene_as_synthetic(scenes):
    for scene in scenes:
        item = pystac.Item.from_file(str(scene / "item.json"))
        assert item.properties["title"] == LABEL
        classes, _ = read(scene / "SCL.tif")
        clouds = 100 * np.isin(classes, [8, 9, 10]).sum() / (classes != 0).sum()
        assert item.properties["eo:cloud_cover"] == pytest.approx(clouds, abs=0.01)
        for asset in item.assets.values():
            assert (scene / asset.href).exists()
        item.stac_extensions = []
        item.validate()
        with rasterio.open(scene / "B03.tif") as dataset:
            assert dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"] == LABEL


def test_equal_arguments_give_equal_pixels_and_another_seed_gives_others(scenes, tmp_path):
    again = next(write_scenes(tmp_path / "again", side=SIDE, seed=5)).parent
    other = next(write_scenes(tmp_path / "other", side=SIDE, seed=6)).parent
    assert (again / "B03.jp2").read_bytes() == (scenes[0] / "B03.jp2").read_bytes()
    assert json.loads((again / "item.json").read_text()) == json.loads((scenes[0] / "item.json").read_text())
    assert (other / "B03.jp2").read_bytes() != (scenes[0] / "B03.jp2").read_bytes()
