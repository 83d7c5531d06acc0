"""Differences (`spec.minus`) are those of two separate mosaics of the same grid, for any split, and name both sides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan, plan_step
from mosaic_worker.product.diverging import ramp_of_difference
from mosaic_worker.product.indices import all_indices, find
from mosaic_worker.product.ramps import ramp_of
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import open_store
from mosaic_worker.tiles.ranges import compute_range

from support.scenes.pipeline import Made, files, make, request_of
from support.scenes.rasters import noise, write_raster
from support.scenes.small_catalogue import catalogue, item

AREA = {"bbox": [15.001, 45.11, 15.06, 45.145]}
GRID = {"crs": "EPSG:32633", "resolution": 10}
LEFTS = {"a": 0, "b": 1500, "c": 500, "d": 2500}
"""Metres of the left edges of the scenes; a and b are of one date, c and d of another."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("scenes")
    for seed, (name, left) in enumerate(LEFTS.items()):
        for band in ("red", "nir"):
            numbers = noise(350, 250, 2 * seed + (band == "nir"))
            numbers[:40, :60] = 0
            write_raster(place / f"{name}-{band}.tif", numbers, left=500_000 + left, nodata=0)
        mask = noise(350, 250, 90 + seed, 0, 4) == 0
        write_raster(place / f"{name}-mask.tif", mask.astype(np.uint8), left=500_000 + left)
    write_raster(place / "cloudy.tif", np.ones((350, 700), np.uint8))
    for band in ("red", "nir"):
        write_raster(place / f"away-{band}.tif", noise(350, 100), left=560_000)
    return place


def scene(folder: Path, name: str, mask: str | None = None) -> dict[str, Any]:
    bands = {
        band: {"href": str(folder / f"{name}-{band}.tif"), "scale": 0.0001, "offset": 0.01} for band in ("red", "nir")
    }
    masked = {"href": str(folder / f"{mask or name + '-mask'}.tif"), "values": "nonzero"}
    return {"bands": bands, "mask": masked, "datetime": f"2024-07-{ord(name[0]) - 96:02}"}


def spec(folder: Path, source: str = "ab", minus: str | None = "cd", **more: Any) -> dict[str, Any]:
    subtracted = {} if minus is None else {"minus": files(*(scene(folder, name) for name in minus))}
    return {
        "area": AREA,
        "source": files(*(scene(folder, name) for name in source)),
        "product": {"index": "NDVI"},
        "grid": GRID,
    } | subtracted | more  # fmt: skip


def plan_of(folder: Path, wanted: dict[str, Any], ranges: int = 1) -> Plan:
    request = request_of(wanted)
    found = resolve(request.spec, input_bands(request.spec), own_machine(folder))
    return make_plan(request, "uid", found, Limits(), ranges)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"composite": {"count": True, "dilate": 2}},
        {"composite": {"method": "latest"}},
        {"composite": {"method": "mean", "of": "bands"}},
        {"product": {"bands": ["nir"]}},
        {"product": {"expression": "nir / red"}},
    ],
    ids=["median", "latest", "mean of bands", "band", "expression"],
)
def test_a_difference_is_that_of_two_separate_mosaics_bit_for_bit(folder, tmp_path, more):
    made = make(folder, spec(folder, **more), store=str(tmp_path / "store"))
    one = make(folder, spec(folder, minus=None, **more), store=str(tmp_path / "store"))
    other = make(folder, spec(folder, source="cd", minus=None, **more), store=str(tmp_path / "store"))
    expected = one.values() - other.values()
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()
    assert np.array_equal(made.values(), expected, equal_nan=True)
    if "count" in more.get("composite", {}):
        assert np.array_equal(made.values(2), one.values(2))
        assert np.array_equal(made.values(3), other.values(2))


def test_the_bands_and_the_item_name_both_sides(folder, tmp_path):
    made = make(folder, spec(folder, composite={"count": True}), store=str(tmp_path / "store"))
    with made.open() as dataset:
        assert dataset.descriptions == ("NDVI_difference", "count", "count_minus")
    described = made.item["properties"]
    assert described["title"] == "NDVI difference mosaic test"
    assert described["processing:lineage"] == (
        "NDVI of 2 scenes minus NDVI of 2 scenes, composed by median per product."
    )
    assert [each["subtracted"] for each in described["mosaic:scenes"]] == [False, False, True, True]
    assert (described["start_datetime"], described["end_datetime"]) == ("2024-07-01T00:00:00Z", "2024-07-04T00:00:00Z")


