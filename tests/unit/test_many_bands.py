"""Mosaics of up to 16 bands: values, picture, blocks, memory, and the same bytes for any split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.bands import picture_bands
from mosaic_worker.composites.geomedian import SECONDS
from mosaic_worker.geometry.tiling import sides_for
from mosaic_worker.output.stretched import stretch_to_bytes
from mosaic_worker.pixels import chunks
from mosaic_worker.pixels.chunks import CHUNK_BYTES, chunk_size, chunks_of, touching_scenes
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.estimate import BAND_SECONDS
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.tiles.memory import finalize_memory, tiles_memory
from mosaic_worker.tiles.records import groups, together
from PIL import Image

from support.scenes.pipeline import Made, files, make, request_of
from support.scenes.rasters import noise, write_raster

NAMES = ["red", "green", "blue", "nir", *(f"x{number}" for number in range(5, 17))]
SIDE = 600


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    stored = np.stack([noise(SIDE, SIDE, seed) for seed in range(16)])
    stored[7, :100, :100] = 0
    return stored


@pytest.fixture(scope="module")
def folder(tmp_path_factory, numbers) -> Path:
    """A file with 16 bands."""
    place = tmp_path_factory.mktemp("bands")
    write_raster(place / "a.tif", numbers, nodata=0)
    return place


def spec(**more: Any) -> dict[str, Any]:
    bands = {name: {"href": "a.tif", "band": number} for number, name in enumerate(NAMES, 1)}
    return {"source": files({"bands": bands}), "product": {"bands": NAMES}} | more


@pytest.fixture(scope="module")
def made(folder) -> Made:
    return make(folder, spec(output={"picture": ["x16", "red", "x9"]}), workers=1)


def planned(folder: Path, **more: Any) -> Plan:
    request = request_of(spec(**more))
    found = resolve(request.spec, input_bands(request.spec), own_machine(folder), 10)
    return make_plan(request, "u", found, Limits(), 1)


@pytest.mark.parametrize(
    ("bands", "chosen", "expected"),
    [
        (["nir"], (), ["nir"]),
        (["nir", "red"], (), ["nir"]),
        (["blue", "green", "red"], (), ["blue", "green", "red"]),
        (["blue", "green", "red", "nir"], (), ["red", "green", "blue"]),
        (["blue", "green", "nir", "swir16"], (), ["blue", "green", "nir"]),
        (["blue", "green", "red", "nir"], ["nir"], ["nir"]),
        (["blue", "green", "red", "nir"], ["nir", "red", "green"], ["nir", "red", "green"]),
    ],
)
def test_the_picture_has_one_or_three_bands(bands, chosen, expected):
    assert list(picture_bands(bands, chosen)) == expected


def test_all_bands_have_the_values_of_their_files_and_no_data_where_one_has_none(made, numbers):
    expected = numbers.astype(np.float32)
    expected[:, :100, :100] = np.nan
    with made.open() as dataset:
        assert np.array_equal(dataset.read(), expected, equal_nan=True)
        assert dataset.descriptions == tuple(NAMES)
        assert dataset.block_shapes == [(256, 256)] * 16
        assert dataset.overviews(16) == dataset.overviews(1) == [2, 4]
        assert [float(dataset.tags(band)["STATISTICS_MAXIMUM"]) for band in (1, 16)] == [
            np.nanmax(expected[0]),
            np.nanmax(expected[15]),
        ]
    assert [band["name"] for band in made.item["assets"]["mosaic"]["bands"]] == NAMES
    assert all("statistics" in band for band in made.item["assets"]["mosaic"]["bands"])


def test_the_picture_shows_the_chosen_bands(made, folder):
    assert made.item["properties"]["mosaic:picture"] == ["x16", "red", "x9"]
    alone = make(folder, spec(product={"bands": ["x16", "red", "x9"]}), name="alone")
    shown, expected = (np.asarray(Image.open(each.folder / "mosaic.png")) for each in (made, alone))
    some = expected[..., 3] > 0
    some &= shown[..., 3] > 0  # the other mosaic has data where only x8 has none
    assert some.sum() > 0.9 * some.size
    limits = made.item["assets"]["picture"]["mosaic:stretch"]
    assert len(limits) == 3
    with made.open() as dataset:
        colours = stretch_to_bytes(dataset.read([16, 1, 9]), limits)
    assert np.abs(colours.mean(axis=(1, 2)) - shown[..., :3].mean(axis=(0, 1))).max() < 4


def test_a_picture_of_one_band_has_a_colour_map(folder):
    one = make(folder, spec(output={"picture": ["x5"], "colormap": "viridis", "dtype": "int16"}), name="one")
    assert one.item["assets"]["picture"]["mosaic:colormap"] == "viridis"
    assert len(one.item["assets"]["picture"]["mosaic:stretch"]) == 1
    with Image.open(one.folder / "mosaic.png") as picture:
        assert picture.mode == "P"


def test_the_bytes_do_not_depend_on_the_number_of_processes(made, folder):
    again = make(folder, spec(output={"picture": ["x16", "red", "x9"]}), workers=2, store="other")
    assert again.cog == made.cog
    assert again.png == made.png


def test_blocks_have_half_the_side_and_tiles_are_small():
    assert sides_for(5, 512, 2048) == (512, 2048)
    assert sides_for(16, 512, 2048) == (256, 1024)
    assert sides_for(6, 640, 1280) == (320, 1280)
    assert sides_for(16, 720, 720) == (720, 720)


def test_a_plan_with_another_picture_survives_the_store_and_shares_its_tiles(folder):
    plan = planned(folder, output={"picture": ["x9"]})
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.picture == (8,)
    assert json.loads(plan.to_json())["output"]["picture"] == ["x9"]


@pytest.mark.parametrize("method", ["median", "latest"])
def test_the_memory_of_a_chunk_is_bounded(folder, method):
    plan = planned(folder, composite={"method": method}, source=spec()["source"])
    many = [(number, plan.scenes[0]) for number in range(1, 501)]
    width, height = chunk_size(plan, plan.tiles[0], many)
    assert width * height * plan.method.bytes_per_pixel(plan.composite, 16, 500, 0) <= CHUNK_BYTES
    assert chunk_size(plan, plan.tiles[0], touching_scenes(plan, plan.tiles[0])) >= (width, height)


def test_pods_get_memory_for_all_bands(folder):
    few, many = planned(folder, product={"bands": NAMES[:3]}), planned(folder)
    assert tiles_memory(many) > tiles_memory(few)
    assert finalize_memory(many) - finalize_memory(few) >= 4 * 16 * SIDE**2
    assert together(few) == 100
    assert together(many) == 31
    assert [len(group) for group in groups(many, 0)] == [1]


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Three scenes with four bands, two tiles wide, with gaps."""
    place = tmp_path_factory.mktemp("three")
    for scene in range(3):
        stored = np.stack([noise(40, 1100, 10 * scene + band) for band in range(4)])
        stored[:, 5 * scene : 20, 300 * scene : 300 * scene + 500] = 0
        stored[:, 30:, :100] = 0
        write_raster(place / f"{scene}.tif", stored, nodata=0)
    return place


