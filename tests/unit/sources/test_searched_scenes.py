"""Scenes from a search: none is omitted because of the footprint in its Item, and each observation is used once."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.local.run import prepare
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from rasterio.warp import transform_bounds

from support.scenes.pipeline import make, request_of, same
from support.scenes.rasters import noise, write_raster
from support.scenes.small_catalogue import SEARCH, catalogue, item, spec

SIDE = 120
LEFT, TOP = 500_000, 5_000_000
INSIDE = (LEFT + 205, TOP - 905, LEFT + 995, TOP - 205)
"""Metres; well within a raster of SIDE pixels of 10 m."""


def degrees(bounds: tuple[float, float, float, float], crs: str = "EPSG:32633") -> list[float]:
    return list(transform_bounds(crs, "EPSG:4326", *bounds))


def ring(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}


SQUARE = ring(*degrees((LEFT - 50_000, TOP - 60_000, LEFT + 60_000, TOP + 50_000)))
CROSSED = {"type": "Polygon", "coordinates": [[[179.5, 44], [-179.5, 46], [-179.5, 44], [179.5, 46], [179.5, 44]]]}
DRAWN = {
    "the whole cell": SQUARE,
    "nothing": None,
    "an empty polygon": {"type": "Polygon", "coordinates": []},
    "the whole world": ring(-180, -90, 180, 90),
    "the long way around": ring(-179.5, 44, 179.5, 46),
    "a bow": CROSSED,
    "another place": ring(30, 10, 31, 11),
    "a point": {"type": "Point", "coordinates": [15, 45]},
    "no geometry": {"type": "Polygon"},
}


def values_on(made: Any, numbers: np.ndarray) -> np.ndarray:
    """Values of a raster of SIDE pixels on a mosaic's grid; 0 becomes NaN."""
    with made.open() as dataset:
        column, row = (round(place) for place in ~dataset.transform @ (LEFT, TOP))
        height, width = dataset.shape
    window = numbers[-row : -row + height, -column : -column + width].astype(np.float64)
    return np.where(window == 0, np.nan, window * 0.0001)