def test_values_reach_from_minus_two_to_two(tmp_path):
    for name, number in (("one", 1), ("other", 10_000)):
        write_raster(tmp_path / f"{name}.tif", np.full((60, 60), number, np.uint16), nodata=0)
    small, large = (str(tmp_path / f"{name}.tif") for name in ("one", "other"))
    wanted = {
        "source": files({"bands": {"red": small, "nir": large}}),
        "minus": files({"bands": {"red": large, "nir": small}}),
        "product": {"index": "NDVI"},
    }
    for dtype in ("float32", "int16"):
        made = make(tmp_path, wanted | {"output": {"dtype": dtype}})
        measured = made.item["assets"]["mosaic"]["bands"][0]["statistics"]
        assert measured["minimum"] == measured["maximum"] == pytest.approx(2 * 9999 / 10001, abs=1e-4)


def test_two_mosaics_as_files(folder, tmp_path):
    store = str(tmp_path / "store")
    parts = [make(folder, spec(folder, names, None), store=store) for names in ("ab", "cd")]
    sides = [files({"bands": {"b1": str(part.folder / "mosaic.tif")}}) for part in parts]
    made = make(tmp_path, {"source": sides[0], "minus": sides[1], "product": {"bands": ["b1"]}}, store="files")
    assert np.array_equal(made.values(), parts[0].values() - parts[1].values(), equal_nan=True)
    with made.open() as dataset:
        assert dataset.descriptions == ("b1_difference",)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranges=st.integers(1, 6),
    method=st.sampled_from(["latest", "mean"]),
    source=st.sampled_from(["a", "ab"]),
    minus=st.sampled_from(["c", "cd", "a"]),
)
def test_bytes_do_not_depend_on_the_number_of_ranges(folder, tmp_path_factory, ranges, method, source, minus):
    request = request_of(spec(folder, source, minus, composite={"method": method}))
    found = []
    for count in (1, ranges):
        store = open_store(str(tmp_path_factory.mktemp("store")))
        plan = plan_step(request, "uid", store, own_machine(folder), Limits(), count)
        for index in reversed(range(len(plan.ranges))):
            compute_range(plan, index, store, OpenSources(own_machine(folder)))
        made = json.loads(finalize_step(plan, store))
        found.append({key: asset["file:checksum"] for key, asset in made["assets"].items()})
    assert found[0] == found[1]


def look(made: Made) -> tuple[str, list[float]]:
    picture = made.item["assets"]["picture"]
    return picture["mosaic:colormap"], picture["mosaic:stretch"][0]


def test_colours_are_diverging_and_centred_at_zero_unless_the_request_chooses_others(folder, tmp_path):
    store = str(tmp_path / "store")
    assert look(make(folder, spec(folder), store=store)) == ("RdYlGn", [-0.5, 0.5])
    colormap, limits = look(make(folder, spec(folder, product={"expression": "nir / red"}), store=store))
    assert (colormap, limits[0]) == ("coolwarm", -limits[1])
    assert limits[1] > 0.5
    chosen = {"output": {"colormap": "viridis", "stretch": {"fixed": {"lower": -1, "upper": 0.5}}}}
    assert look(make(folder, spec(folder, **chosen), store=store)) == ("viridis", [-1, 0.5])


@pytest.mark.parametrize(
    ("index", "colormap"),
    [("NDVI", "RdYlGn"), ("NBR", "RdYlGn"), ("NDWI", "RdBu"), ("NDBI", "RdBu_r"), ("BI", "BrBG_r")],
)
def test_loss_of_vegetation_is_red_and_gain_of_water_blue(index, colormap):
    found = ramp_of_difference(ramp_of(find(index)))
    assert (found.colormap, found.limits) == (colormap, (-0.5, 0.5))


def test_each_index_has_a_diverging_colour_map():
    assert {ramp_of_difference(ramp_of(index)).colormap.removesuffix("_r") for index in all_indices()} == {
        "RdYlGn", "RdYlBu", "RdBu", "BrBG", "coolwarm",
    }  # fmt: skip


def test_a_plan_survives_the_store_and_counts_both_sides(folder):
    plan = plan_of(folder, spec(folder, "ab", "c"), ranges=4)
    assert Plan.from_json(plan.to_json()) == plan
    assert [len(side) for side in plan.scenes_of_sides] == [2, 1]
    alone = [plan_of(folder, spec(folder, names, None)) for names in ("ab", "c")]
    assert plan.estimate.core_seconds == pytest.approx(sum(each.estimate.core_seconds for each in alone), abs=0.1)
    assert plan.summary()["scenes"] == 3