def geomedian(**composite: Any) -> dict[str, Any]:
    scenes = [
        {"bands": {name: {"href": f"{scene}.tif", "band": number} for number, name in enumerate(NAMES[:4], 1)}}
        for scene in range(3)
    ]
    method = {"method": "geomedian", "deviations": True, "count": True, "chosen": True}
    return {"source": files(*scenes), "product": {"bands": NAMES[:4]}, "composite": method | composite}


def test_a_geomedian_with_deviations_has_the_same_bytes_for_any_split(three, tmp_path):
    first = make(three, geomedian(), workers=1)
    second = make(three, geomedian(), workers=2, store=str(tmp_path))
    assert first.cog == second.cog
    assert first.png == second.png
    with first.open() as dataset:
        assert dataset.descriptions == (*NAMES[:4], "emad", "smad", "bcmad", "count", "scene")
        values = dataset.read()
    assert set(np.unique(values[7])) == {0, 1, 2, 3}
    assert np.array_equal(np.isnan(values[:7]), np.broadcast_to(values[7] == 0, (7, 40, 1100)))
    one = values[7] == 1
    assert np.abs(values[4:7, one]).max() < 1e-12
    stored = []
    for scene in range(3):
        with rasterio.open(three / f"{scene}.tif") as dataset:
            stored.append(dataset.read())
    assert np.array_equal(values[:4, one], np.max(stored, axis=0)[:, one])
    assert set(np.unique(values[8][values[7] > 0])) == {1, 2, 3}


def test_the_pixels_of_a_geomedian_do_not_depend_on_the_chunks(three, monkeypatch):
    request = request_of(geomedian(of="bands") | {"product": {"expression": "(nir - red) / (nir + red + 1)"}})
    gate = own_machine(three)
    plan = make_plan(request, "u", resolve(request.spec, input_bands(request.spec), gate, 10), Limits(), 1)
    whole = compute_tile(plan, plan.tiles[0], OpenSources(gate)).values
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 200_000)
    assert len(chunks_of(plan, plan.tiles[0])) > 5
    parts = compute_tile(plan, plan.tiles[0], OpenSources(gate)).values
    assert np.array_equal(whole, parts, equal_nan=True)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.band_names == ("expression", "emad", "smad", "bcmad", "count", "scene")


def test_the_estimate_counts_the_work_of_a_geomedian_and_of_its_bands(three):
    def seconds(**composite: Any) -> float:
        request = request_of(geomedian(**composite))
        found = resolve(request.spec, input_bands(request.spec), own_machine(three), 10)
        return make_plan(request, "u", found, Limits(), 1).estimate.core_seconds

    pixels = 40 * 1100 / 1e6
    plain = seconds(method="median", deviations=False)
    assert seconds() - plain == pytest.approx(pixels * (3 * 4 * SECONDS + 3 * BAND_SECONDS), abs=0.1)
