"""Planning before a request: estimates of size, counts of scenes, and spectral indices."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.settings import Settings
from mosaic_worker.synthetic import write_scenes

from support.api.clients import Client
from support.scenes.served_items import COLLECTION, around, served_item
from support.servers import running
from support.servers.range_server import serving


@dataclass(frozen=True)
class Catalogue:
    """A STAC API of three scenes.

    Attributes:
        url: URL of its landing page.
        hosts: Hosts of the API and of its files.
        items: The Items.
    """

    url: str
    hosts: str
    items: list[dict[str, Any]]

    def spec(self, **changes: Any) -> dict[str, Any]:
        stac = {"url": self.url, "collection": COLLECTION, "datetime": "2024-06-01/2024-09-30"}
        return {
            "area": {"bbox": around(self.items)},
            "source": {"stac": stac | changes.pop("stac", {})},
            "product": {"index": "NDVI"},
        } | changes


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    folder = tmp_path_factory.mktemp("scenes")
    list(write_scenes(folder, count=3, side=512))
    with serving(folder) as files:
        items = [served_item(path, folder, files) for path in sorted(folder.glob("*/item.json"))]
        with running.stac_api(items, tmp_path_factory.mktemp("rustac")) as url:
            yield Catalogue(url, f"{url.removeprefix('http://')},{files}", items)


@pytest.fixture
def settings(settings: Settings, catalogue: Catalogue) -> Settings:
    return replace(settings, allowed_hosts=catalogue.hosts, max_pixels=5_000_000)


def estimated(client: TestClient, spec: dict[str, Any], *, whole: bool = False, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/estimate", params={"whole": whole}, json={"spec": spec} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("grid", [{"resolution": 20}, {}, {"crs": "EPSG:3005", "resolution": 30}])
def test_a_quick_estimate_has_the_grid_of_the_whole_estimate(
    client: Client, catalogue: Catalogue, grid: dict[str, Any]
):
    ann = client("ann")
    spec = catalogue.spec(grid=grid)
    quick, whole = estimated(ann, spec, scenes=3), estimated(ann, spec, whole=True)
    same = ("width", "height", "resolution", "crs", "megapixels", "limit_megapixels", "tiles", "scenes", "bytes")
    assert {name: quick[name] for name in same} == {name: whole[name] for name in same}
    assert quick["limit_megapixels"] == 5
    assert (whole["scenes"], quick["seconds"] > 0) == (3, True)


def test_a_quick_estimate_calls_no_server(client: Client, catalogue: Catalogue):
    spec = catalogue.spec(stac={"url": "https://nowhere.invalid"})
    assert estimated(client("ann"), spec)["scenes"] is None


def test_more_scenes_take_longer(client: Client, catalogue: Catalogue):
    ann = client("ann")
    few, many = (estimated(ann, catalogue.spec(), scenes=count)["core_seconds"] for count in (1, 50))
    assert many > 5 * few


@pytest.mark.parametrize(("mask", "fewer"), [([], True), (["cloud"], False)])
def test_scenes_beyond_enough_cost_nothing_unless_clouds_make_them_necessary(
    client: Client, catalogue: Catalogue, mask: list[str], fewer: bool
):
    specs = [catalogue.spec(composite={"mask": mask} | enough) for enough in ({"enough": 5}, {})]
    some, every = (estimated(client("ann"), spec, scenes=50)["core_seconds"] for spec in specs)
    assert some < every / 5 if fewer else some == every


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"grid": {"resolution": 1}}, "spec.grid.resolution"),
        ({"product": {"index": "NDVY"}}, "spec.product.index"),
        ({"stac": {"collection": "landsat"}}, "spec.grid.resolution"),
        ({"source": {"files": {"scenes": [{"bands": {"red": "a.tif"}}]}}}, "spec.source"),
        ({"area": {"bbox": [1, 2, 3]}}, "spec.area.bbox"),
        ({"grid": {"crs": "EPSG:999999", "resolution": 1}}, "spec.grid.crs"),
    ],
)
def test_names_the_field_that_prevents_an_estimate(
    client: Client, catalogue: Catalogue, changes: dict[str, Any], field: str
):
    answer = client("ann").post("/api/v1/estimate", json={"spec": catalogue.spec(**changes)})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("form", ["path", "relative path", "URI"])
def test_lists_scenes_in_the_folders_of_a_laptop(
    database_url: str, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch, form: str
):
    monkeypatch.chdir(tmp_path)
    (item,) = write_scenes(tmp_path / "scenes", side=64)
    (tmp_path / "scenes" / "store").mkdir()
    (tmp_path / "scenes" / "store" / "mosaic.json").write_text(item.read_text())
    path, folders = tmp_path / "scenes" / "store", [tmp_path / "scenes"]
    store = {"path": str(path), "relative path": "scenes/store", "URI": path.as_uri()}[form]
    own = Settings.of_laptop({}, database_url, store, folders, "")
    with TestClient(create_app(own), base_url="http://127.0.0.1:8080") as laptop:
        body = laptop.get("/api/v1/scenes").json()
        (scene,) = body["scenes"]
        assert body["complete"] is True
        assert (scene["kind"], scene["path"], scene["id"]) == ("item", str(item), "S2_SYNTHETIC_1")
        spec = {"source": {"files": {"scenes": [{"item": scene["path"]}]}}, "product": {"index": "NDVI"}}
        assert estimated(laptop, spec, whole=True)["scenes"] == 1
    assert client("ann").get("/api/v1/scenes").json() == {"scenes": [], "complete": True, "unreadable": []}


def test_counts_scenes_with_their_dates_and_cloud_cover(client: Client, catalogue: Catalogue):
    spec = catalogue.spec()
    body = client("ann").post("/api/v1/scenes", json={"source": spec["source"], "area": spec["area"]}).json()
    properties = [item["properties"] for item in catalogue.items]
    clouds = [each["eo:cloud_cover"] for each in properties]
    assert body["count"] == 3
    assert (body["first"][:19], body["last"][:19]) == (properties[0]["datetime"][:19], properties[2]["datetime"][:19])
    assert (body["least_cloud"], body["most_cloud"]) == (min(clouds), max(clouds))
    assert "cover" in body["message"]


def test_an_empty_search_suggests_what_to_change(client: Client, catalogue: Catalogue):
    spec = catalogue.spec(stac={"datetime": "2001-01-01/2001-02-01"})
    body = client("ann").post("/api/v1/scenes", json={"source": spec["source"], "area": spec["area"]}).json()
    assert body["count"] == 0
    assert "widen the dates" in body["message"]


def test_counts_the_scenes_of_both_sides_of_a_difference(client: Client, catalogue: Catalogue):
    spec = catalogue.spec()
    searched = {"source": spec["source"], "area": spec["area"]}
    day = catalogue.items[0]["properties"]["datetime"][:10]
    body = client("ann").post("/api/v1/scenes", json=searched | {"minus": {"datetime": day}}).json()
    assert (body["count"], body["last"][:10]) == (4, catalogue.items[2]["properties"]["datetime"][:10])
    empty = client("ann").post("/api/v1/scenes", json=searched | {"minus": {"datetime": "2001-01-01"}}).json()
    assert empty["count"] == 0
    assert empty["message"].startswith("spec.minus.datetime: no scene of")
    wrong = client("ann").post("/api/v1/scenes", json=searched | {"minus": {}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "spec.minus")


def test_estimates_a_difference(client: Client, catalogue: Catalogue):
    spec = catalogue.spec()
    difference = spec | {"minus": {"datetime": catalogue.items[0]["properties"]["datetime"][:10]}}
    alone, both = (estimated(client("ann"), each, whole=True) for each in (spec, difference))
    assert (both["scenes"], both["width"]) == (alone["scenes"] + 1, alone["width"])
    assert estimated(client("ann"), difference)["core_seconds"] > estimated(client("ann"), spec)["core_seconds"]


def test_counts_listed_files_without_a_search(client: Client):
    scenes = [{"bands": {"red": "a.tif"}, "datetime": "2024-07-01", "cloudCover": 5}, {"item": "b.json"}]
    body = client("ann").post("/api/v1/scenes", json={"source": {"files": {"scenes": scenes}}}).json()
    assert (body["count"], body["first"], body["most_cloud"]) == (2, "2024-07-01T00:00:00Z", 5)


@pytest.mark.parametrize(
    ("stac", "field"),
    [
        ({"url": "http://127.0.0.1:1"}, "spec.source.stac"),
        ({"collection": "nothing"}, "spec.source.stac.collection"),
        ({"datetime": "yesterday"}, "spec.source.stac.datetime"),
        ({"url": "file:///etc/passwd"}, "spec.source.stac.url"),
    ],
)
def test_names_the_field_that_prevents_a_search(client: Client, catalogue: Catalogue, stac: dict[str, str], field: str):
    spec = catalogue.spec(stac=stac)
    answer = client("ann").post("/api/v1/scenes", json={"source": spec["source"], "area": spec["area"]})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_viewers_may_estimate(client: Client, catalogue: Catalogue):
    assert estimated(client("vic", "viewer"), catalogue.spec())["width"] > 0


def test_describes_indices(client: Client):
    answer = client("ann").get("/api/v1/indices")
    found = {index["name"]: index for index in answer.json()}
    assert len(found) > 200
    assert (found["NDVI"]["bands"], found["NDVI"]["domain"]) == (["nir", "red"], "vegetation")
    assert found["NDVI"]["long_name"] == "Normalized Difference Vegetation Index"
    assert {constant["name"]: constant["value"] for constant in found["SAVI"]["constants"]} == {"L": 1.0}


def test_every_listed_index_can_be_requested(client: Client, catalogue: Catalogue):
    ann = client("ann")
    for name in [index["name"] for index in ann.get("/api/v1/indices").json()]:
        spec = catalogue.spec(product={"index": name}, grid={"resolution": 100})
        assert estimated(ann, spec)["width"] > 0