@pytest.mark.parametrize("geometry", DRAWN.values(), ids=DRAWN)
def test_an_older_scene_fills_gaps_of_a_newer_one_whatever_their_footprints(tmp_path: Path, geometry: Any):
    newer, older = noise(SIDE, SIDE, 1), noise(SIDE, SIDE, 2)
    newer[:, SIDE // 2 :] = 0
    newer[40, 40] = 0
    write_raster(tmp_path / "new.tif", newer, nodata=0)
    write_raster(tmp_path / "old.tif", older, nodata=0)
    full = {"s2:nodata_pixel_percentage": 0.0}
    items = [
        item("new", "new.tif", "2024-07-10T10:00:00Z", geometry, **full),
        item("old", "old.tif", geometry=geometry, **full),
    ]
    with catalogue(tmp_path, [items]) as (url, _):
        made = make(tmp_path, spec(url, degrees(INSIDE)))
    assert same(made.values(), values_on(made, np.where(newer == 0, older, newer)))


def test_a_scene_whose_file_is_elsewhere_affects_neither_scenes_nor_grid(tmp_path: Path):
    numbers = noise(SIDE, SIDE)
    write_raster(tmp_path / "here.tif", numbers, nodata=0)
    write_raster(tmp_path / "there.tif", noise(20, 20), left=LEFT + 90_003, resolution=60, nodata=0)
    items = [item("there", "there.tif", "2024-07-10T10:00:00Z", SQUARE), item("here", "here.tif", geometry=SQUARE)]
    with catalogue(tmp_path, [items]) as (url, _):
        made = make(tmp_path, spec(url, degrees(INSIDE), grid={"crs": "source"}))
    assert same(made.values(), values_on(made, numbers))
    assert "skipped 1 scene outside the area" in made.item["properties"]["mosaic:warnings"]


@pytest.mark.parametrize("damaged", [False, True])
def test_an_older_scene_replaces_an_unreadable_newer_one_that_is_skipped(tmp_path: Path, damaged: bool):
    older = noise(SIDE, SIDE, 2)
    write_raster(tmp_path / "old.tif", older, nodata=0)
    if damaged:
        path = write_raster(tmp_path / "new.tif", noise(SIDE, SIDE, 1), nodata=0, compress="deflate")
        with rasterio.open(path) as dataset:
            start = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
        content = bytearray(path.read_bytes())
        content[start : start + 64] = bytes(64)
        path.write_bytes(content)
    items = [item("new", "new.tif", "2024-07-10T10:00:00Z", SQUARE), item("old", "old.tif", geometry=SQUARE)]
    with catalogue(tmp_path, [items]) as (url, _):
        requested = spec(url, degrees(INSIDE))
        with pytest.raises(RequestError, match="cannot be read completely" if damaged else "the server answered 404"):
            make(tmp_path, requested)
        requested["source"]["onUnreadable"] = "skip"
        made = make(tmp_path, requested)
    assert same(made.values(), values_on(made, older))
    assert [each["id"] for each in made.item["properties"]["mosaic:unreadable"]] == ["new"]


def test_refuses_a_search_whose_scenes_are_all_elsewhere(tmp_path: Path):
    write_raster(tmp_path / "there.tif", noise(20, 20), left=LEFT + 90_000, nodata=0)
    with (
        catalogue(tmp_path, [[item("there", "there.tif", geometry=SQUARE)]]) as (url, _),
        pytest.raises(RequestError, match="none of the scenes touches the area"),
    ):
        make(tmp_path, spec(url, degrees(INSIDE)))


@pytest.mark.parametrize("geometry", [ring(-179.9, -17.2, 179.9, -16.8), ring(-180, -90, 180, 90), None])
def test_finds_scenes_near_the_antimeridian_by_their_files(tmp_path: Path, geometry: Any):
    """Two zones; the footprint of each Item spans nearly the whole world."""
    for name, crs, left in (("west", "EPSG:32760", 815_000), ("east", "EPSG:32701", 182_000)):
        values = np.full((500, 500), 2000 if name == "west" else 5000, np.uint16)
        write_raster(tmp_path / f"{name}.tif", values, left=left, top=8_126_000, crs=crs, nodata=0)
    items = [
        item("east", "east.tif", "2024-07-10T10:00:00Z", geometry),
        item("west", "west.tif", "2024-07-01T10:00:00Z", geometry),
    ]
    west = degrees((816_000, 8_122_000, 818_000, 8_124_000), "EPSG:32760")
    with catalogue(tmp_path, [items]) as (url, _):
        made = make(tmp_path, spec(url, west, grid={"crs": "EPSG:32760", "resolution": 10}))
    assert np.allclose(made.values(), 0.2)


def test_requests_each_header_once(tmp_path: Path):
    write_raster(tmp_path / "a.tif", noise(SIDE, SIDE), nodata=0)
    items = []
    for number in range(30):
        (tmp_path / f"{number}.tif").write_bytes((tmp_path / "a.tif").read_bytes())
        items.append(item(f"i{number}", f"{number}.tif", f"2024-07-{number + 1:02}T10:00:00Z", SQUARE))
    with catalogue(tmp_path, [items]) as (url, log):
        plan = plan_of(tmp_path, spec(url, degrees(INSIDE)))
    assert len(plan.scenes) == 30
    assert sorted(path for path in log.paths if path.endswith(".tif")) == sorted(f"/{n}.tif" for n in range(30))


def test_tiles_do_not_read_scenes_behind_a_complete_one(tmp_path: Path):
    numbers = noise(SIDE, SIDE)
    write_raster(tmp_path / "new.tif", numbers, nodata=0)
    write_raster(tmp_path / "old.tif", noise(SIDE, SIDE, 1), nodata=0)
    items = [item("new", "new.tif", "2024-07-10T10:00:00Z", SQUARE), item("old", "old.tif", geometry=SQUARE)]
    with catalogue(tmp_path, [items]) as (url, log):
        made = make(tmp_path, spec(url, degrees(INSIDE)))
    assert same(made.values(), values_on(made, numbers))
    assert log.paths.count("/old.tif") == 1  # its header


def test_does_not_read_a_scene_beside_a_hole(tmp_path: Path):
    newest, oldest = noise(SIDE, SIDE, 1), noise(SIDE, SIDE, 2)
    newest[40, 40] = 0
    write_raster(tmp_path / "newest.tif", newest, nodata=0)
    write_raster(tmp_path / "beside.tif", noise(SIDE, 40, 3), left=LEFT + 800, nodata=0)
    write_raster(tmp_path / "oldest.tif", oldest, nodata=0)
    days = {"newest": 10, "beside": 5, "oldest": 1}
    items = [item(name, f"{name}.tif", f"2024-07-{day:02}T10:00:00Z", SQUARE) for name, day in days.items()]
    with catalogue(tmp_path, [items]) as (url, log):
        made = make(tmp_path, spec(url, degrees(INSIDE)))
    assert same(made.values(), values_on(made, np.where(newest == 0, oldest, newest)))
    assert [log.paths.count(f"/{name}.tif") for name in days] == [2, 1, 2]
    assert [scene["id"] for scene in made.item["properties"]["mosaic:scenes"]] == ["newest", "oldest"]


def test_a_polygon_is_complete_when_all_pixels_inside_it_are_valid(tmp_path: Path):
    newer = noise(SIDE, SIDE)
    newer[:30] = 0  # outside the triangle
    write_raster(tmp_path / "new.tif", newer, nodata=0)
    write_raster(tmp_path / "old.tif", noise(SIDE, SIDE, 1), nodata=0)
    items = [item("new", "new.tif", "2024-07-10T10:00:00Z", SQUARE), item("old", "old.tif", geometry=SQUARE)]
    west, south, east, _ = degrees(INSIDE)
    top = degrees((LEFT, TOP - 400, LEFT + 1, TOP - 399))[1]
    triangle = {"type": "Polygon", "coordinates": [[[west, south], [east, south], [west, top], [west, south]]]}
    with catalogue(tmp_path, [items]) as (url, log):
        request = spec(url, []) | {"area": {"geometry": triangle}}
        made = make(tmp_path, request)
    assert made.item["assets"]["mosaic"]["bands"][0]["statistics"]["valid_percent"] == 100
    assert log.paths.count("/old.tif") == 1


def plan_of(folder: Path, requested: dict[str, Any]) -> Any:
    return prepare(request_of(requested), own_machine(folder), Limits(), 1)


def test_a_repeated_item_is_used_once(tmp_path: Path):
    low, high = (np.full((SIDE, SIDE), value, np.uint16) for value in (1000, 4000))
    write_raster(tmp_path / "low.tif", low, nodata=0)
    write_raster(tmp_path / "high.tif", high, nodata=0)
    one, two = item("one", "low.tif"), item("two", "high.tif", "2024-07-02T10:00:00Z")
    with catalogue(tmp_path, [[one, two], [two]]) as (url, _):
        made = make(tmp_path, spec(url, degrees(INSIDE), "mean"))
    assert np.allclose(made.values(), (0.1 + 0.4) / 2)
    assert made.item["properties"]["mosaic:warnings"] == ["ignored 1 duplicate in the results of the catalogue"]


def test_the_newest_processing_is_used(tmp_path: Path):
    names = (
        "S2A_MSIL2A_20240701T100031_N0510_R122_T33TVL_20240701T140000",
        "S2A_MSIL2A_20240701T100031_N0511_R122_T33TVL_20250101T140000",
    )
    for number, value in enumerate((1000, 4000)):
        write_raster(tmp_path / f"{number}.tif", np.full((SIDE, SIDE), value, np.uint16), nodata=0)
    items = [item(name, f"{number}.tif") for number, name in enumerate(names)]
    with catalogue(tmp_path, [items[::-1]]) as (url, _):
        made = make(tmp_path, spec(url, degrees(INSIDE), "median"))
    assert np.allclose(made.values(), 0.4)
    assert made.item["properties"]["mosaic:warnings"] == ["skipped 1 older processing of the same observations"]


@pytest.mark.parametrize("then", [0, 1])
def test_links_to_an_earlier_page_end_the_search(tmp_path: Path, then: int):
    write_raster(tmp_path / "a.tif", noise(SIDE, SIDE), nodata=0)
    pages = [[item("a", "a.tif")], [item("b", "a.tif", "2024-07-02T10:00:00Z")]]
    with catalogue(tmp_path, pages, then) as (url, log):
        plan = plan_of(tmp_path, spec(url, degrees(INSIDE)))
    assert [planned.scene.id for planned in plan.scenes] == ["b", "a"]
    assert log.paths.count(SEARCH) == 3


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Set the time zone of this process temporarily."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@pytest.mark.parametrize(
    "earlier",
    [
        "2024-07-01T10:00:00",
        "20240701T100000",
        "2024-07",
        "2024-07-01t10:00:00z",
        "2024-07-01T10:00:00+0000",
        "2024-07-01",
    ],
)
def test_a_time_without_a_zone_is_utc_in_any_time_zone_of_the_machine(tmp_path: Path, earlier: str):
    for name, value in (("a", 2000), ("b", 5000)):
        write_raster(tmp_path / f"{name}.tif", np.full((SIDE, SIDE), value, np.uint16), nodata=0)
    items = [item("a", "a.tif", earlier), item("b", "b.tif", "2024-07-01T11:00:00Z")]
    made = []
    with catalogue(tmp_path, [items]) as (url, _):
        for place in ("UTC", "America/Vancouver", "Asia/Tokyo"):
            with zone(place):
                made.append(make(tmp_path, spec(url, degrees(INSIDE)), store=f"store-{place[:3]}"))
    assert np.allclose(made[0].values(), 0.5)
    assert made[0].cog == made[1].cog == made[2].cog
    described = made[0].item["properties"]["mosaic:scenes"]
    assert [scene["datetime"] for scene in described] == ["2024-07-01T11:00:00Z"]


