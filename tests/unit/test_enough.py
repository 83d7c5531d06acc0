"""`composite.enough`: each pixel uses its first observations in order of preference, whatever its neighbours need."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from mosaic_worker.composites import METHODS
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.geometry.tiling import tiles_of
from mosaic_worker.local.run import prepare
from mosaic_worker.pixels import chunks
from mosaic_worker.pixels import scene as reading
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.estimate import DECODE_SECONDS, PRODUCT_SECONDS, estimate, expected_reading, tile_work
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources

from support.scenes.pipeline import files, make, request_of, same
from support.scenes.rasters import noise, write_raster

SIDE = 96
SCENES = 6
REDUCING = [name for name, method in METHODS.items() if not method.takes_first_valid]

stacks = arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.just(2), st.just(3), st.just(4)),
    elements=st.one_of(st.integers(-8, 8).map(lambda value: np.float32(value / 8)), st.just(np.float32(np.nan))),
)


def reduced(stack, method: str, enough: int | None, compared: int = 0) -> Any:
    spec = Composite(method=method, percentile=30.0 if method == "percentile" else None, enough=enough)
    scenes = len(stack) if enough is None else min(enough, len(stack))
    work = METHODS[method].reducer(spec, stack.shape[1:], scenes, compared)
    for number, layer in enumerate(stack, 1):
        work.add(number, layer, layer[:compared] if compared else None)
    return work.result()


def first_valid(stack, enough: int):
    """The stack with NaN in place of all but the first valid observations of each pixel."""
    valid = ~np.isnan(stack).any(axis=1)
    kept = valid & (np.cumsum(valid, axis=0) <= enough)
    return np.where(kept[:, np.newaxis], stack, np.float32(np.nan))


@pytest.mark.parametrize("method", REDUCING)
@settings(max_examples=25)
@given(stacks, st.integers(1, 8))
def test_a_pixel_uses_its_first_valid_observations(method, stack, enough):
    compared = 1 if method == "greenest" else 0
    found = reduced(stack, method, enough, compared)
    expected = reduced(first_valid(stack, enough), method, None, compared)
    assert np.array_equal(found.values, expected.values, equal_nan=True)
    assert np.array_equal(found.count, expected.count)
    assert np.array_equal(found.chosen, expected.chosen)
    assert found.count.max() <= enough


@pytest.mark.parametrize("method", REDUCING)
def test_a_method_keeps_at_most_as_many_layers_as_a_pixel_uses(method):
    one, spec = METHODS[method], Composite(method=method, percentile=50 if method == "percentile" else None, enough=5)
    assert one.bytes_per_pixel(spec, 1, 500, 0) == one.bytes_per_pixel(spec, 1, 5, 0)
    assert reduced(np.ones((9, 1, 2, 2), np.float32), method, 2, int(method == "greenest")).count.max() == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Scenes with clouds of several pixels and a corner without data; the newest has the highest number."""
    place = tmp_path_factory.mktemp("scenes")
    for number in range(SCENES):
        rng = np.random.default_rng(number)
        for band in ("red", "nir"):
            values = noise(SIDE, SIDE, 10 * number + ord(band[0]))
            values[: 8 * number, : 4 * number] = 0
            write_raster(place / f"{number}-{band}.tif", values, nodata=0)
        clouds = (rng.random((SIDE // 8, SIDE // 8)) < 0.5).repeat(8, 0).repeat(8, 1)
        write_raster(place / f"{number}-scl.tif", np.where(clouds, 9, 4).astype(np.uint8))
    return place


def spec_of(folder: Path, composite: dict[str, Any], masked: bool = True, dated: bool = True) -> dict[str, Any]:
    scenes = []
    for number in range(SCENES):
        bands = {
            band: {"href": str(folder / f"{number}-{band}.tif"), "scale": 0.0001, "offset": -0.1}
            for band in ("red", "nir")
        }
        scenes.append({"bands": bands})
        if masked:
            scenes[-1]["mask"] = str(folder / f"{number}-scl.tif")
        if dated:
            scenes[-1]["datetime"] = f"2024-07-{number + 1:02}"
    masking = {"mask": ["cloud"]} if masked else {}
    return {"source": files(*scenes), "product": {"index": "NDVI"}, "composite": {**masking, **composite}}


def observations(folder: Path, masked: bool) -> np.ndarray:
    """The NDVI of the scenes, the newest first, NaN where it is masked, out of range or no data."""
    stack = []
    for number in reversed(range(SCENES)):
        numbers = {band: _read(folder / f"{number}-{band}.tif").astype(np.float32) for band in ("red", "nir")}
        red, nir = (
            np.where(numbers[band] > 0, numbers[band] * np.float32(0.0001) - np.float32(0.1), np.nan)
            for band in ("red", "nir")
        )
        with np.errstate(all="ignore"):
            ndvi = (nir - red) / (nir + red)
        ndvi[~(np.abs(ndvi) <= 1)] = np.nan
        if masked:
            ndvi[_read(folder / f"{number}-scl.tif") == 9] = np.nan
        stack.append(ndvi)
    return np.array(stack)


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("enough", [1, 2, SCENES, 500])
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_a_mosaic_has_the_median_of_the_newest_observations(folder, tmp_path, masked, enough):
    spec = spec_of(folder, {"method": "median", "enough": enough, "count": True}, masked)
    mosaic = make(tmp_path, spec)
    kept = first_valid(observations(folder, masked)[:, np.newaxis], enough)[:, 0]
    assert same(mosaic.values(), np.nanmedian(kept, axis=0), 1e-5)
    assert np.array_equal(mosaic.values(2), np.isfinite(kept).sum(axis=0))


def test_of_one_scene_without_an_overlap_enough_changes_nothing(folder, tmp_path):
    spec = spec_of(folder, {"method": "mean", "enough": 3})
    spec["source"]["files"]["scenes"] = spec["source"]["files"]["scenes"][:1]
    without = spec | {"composite": {"method": "mean", "mask": ["cloud"]}}
    assert make(tmp_path, spec).cog == make(tmp_path, without).cog


def test_where_all_scenes_are_masked_there_is_no_data(folder, tmp_path):
    spec = spec_of(folder, {"method": "median", "enough": 2})
    for number, scene in enumerate(spec["source"]["files"]["scenes"]):
        scene["mask"] = str(write_raster(tmp_path / f"{number}.tif", np.full((SIDE, SIDE), 9, np.uint8)))
    spec["source"]["files"]["scenes"][0]["mask"] = str(
        write_raster(
            tmp_path / "one.tif", np.where(np.arange(SIDE) == 7, 4, 9).astype(np.uint8) * np.ones((SIDE, 1), np.uint8)
        )
    )
    values = make(tmp_path, spec).values()
    assert np.isfinite(values[:, 7]).any()
    assert np.isnan(np.delete(values, 7, axis=1)).all()


def computed(plan: Plan, folder: Path) -> list[Any]:
    with closing(OpenSources(own_machine(folder))) as sources:
        return [compute_tile(plan, tile, sources) for tile in plan.tiles]


def planned(spec: dict[str, Any], folder: Path) -> Plan:
    return prepare(request_of(spec), own_machine(folder), Limits(), 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["median", "medoid"])
@settings(max_examples=4, deadline=None)
@given(block=st.sampled_from([24, 32, 48]), chunk=st.sampled_from([20_000, 200_000]), tile=st.sampled_from([48, 96]))
def test_pixels_and_counts_do_not_depend_on_chunks_or_tiles(folder, method, block, chunk, tile):
    spec = spec_of(folder, {"method": method, "enough": 2, "count": True})
    plan = planned(spec, folder)
    whole = computed(plan, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", chunk)
        parts = replace(plan, block=block, tile_side=tile)
        split = computed(parts, folder)
    for found, place in zip(split, parts.tiles, strict=True):
        window = np.s_[:, place.y : place.y + place.height, place.x : place.x + place.width]
        assert np.array_equal(found.values, whole[0].values[window], equal_nan=True)
    assert sum(found.out_of_range for found in split) == whole[0].out_of_range
    assert {number for found in split for number in found.scenes} == set(whole[0].scenes)


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_bytes(folder, tmp_path):
    spec = spec_of(folder, {"method": "median", "enough": 2, "prefer": "clear"})
    one, two = (make(tmp_path, spec, workers=workers, store=f"store{workers}") for workers in (1, 2))
    assert (one.cog, one.png) == (two.cog, two.png)


def test_scenes_are_not_opened_after_all_pixels_have_enough_observations(tmp_path, monkeypatch):
    """Of four scenes, the newest lacks a corner, so that with two observations the third is read and the oldest not."""
    scenes = []
    for number in range(4):
        values = noise(SIDE, SIDE, number)
        values[:9, :9] *= number > 0
        name = write_raster(tmp_path / f"{number}.tif", values, nodata=0)
        scenes.append({"bands": {"red": str(name)}, "datetime": f"2024-07-{9 - number:02}"})
    found = []
    original = reading.read_band
    monkeypatch.setattr(reading, "read_band", lambda *given: found.append(Path(given[1].href).stem) or original(*given))
    spec = {"source": files(*reversed(scenes)), "product": {"bands": ["red"]}, "composite": {"enough": 2}}
    plan = planned(spec, tmp_path)
    pixels = computed(plan, tmp_path)[0]
    assert found == ["0", "1", "2"]
    assert pixels.scenes == (1, 2, 3)
    expected = np.median([noise(SIDE, SIDE, number) for number in (0, 1)], axis=0)
    expected[:9, :9] = np.median([noise(SIDE, SIDE, number)[:9, :9] for number in (1, 2)], axis=0)
    assert np.array_equal(pixels.values[0], expected)
    every = planned(spec | {"composite": {}}, tmp_path)
    assert plan.estimate.core_seconds <= every.estimate.core_seconds
    assert estimate(plan.grid, [plan.scenes], 1, None, [expected_reading(plan.scenes, plan.grid, 2)]) == plan.estimate


def test_several_scenes_need_a_date_unless_the_clearest_are_first(folder):
    with pytest.raises(RequestError, match="newest first needs the datetime of each scene, and scene-1 has none"):
        planned(spec_of(folder, {"enough": 2}, dated=False), folder)
    plan = planned(spec_of(folder, {"enough": 2, "prefer": "clear"}, dated=False), folder)
    assert len(plan.scenes) == SCENES


def test_the_estimate_counts_the_scenes_that_are_probably_read(folder):
    plan = planned(spec_of(folder, {"enough": 2}, masked=False), folder)
    large = replace(plan.grid, width=10_000, height=10_000)
    windows = [Window(0, 0, 10_000, 10_000), Window(0, 0, 5_000, 10_000), *[Window(0, 0, 10_000, 10_000)] * 4]
    scenes = [replace(each, window=window) for each, window in zip(plan.scenes, windows, strict=True)]
    image = Grid(large.crs, large.left, large.top, large.xres, large.yres, 10_000, 10_000)
    for each in scenes:
        for name, band in each.scene.bands.items():
            each.scene.bands[name] = replace(band, header=replace(band.header, grid=image))

    def pixels(most: int | None) -> float:
        found = estimate(large, [scenes], 1, "nearest", [expected_reading(scenes, large, most)]).core_seconds
        return round((found - PRODUCT_SECONDS * 100) / (2 * DECODE_SECONDS["other"] * 100), 2)

    assert [pixels(most) for most in (None, 1, 2, 9)] == [5.5, 1.0, 2.0, 5.5]
    tile = tiles_of(large, 10_000)[0]
    work = [tile_work(tile, scenes, expected_reading(scenes, large, most)) / 1e8 for most in (None, 1, 2, 9)]
    assert work == [6.5, 2.0, 3.0, 6.5]


def test_clouds_make_more_scenes_necessary_in_an_estimate(folder):
    def visible(shares: list[float | None], most: int) -> tuple[float | None, list[float]]:
        plan = planned(spec_of(folder, {"enough": most}), folder)
        found = expected_reading(
            [replace(scene, clear=share) for scene, share in zip(plan.scenes, shares, strict=True)], plan.grid, most
        )
        return found.depth, list(found.visible)

    assert visible([1.0, 0.5, 0.0, 0.25, None, 0.5], 2) == (4, [1.0, 0.5, 0.0, 0.25, 0.0, 0.5])


def test_the_item_names_the_number_of_observations(folder, tmp_path):
    mosaic = make(tmp_path, spec_of(folder, {"method": "max", "enough": 1}))
    properties = json.loads((mosaic.folder / "mosaic.json").read_text())["properties"]
    assert properties["mosaic:composite"]["enough"] == 1
    assert "composed by max of 1 observation at most per product" in properties["processing:lineage"]
