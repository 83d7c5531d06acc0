"""Blended edges: compared with the formula in plain Python, and the same for any tiles, chunks and ranges."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.pixels import chunks
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.pixels.feather import blended
from mosaic_worker.plan.feathering import check_feather, feather_pixels
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve

from support.scenes.pipeline import files, make, request_of, same
from support.scenes.rasters import noise, write_raster

WHOLE = (slice(None), slice(None))


def nearest(flagged, row, column):
    """The distance of a pixel to the nearest flagged one."""
    rows, columns = np.nonzero(flagged)
    return np.sqrt(((rows - row) ** 2 + (columns - column) ** 2).min()) if len(rows) else np.inf


def expected(stack, chosen, width):
    """The blended values of single-band scenes (scenes, height, width), pixel by pixel."""
    result = np.full(chosen.shape, np.nan)
    for row, column in zip(*np.nonzero(chosen), strict=True):
        total, weights = 0.0, 0.0
        for number, values in enumerate(stack, 1):
            if np.isnan(values[row, column]):
                continue
            weight = max(0.0, 1 - nearest(chosen == number, row, column) / (width + 1))
            weight *= min(1.0, nearest(np.isnan(values), row, column) / (width + 1))
            total, weights = total + weight * values[row, column], weights + weight
        result[row, column] = total / weights
    return result


@st.composite
def scenes_and_choice(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 11)))
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    stack = rng.uniform(0, 1, (count, *shape)).astype(np.float32)
    stack[rng.random(stack.shape) < draw(st.sampled_from([0, 0.1, 0.6, 1]))] = np.nan
    order = rng.random(stack.shape if draw(st.booleans()) else (count, 1, 1)) + np.where(np.isnan(stack), 10, 0)
    chosen = np.where(np.isnan(stack).all(axis=0), 0, order.argmin(axis=0) + 1).astype(np.uint16)
    return stack, chosen, draw(st.integers(1, 5))


def values_of(stack, chosen):
    taken = np.take_along_axis(stack, np.maximum(chosen.astype(int) - 1, 0)[np.newaxis], 0)
    return np.where(chosen > 0, taken, np.float32(np.nan))


@settings(max_examples=30, deadline=None)
@given(scenes_and_choice())
def test_blends_by_the_formula_and_never_spreads_no_data(made):
    stack, chosen, width = made
    values = values_of(stack, chosen)
    found = blended(values, chosen, WHOLE, width, lambda number: stack[number - 1][np.newaxis])
    assert found.dtype == np.float32
    assert same(found[0], expected(stack, chosen, width), 1e-5)
    assert np.array_equal(np.isnan(found[0]), chosen == 0)


@settings(max_examples=30, deadline=None)
@given(scenes_and_choice())
def test_a_pixel_far_from_all_edges_keeps_its_bits(made):
    stack, chosen, width = made
    values = values_of(stack, chosen)
    found = blended(values, chosen, WHOLE, width, lambda number: stack[number - 1][np.newaxis])
    for row, column in zip(*np.nonzero(chosen), strict=True):
        others = (chosen != chosen[row, column]) & (chosen > 0)
        if nearest(others, row, column) >= width + 1:
            assert found[0, row, column] == values[0, row, column]


def test_an_edge_between_two_complete_scenes_becomes_a_ramp():
    chosen = np.ones((1, 20), np.uint16)
    chosen[:, 10:] = 2
    read = lambda number: np.full((1, 1, 20), 10.0 * number, np.float32)  # noqa: E731
    found = blended(values_of(np.concatenate([read(1), read(2)]), chosen), chosen, WHOLE, 4, read)[0, 0]
    assert (np.diff(found) >= 0).all()
    assert np.diff(found).max() < 3
    assert (found[:6] == 10).all()
    assert (found[14:] == 20).all()
    assert found[9] - 10 == pytest.approx(20 - found[10])


def test_a_scene_fades_out_towards_the_end_of_its_data():
    """Scene 1 ends in the middle; scene 2 covers all: without blending the step is 10."""
    stack = np.full((2, 1, 1, 40), 10, np.float32)
    stack[1] = 20
    stack[0, ..., 20:] = np.nan
    chosen = np.where(np.isnan(stack[0, 0]), 2, 1).astype(np.uint16)
    values = values_of(stack[:, 0], chosen)
    found = blended(values, chosen, WHOLE, 9, lambda number: stack[number - 1])[0, 0]
    assert np.abs(np.diff(found)).max() < 2
    assert (found[:10] == 10).all()
    assert (found[20:] == 20).all()


@pytest.fixture
def folder(tmp_path):
    """Three scenes of 300 x 300 pixels, each 80 pixels from the last, with holes; the second has a mask."""
    for number in range(3):
        values = noise(300, 300, number, 1000, 3000) + np.uint16(1000 * number)
        values[100:130, 40 + 60 * number : 90 + 60 * number] = 0
        write_raster(
            tmp_path / f"{number}.tif", values, left=500_000 + 800 * number, top=5_000_000 - 400 * number, nodata=0
        )
    mask = np.zeros((300, 300), np.uint8)
    mask[200:230, 20:60] = 1
    write_raster(tmp_path / "mask.tif", mask, left=500_800, top=4_999_600)
    return tmp_path


def spec(folder, method="latest", **composite):
    scenes = [
        {"bands": {"red": {"href": str(folder / f"{n}.tif"), "scale": 0.0001}}, "datetime": f"2024-07-0{n + 1}"}
        for n in range(3)
    ]
    scenes[1]["mask"] = {"href": str(folder / "mask.tif"), "values": "nonzero"}
    return {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"method": method, "feather": 70.0, "chosen": True, "count": True} | composite,
    }


def plan_of(folder, spec) -> Plan:
    request = request_of(spec)
    found = resolve(request.spec, input_bands(request.spec), own_machine(folder))
    return make_plan(request, "uid", found, Limits(), 2)


def pixels(plan, folder):
    """The bands of a mosaic, tile by tile; and the values out of range and pixels of the area."""
    values = np.full((len(plan.band_names), *plan.grid.shape), np.nan, np.float32)
    counted = np.zeros(2, int)
    for tile in plan.tiles:
        found = compute_tile(plan, tile, OpenSources(own_machine(folder)))
        values[:, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = found.values
        counted += (found.out_of_range, found.inside)
    return values, counted.tolist()


AREA = {"type": "Polygon", "coordinates": [[[15.001, 45.14], [15.025, 45.142], [15.012, 45.153], [15.001, 45.14]]]}


@pytest.mark.parametrize(("of", "area"), [("product", None), ("bands", AREA)])
def test_tiles_and_chunks_of_any_size_agree_bit_for_bit(folder, monkeypatch, of, area):
    asked = spec(folder, of=of) | ({"area": {"geometry": area}} if area else {})
    plan = plan_of(folder, asked)
    whole, counted = pixels(plan, folder)
    assert plan.feather == 7
    for side, memory in ((47, 2**26), (80, 2**15)):  # holes start 7 rows after a tile of 47
        monkeypatch.setattr(chunks, "CHUNK_BYTES", memory)
        found, also = pixels(replace(plan, tile_side=side, block=32 if side == 80 else side), folder)
        assert np.array_equal(found, whole, equal_nan=True)
        assert also == counted


def test_only_values_near_edges_change_and_count_and_chosen_do_not(folder):
    plain, _ = pixels(plan_of(folder, spec(folder, feather=0.0)), folder)
    found, _ = pixels(plan_of(folder, spec(folder)), folder)
    assert np.array_equal(found[1:], plain[1:], equal_nan=True)
    assert np.array_equal(np.isnan(found), np.isnan(plain))
    changed = (found[0] != plain[0]) & ~np.isnan(plain[0])
    assert 0.05 < changed.mean() < 0.9
    steps = [np.nanmean(np.abs(np.diff(np.nanmean(each[0, 70:90], axis=0)))) for each in (plain, found)]
    assert steps[1] < steps[0]


@pytest.mark.parametrize("method", ["greenest", "medoid", "oldest"])
def test_blends_with_the_other_methods(folder, method):
    asked = spec(folder, method)
    if method == "greenest":
        for scene in asked["source"]["files"]["scenes"]:
            scene["bands"]["nir"] = scene["bands"]["red"] | {"offset": 0.05}
    plan = plan_of(folder, asked)
    plain = replace(plan, composite=plan.composite.model_copy(update={"feather": 0.0}))
    (found, _), (before, _) = pixels(plan, folder), pixels(plain, folder)
    assert np.array_equal(found[1:], before[1:], equal_nan=True)
    assert np.array_equal(np.isnan(found[0]), np.isnan(before[0]))
    assert (found[0] != before[0]).any()


def test_one_scene_and_scenes_without_overlap_are_unchanged(folder):
    alone = spec(folder)
    alone["source"]["files"]["scenes"] = alone["source"]["files"]["scenes"][:1]
    write_raster(folder / "far.tif", noise(50, 50, 7), left=503_000, top=5_000_000)
    apart = spec(folder)
    apart["source"]["files"]["scenes"][1:] = [{"bands": {"red": str(folder / "far.tif")}, "datetime": "2024-07-09"}]
    apart["source"]["files"]["scenes"][0]["bands"] = {"red": str(folder / "0.tif")}
    for asked in (alone, apart):
        found, _ = pixels(plan_of(folder, asked), folder)
        before, _ = pixels(plan_of(folder, asked | {"composite": asked["composite"] | {"feather": 0.0}}), folder)
        assert np.array_equal(found, before, equal_nan=True)


def test_a_mosaic_has_the_same_bytes_for_any_number_of_workers(folder):
    one = make(folder, spec(folder), workers=1, store="one")
    two = make(folder, spec(folder), workers=2, store="two")
    assert one.cog == two.cog
    assert one.item["properties"]["mosaic:composite"]["feather"] == 70


def test_a_width_that_the_grid_does_not_allow_is_refused(folder):
    grid = plan_of(folder, spec(folder)).grid
    assert feather_pixels(204.9, grid) == 20
    check_feather(2000, grid)
    with pytest.raises(RequestError, match=r"spec.composite.feather: 2100 m are 210 pixels of 10 m, .* at most 2000,"):
        check_feather(2100, grid)
    with pytest.raises(RequestError, match=r"feather: 4 m is less than a pixel of 10 m; use at least 10, or 0"):
        plan_of(folder, spec(folder, feather=4.0))
    degrees = replace(grid, crs="EPSG:4326", xres=0.001, yres=0.001)
    assert feather_pixels(1113.2, degrees) == 10


def test_a_plan_keeps_its_feather(folder):
    plan = plan_of(folder, spec(folder))
    assert Plan.from_json(plan.to_json()).feather == 7
    assert json.loads(plan.to_json())["composite"]["feather"] == 70