def test_a_side_without_clear_pixels_leaves_no_data(folder, tmp_path):
    wanted = spec(folder, minus=None) | {"minus": files(scene(folder, "c", mask="cloudy"))}
    made = make(folder, wanted, store=str(tmp_path / "store"))
    assert np.isnan(made.values()).all()
    assert made.item["assets"]["mosaic"]["bands"][0]["statistics"] == {"valid_percent": 0.0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"area": None, "minus": "away"}, r"spec\.minus: none of its scenes touches the mosaic"),
        (
            {"area": {"bbox": [15.001, 45.11, 15.79, 45.145]}, "minus": "away"},
            r"spec\.minus: its scenes overlap none of spec\.source",
        ),
        ({"minus": "missing"}, r"spec\.minus\.files\.scenes\[0\]\.bands\.nir: there is no file"),
    ],
)
def test_refuses_sides_that_have_nothing_in_common_or_cannot_be_read(folder, changes, sentence):
    name = changes.pop("minus")
    wanted = spec(folder, minus=None) | {"minus": files(scene(folder, name, mask="cloudy"))} | changes
    with pytest.raises(RequestError, match=sentence):
        plan_of(folder, {key: value for key, value in wanted.items() if value is not None})


def test_refuses_to_subtract_uncalibrated_numbers_from_reflectances(folder):
    bands = {band: str(folder / f"c-{band}.tif") for band in ("red", "nir")}
    wanted = spec(folder, minus=None) | {"minus": files({"bands": bands})}
    with pytest.raises(RequestError, match="uncalibrated numbers and other scenes have reflectances"):
        plan_of(folder, wanted)


def test_each_side_must_be_mostly_readable_and_its_notes_say_which_it_is(folder, tmp_path):
    skip = {"source": files(*(scene(folder, name) for name in "abcd")) | {"onUnreadable": "skip"}}
    wanted = spec(folder, minus=None) | skip
    two_of_three = [scene(folder, name, mask="cloudy") for name in ("c", "x", "y")]
    with pytest.raises(RequestError, match=r"spec\.minus: 2 of 3 scenes cannot be read"):
        plan_of(folder, wanted | {"minus": files(*two_of_three)})
    plan = plan_of(folder, wanted | {"minus": files(*two_of_three[:2])})
    assert plan.warnings[0].startswith("minus: 1 of 2 scenes cannot be read and are skipped: scene-2")
    assert plan.subtracted.unreadable == len(plan.unreadable) == 1


def test_a_search_is_repeated_at_another_date(tmp_path):
    values = {"new": noise(60, 60, 1), "old": noise(60, 60, 2)}
    for name, numbers in values.items():
        write_raster(tmp_path / f"{name}.tif", numbers, left=500_000, top=5_000_000)
    items = [item("new", "new.tif", "2024-07-01T10:00:00Z"), item("old", "old.tif", "2023-07-01T10:00:00Z")]
    with catalogue(tmp_path, [items], by_time=True) as (url, _):
        search = {"url": url, "collection": "c", "datetime": "2024-06-01/2024-08-31"}
        wanted = {
            "area": {"bbox": [15.001, 45.149, 15.006, 45.152]},
            "source": {"stac": search},
            "minus": {"datetime": "2023-06-01/2023-08-31"},
            "product": {"bands": ["nir"]},
        }
        made = make(tmp_path, wanted)
        with pytest.raises(RequestError, match=r"spec\.minus\.datetime: no scene of c touches the area in 2022"):
            make(tmp_path, wanted | {"minus": {"datetime": "2022-06-01/2022-08-31"}})
    assert [each["id"] for each in made.item["properties"]["mosaic:scenes"]] == ["new", "old"]
    assert [Path(link["href"]).name for link in made.item["links"]] == ["new", "old"]
    with made.open() as dataset:
        row, column = round((5_000_000 - dataset.bounds.top) / 10), round((dataset.bounds.left - 500_000) / 10)
        here = np.s_[row : row + dataset.height, column : column + dataset.width]
    expected = (values["new"][here].astype(float) - values["old"][here]) * 0.0001
    assert np.allclose(made.values(), expected, atol=1e-6)
