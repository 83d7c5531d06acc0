"""Search scenes in a real STAC API (rustac), read them by byte ranges, and compare mosaics with those of the files."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http import sessions
from mosaic_worker.sources.kinds import stac
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.synthetic import write_scenes

from support.ports import free_port
from support.scenes.pipeline import make, request_of
from support.scenes.served_items import COLLECTION, around, served_item
from support.servers import running
from support.servers.range_server import serving

SIDE = 512
BANDS = ("red", "nir")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    list(write_scenes(folder, count=3, side=SIDE))
    return folder


@pytest.fixture(scope="module")
def api(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """A STAC API with three scenes: its landing page, the address of the files, and the Items."""
    with serving(folder) as files:
        items = [served_item(path, folder, files) for path in sorted(folder.glob("*/item.json"))]
        with running.stac_api(items, tmp_path_factory.mktemp("rustac")) as url:
            yield url, files, items


def spec(url: str, items: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    stac = {"url": url, "collection": COLLECTION, "datetime": "2024-06-01/2024-09-30"}
    return {
        "area": {"bbox": around(items)},
        "source": {"stac": stac | changes.pop("stac", {})},
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud", "shadow"]},
        "grid": {"resolution": 10},
    } | changes


def found(requested: dict[str, Any], hosts: str, most: int = 500):
    return resolve(request_of(requested).spec, BANDS, pod(hosts), most)


def hosts(url: str, files: str) -> str:
    return f"{url.removeprefix('http://')},{files}"


def test_the_mosaic_equals_that_of_the_files(api, tmp_path):
    url, _, items = api
    requested = spec(url, items)
    paths = [{"item": asset["assets"]["red"]["href"].rsplit("/", 1)[0] + "/item.json"} for asset in items]
    listed = requested | {"source": {"files": {"scenes": paths}}, "grid": {"resolution": 10, "crs": "utm"}}
    searched, by_files = make(tmp_path / "a", requested, workers=2), make(tmp_path / "b", listed)
    assert searched.cog == by_files.cog
    assert searched.png == by_files.png


def test_finds_scenes_oldest_first_with_the_metadata_of_their_items(api):
    url, files, items = api
    scenes = found(spec(url, items), hosts(url, files)).scenes
    assert [scene.id for scene in scenes] == ["S2_SYNTHETIC_1", "S2_SYNTHETIC_2", "S2_SYNTHETIC_3"]
    assert [scene.cloud_cover for scene in scenes] == [item["properties"]["eo:cloud_cover"] for item in items]
    assert all(scene.mask is not None and scene.bands["red"].offset == -0.1 for scene in scenes)


def test_filters_by_date_and_cloud_cover(api):
    url, files, items = api
    day = items[1]["properties"]["datetime"][:10]
    only = found(spec(url, items, stac={"datetime": day}), hosts(url, files)).scenes
    assert [scene.id for scene in only] == ["S2_SYNTHETIC_2"]
    clouds = sorted(item["properties"]["eo:cloud_cover"] for item in items)
    fewer = found(spec(url, items, stac={"maxCloudCover": clouds[0]}), hosts(url, files)).scenes
    assert [scene.cloud_cover for scene in fewer] == [c for c in clouds if c <= clouds[0]]


def test_an_asset_map_selects_other_files(api):
    url, files, items = api
    scenes = found(spec(url, items, stac={"assets": {"nir": "nir-jp2", "B04": "red-jp2"}}), hosts(url, files)).scenes
    assert {band.href.rsplit(".", 1)[1] for scene in scenes for band in scene.bands.values()} == {"jp2"}


def test_plans_hidden_scenes_in_order_of_preference(folder, tmp_path):
    with serving(folder) as files:
        items = [served_item(path, folder, files) for path in sorted(folder.glob("*/item.json"))]
        later = {"id": "LATER", "properties": items[0]["properties"] | {"datetime": "2024-08-30T19:00:00Z"}}
        with running.stac_api([items[0], items[0] | later], tmp_path) as url:
            request = spec(url, items[:1], composite={"method": "latest"})
            west, south, east, north = request["area"]["bbox"]
            inset = 0.01
            request["area"]["bbox"] = [west + inset, south + inset, east - inset, north - inset]
            result = found(request, hosts(url, files))
    assert [scene.id for scene in result.scenes] == ["LATER", items[0]["id"]]
    assert result.notes == ()


def test_reports_a_gap_in_the_area(api):
    url, files, items = api
    request = spec(url, items)
    west, south, east, north = request["area"]["bbox"]
    request["area"]["bbox"] = [west, south, east + (east - west), north]
    (note,) = found(request, hosts(url, files)).notes
    assert note == "the scenes cover 46 % of the area; more dates may cover the rest"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stac": {"datetime": "2019-06-01/2019-06-30"}}, "no scene of sentinel-2-l2a touches the area in 2019-06-01"),
        ({"stac": {"maxCloudCover": 0}}, "with at most 0 % cloud cover; the clearest of 3 there has"),
        ({"stac": {"collection": "sentinel-2-l2b"}}, "has no collection sentinel-2-l2b (did you mean sentinel-2-l2a?)"),
        ({"stac": {"assets": {"nir": "B08"}}}, "spec.source.stac.assets.nir: S2_SYNTHETIC_1 has no asset B08"),
        ({"area": {"bbox": [10, 10, 10.1, 10.1]}}, "no scene of sentinel-2-l2a touches the area"),
    ],
    ids=["dates", "clouds", "collection", "asset", "area"],
)
def test_a_search_without_results_suggests_a_solution(api, changes, sentence):
    url, files, items = api
    with pytest.raises(RequestError) as refused:
        found(spec(url, items, **changes), hosts(url, files))
    assert sentence in str(refused.value)


def test_refuses_more_scenes_than_the_installation_allows(api):
    url, files, items = api
    with pytest.raises(RequestError, match="more than 2 scenes match; narrow the dates"):
        found(spec(url, items), hosts(url, files), most=2)


def test_cloudy_scenes_do_not_count_towards_the_limit(api):
    url, files, items = api
    clearest = min(item["properties"]["eo:cloud_cover"] for item in items)
    request = spec(url, items, stac={"maxCloudCover": clearest})
    assert len(found(request, hosts(url, files), most=1).scenes) == 1


def test_gives_advice_for_any_number_of_scenes(api, monkeypatch):
    url, files, items = api
    monkeypatch.setattr(stac, "SAMPLE_ITEMS", 2)
    with pytest.raises(RequestError, match="with at most 0 % cloud cover; the clearest of 2 there has"):
        found(spec(url, items, stac={"maxCloudCover": 0}), hosts(url, files))


def test_sends_no_request_to_a_catalogue_that_is_not_admitted(api):
    url, files, items = api
    with pytest.raises(RequestError, match=r"spec.source.stac: .*the host 127.0.0.1:\d+ is not among those"):
        found(spec(url, items), files)


def test_an_unreachable_catalogue_is_a_temporary_fault(api, monkeypatch):
    _, files, items = api
    monkeypatch.setattr(sessions, "RetryPolicy", partial(sessions.RetryPolicy, first_seconds=0.001))
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(PassingError, match=f"{address}/ could not be fetched"):
        found(spec(f"http://{address}", items), hosts(f"http://{address}", files))


def test_refuses_a_server_without_a_stac_api(api, folder):
    _, files, items = api
    (folder / "page").write_text("<html></html>")
    with pytest.raises(RequestError, match=f"http://{files}/page is not a STAC API"):
        found(spec(f"http://{files}/page", items), files)


def test_refuses_a_catalogue_that_refers_to_a_local_file(api, folder):
    _, files, items = api
    conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
    secret = folder / "secret.json"
    secret.write_text('{"type": "FeatureCollection", "features": [{"id": "secret"}]}')
    landing = {
        "type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c", "conformsTo": conforms,
        "links": [{"rel": "search", "href": secret.as_uri(), "type": "application/geo+json", "method": "POST"}],
    }  # fmt: skip
    (folder / "landing.json").write_text(json.dumps(landing))
    with pytest.raises(RequestError, match="is a local file, which only `mosaic run` reads"):
        found(spec(f"http://{files}/landing.json", items), files)