@pytest.mark.parametrize("geometry", [None, SQUARE])
def test_the_estimate_counts_the_first_scene_at_each_position(tmp_path: Path, geometry: Any):
    """Of two scenes at one place, the older is only read where the newer has no data."""
    ones = np.ones((4000, 4000), np.uint8)
    items = []
    for number in range(1, 3):
        write_raster(tmp_path / f"{number}.tif", ones, nodata=0, compress="deflate")
        items.append(item(f"i{number}", f"{number}.tif", f"2024-07-0{number}T10:00:00Z", geometry))
    area = degrees((LEFT + 1000, TOP - 39_000, LEFT + 39_000, TOP - 1000))
    seconds = {}
    for name, found in (("one", items[:1]), ("both", items)):
        with catalogue(tmp_path, [found]) as (url, _):
            for method in ("latest", "median"):
                seconds[name, method] = plan_of(tmp_path, spec(url, area, method)).estimate.core_seconds
    assert seconds["both", "latest"] == seconds["one", "latest"] == seconds["one", "median"]
    assert seconds["both", "latest"] < seconds["both", "median"]


def test_collections_with_links_to_an_earlier_page_are_listed_once(tmp_path: Path):
    with (
        catalogue(tmp_path, [[]], looping_collections=True) as (url, log),
        pytest.raises(RequestError, match=r"has no collection c; it has a$"),
    ):
        plan_of(tmp_path, spec(url, degrees(INSIDE)))
    assert sum(path.startswith("/api/collections") for path in log.paths) <= 3
