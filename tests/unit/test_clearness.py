"""`composite.prefer: clear`: scenes in the order of what their masks leave visible inside the area."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import inside
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.local.run import prepare
from mosaic_worker.plan import clearness
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve
from rasterio.warp import transform_geom
from shapely.geometry import Polygon, mapping

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import noise, write_raster

SIDE = 120
CLOUDS = (0.9, 0.1, 0.5, 0.3)
"""The share of clouds in each scene, the oldest first; the catalogue says the opposite."""
ORDER = [2, 4, 3, 1]
"""The numbers in the list of scenes, the clearest first."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, clouds in enumerate(CLOUDS):
        write_raster(tmp_path / f"{number}.tif", noise(SIDE, SIDE, number), nodata=0)
        scl = np.where(np.random.default_rng(number).random((SIDE, SIDE)) < clouds, 9, 4).astype(np.uint8)
        scl[:, : 5 * number] = 0
        write_raster(tmp_path / f"{number}-scl.tif", scl)
    return tmp_path


def spec_of(folder: Path, composite: dict[str, Any], **spec: Any) -> dict[str, Any]:
    scenes = [
        {
            "bands": {"red": str(folder / f"{number}.tif")},
            "mask": str(folder / f"{number}-scl.tif"),
            "datetime": f"2024-07-{number + 1:02}",
            "cloudCover": 100 - 100 * clouds,
        }
        for number, clouds in enumerate(CLOUDS)
    ]
    return {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"method": "median", "enough": 2, "prefer": "clear", "mask": ["cloud"], **composite},
        **spec,
    }


def planned(folder: Path, spec: dict[str, Any]) -> Plan:
    return prepare(request_of(spec), own_machine(folder), Limits(), 1)


def ids(plan: Plan) -> list[int]:
    return [int(scene.id.removeprefix("scene-")) for scene in plan.all_scenes]


def scl(folder: Path, number: int) -> np.ndarray:
    with rasterio.open(folder / f"{number}-scl.tif") as dataset:
        return dataset.read(1)


def test_scenes_are_in_the_order_of_their_clear_share(folder):
    plan = planned(folder, spec_of(folder, {}))
    assert ids(plan) == ORDER
    shares = {number: float((scl(folder, number) == 4).mean()) for number in range(len(CLOUDS))}
    assert [each.clear for each in plan.scenes] == [pytest.approx(shares[number - 1]) for number in ORDER]
    assert Plan.from_json(plan.to_json()) == plan
    first, last = (round(100 * shares[ORDER[place] - 1]) for place in (0, -1))
    note = f"the clearest scene, scene-2, is clear in {first} % of the area, and the last, scene-1, in {last} %"
    assert note in plan.warnings


def test_the_mosaic_and_its_item_follow_the_order(folder, tmp_path):
    composite = {"method": "leastCloudy", "prefer": "clear", "mask": ["cloud"], "chosen": True}
    mosaic = make(tmp_path, spec_of(folder, {}) | {"composite": composite})
    visible = np.array([scl(folder, number - 1) == 4 for number in ORDER])
    expected = np.where(visible.any(axis=0), visible.argmax(axis=0) + 1.0, np.nan)
    assert np.array_equal(mosaic.values(2), expected, equal_nan=True)
    scenes = mosaic.item["properties"]["mosaic:scenes"]
    assert [scene["mosaic:clear_percent"] for scene in scenes] == [
        round(100 * float((scl(folder, number - 1) == 4).mean()), 2) for number in ORDER
    ]
    assert any("the clearest scene, scene-2" in note for note in mosaic.item["properties"]["mosaic:warnings"])


def test_the_order_depends_on_the_area_alone(folder):
    """In the left fifth, the newest scene has no data, so the second newest is clearer there than in the whole."""
    grid = Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, SIDE, SIDE)
    shape = Polygon([(500_000, 4_998_800), (500_100, 5_000_000), (500_240, 4_999_000)])

    degrees = json.loads(json.dumps(transform_geom(grid.crs, "EPSG:4326", mapping(shape))))
    spec = spec_of(folder, {}, area={"geometry": degrees}, grid={"crs": "source"})
    plan = planned(folder, spec)
    shares = {}
    for number in range(len(CLOUDS)):
        column, row = round((plan.grid.left - grid.left) / 10), round((grid.top - plan.grid.top) / 10)
        clear = scl(folder, number)[row : row + plan.grid.height, column : column + plan.grid.width] == 4
        wanted = inside(plan.shape_of_area, plan.grid)
        shares[number + 1] = np.count_nonzero(clear & wanted) / np.count_nonzero(wanted)
    assert {int(each.scene.id[-1]): each.clear for each in plan.scenes} == pytest.approx(shares)
    assert ids(plan) == sorted(shares, key=lambda number: -shares[number])


@settings(max_examples=20, deadline=None)
@given(side=st.sampled_from([7, 20, 60]), strip=st.sampled_from([1, 500, 10**6]))
def test_shares_are_counted_at_points_that_do_not_depend_on_strips(tmp_path_factory, side, strip):
    folder = tmp_path_factory.mktemp("scenes")
    classes = np.where(noise(SIDE, SIDE, 7) % 3 == 0, 9, 4).astype(np.uint8)
    for number in range(2):
        write_raster(folder / f"{number}.tif", noise(SIDE, SIDE, number))
        write_raster(folder / f"{number}-scl.tif", classes)
    spec = spec_of(folder, {})
    spec["source"]["files"]["scenes"] = spec["source"]["files"]["scenes"][:2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearness, "SIDE", side)
        patch.setattr(clearness, "STRIP_PIXELS", strip)
        plan = planned(folder, spec)
    step = -(-SIDE // side)
    centres = np.arange(SIDE // step) * step + step // 2  # of an even step, the centre is a corner of four pixels
    sampled = [classes[np.ix_(centres - shift, centres - shift)] for shift in ((0, 1) if step % 2 == 0 else (0,))]
    assert plan.scenes[0].clear == plan.scenes[1].clear
    assert any(plan.scenes[0].clear == pytest.approx(float((each == 4).mean())) for each in sampled)


def test_scenes_that_are_cloudy_everywhere_are_in_the_order_of_their_dates(folder):
    for number in range(len(CLOUDS)):
        write_raster(folder / f"{number}-scl.tif", np.full((SIDE, SIDE), 9, np.uint8))
    plan = planned(folder, spec_of(folder, {}))
    assert ids(plan) == [4, 3, 2, 1]
    assert [each.clear for each in plan.scenes] == [0, 0, 0, 0]


def test_without_any_mask_it_is_refused(folder):
    with pytest.raises(RequestError, match=r"none of them has one; set composite.mask, such as .cloud., or"):
        planned(folder, spec_of(folder, {"mask": []}))


def test_scenes_without_a_mask_come_last_with_a_note(folder):
    spec = spec_of(folder, {"mask": []})
    for number, scene in enumerate(spec["source"]["files"]["scenes"]):
        write_raster(folder / f"{number}-flags.tif", (scl(folder, number) != 4).astype(np.uint8))
        scene["mask"] = {"href": str(folder / f"{number}-flags.tif"), "values": "nonzero"}
    del spec["source"]["files"]["scenes"][1]["mask"]
    plan = planned(folder, spec)
    assert ids(plan) == [4, 3, 1, 2]
    assert plan.scenes[-1].clear is None
    assert "scenes without a mask are read last, because their clear share is unknown: scene-2" in plan.warnings


def test_a_damaged_mask_fails_the_plan_or_is_skipped(folder):
    damaged = folder / "1-scl.tif"
    write_raster(damaged, scl(folder, 1), compress="deflate")
    with rasterio.open(damaged) as dataset:
        start, size = (int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    with damaged.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * size)
    spec = spec_of(folder, {})
    with pytest.raises(RequestError, match=r"the mask of scene-2: .*1-scl.tif"):
        planned(folder, spec)
    plan = planned(folder, spec | {"source": spec["source"] | {"onUnreadable": "skip"}})
    assert ids(plan) == [4, 3, 1]
    assert [each.scene for each in plan.unreadable] == ["scene-2"]
    assert any(warning.startswith("1 of 4 scenes cannot be read") for warning in plan.warnings)


def test_an_estimate_reads_no_mask(folder, monkeypatch):
    request, gate = request_of(spec_of(folder, {})), own_machine(folder)
    found = resolve(request.spec, input_bands(request.spec), gate)
    monkeypatch.setattr(clearness, "read_mask", None)
    assert ids(make_plan(request, "uid", found, Limits(), 1)) == [4, 3, 2, 1]
