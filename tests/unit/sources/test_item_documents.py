"""Documents that contain one STAC Item, several, or none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import own_folders, own_machine
from mosaic_worker.sources.kinds import files as listed_files
from mosaic_worker.sources.kinds.folders import scenes_below
from mosaic_worker.sources.resolve import resolve

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import write_raster
from support.servers.range_server import RequestLog, serving

TIME = "2024-07-01T10:00:00Z"


def item(name: str, href: str = "red.tif", **changes: Any) -> dict[str, Any]:
    whole = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": TIME},
        "links": [],
        "assets": {"red": {"href": href, "raster:bands": [{"scale": 0.0001, "offset": 0, "nodata": 0}]}},
    } | changes
    return {key: value for key, value in whole.items() if value is not ...}


def collection(*items: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": items})


def lines(*items: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in items)


def sequence(*items: Any) -> str:
    return "".join(f"\x1e{json.dumps(each)}\n" for each in items)


def spec(*scenes: dict[str, Any]) -> dict[str, Any]:
    return {"source": files(*scenes), "product": {"bands": ["red"]}, "composite": {"method": "median"}}


def scenes_in(folder: Path, text: str, **more: Any):
    (folder / "items.json").write_text(text)
    write_raster(folder / "red.tif", np.ones((4, 4), np.uint16))
    return resolve(request_of(spec({"item": "items.json"} | more)).spec, ("red",), own_machine(folder)).scenes


@pytest.mark.parametrize("form", [collection, lines, sequence])
def test_reads_all_items_of_a_document(tmp_path: Path, form: Callable[..., str]):
    assert [scene.id for scene in scenes_in(tmp_path, form(item("A"), item("B"), item("C")))] == ["A", "B", "C"]
    assert [scene.id for scene in scenes_in(tmp_path, form(item("A")))] == ["A"]
    assert [scene.id for scene in scenes_in(tmp_path, "\ufeff" + json.dumps(item("A"), indent=1))] == ["A"]


def test_a_mosaic_contains_all_items_of_a_collection(tmp_path: Path):
    numbers = np.array([[1000, 2000, 0], [4000, 5000, 6000]], np.uint16)
    for name, factor in (("a", 1), ("b", 2), ("c", 4)):
        write_raster(tmp_path / f"{name} 1.tif", np.kron(numbers * factor, np.ones((8, 8), np.uint16)), nodata=0)
    (tmp_path / "items.json").write_text(collection(*(item(name, f"./{name}%201.tif") for name in "abc")))
    requested = spec({"item": str(tmp_path / "items.json")}) | {"grid": {"crs": "source"}}
    expected = np.where(np.kron(numbers, np.ones((8, 8))) == 0, np.nan, np.kron(numbers, np.ones((8, 8))) * 2 * 0.0001)
    np.testing.assert_allclose(make(tmp_path / "store", requested).values(), expected, rtol=1e-4)


def test_hrefs_of_a_remote_collection_are_relative_to_its_url(tmp_path: Path):
    for name in ("a b.tif", "c d.tif"):
        write_raster(tmp_path / name, np.ones((4, 4), np.uint16))
    (tmp_path / "items.json").write_text(collection(item("A", "a%20b.tif"), item("B", "./c%20d.tif?sig=secret")))
    log = RequestLog()
    with serving(tmp_path, log) as address:
        place = f"http://{address}/items.json"
        found = resolve(request_of(spec({"item": place})).spec, ("red",), own_machine(tmp_path)).scenes
    assert [scene.bands["red"].href for scene in found] == [
        f"http://{address}/a%20b.tif",
        f"http://{address}/c%20d.tif",
    ]
    assert "/c%20d.tif?sig=secret" in log.paths


def test_a_document_is_limited_to_the_scenes_that_a_request_may_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listed_files, "MOST_SCENES", 3)
    assert len(scenes_in(tmp_path, collection(*(item(name) for name in "abc")))) == 3
    with pytest.raises(RequestError, match=r"scenes\[0\]: the list has more than 3 scenes"):
        scenes_in(tmp_path, collection(*(item(name) for name in "abcd")))
    (tmp_path / "one.json").write_text(json.dumps(item("one")))
    requested = request_of(spec({"item": "one.json"}, {"item": "items.json"})).spec
    with pytest.raises(RequestError, match=r"scenes\[1\]: the list has more"):
        resolve(requested, ("red",), own_machine(tmp_path))


def test_one_mask_cannot_belong_to_many_items(tmp_path: Path):
    with pytest.raises(RequestError, match=r"scenes\[0\]\.mask: a mask belongs to one scene, but items\.json has 2"):
        scenes_in(tmp_path, collection(item("A"), item("B")), mask="red.tif")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (item("A", type="Collection"), "it is a STAC Collection; give one of its Items"),
        (item("A", type="Catalog"), "it is a STAC Catalog; give one of its Items"),
        ({"type": "FeatureCollection", "features": []}, "an empty FeatureCollection"),
        ({"type": "FeatureCollection"}, "it is a FeatureCollection, and empty"),
        ({"type": "Polygon", "coordinates": []}, "it is a GeoJSON Polygon"),
        (item("A", type=...), 'type is missing; it must be "Feature"'),
        (item("A", type="Feat"), "type is 'Feat'; it must be \"Feature\""),
        (item("A", stac_version=...), "stac_version is missing"),
        (item("A", stac_version=2), "stac_version is 2; it must be a text"),
        (item("A", properties=...), "properties is missing; it must be an object"),
        (item("A", properties=[]), "properties is a list; it must be an object"),
        (item("A", properties={}), "properties.datetime is missing or null, and there are no start_datetime"),
        (item("A", properties={"datetime": None, "start_datetime": TIME}), "properties.datetime is missing or null"),
        (item("A", properties={"datetime": 3}), "properties.datetime is 3; it must be a time"),
        (item("A", properties={"start_datetime": 3, "end_datetime": TIME}), "properties.start_datetime is 3; it must"),
        (item("A", assets=...), "a STAC Item without assets"),
        (item("A", assets={}), "a STAC Item without assets"),
        (item("A", assets=[]), "assets is a list; it must be an object"),
        (item("A", assets={"red": "red.tif"}), "assets.red is 'red.tif'; it must be an object with an href"),
        (item("A", assets={"red": {}}), "assets.red.href is missing; it must be a path or URL"),
        (item("A", assets={"red": {"href": 3}}), "assets.red.href is 3; it must be a path or URL"),
        (item("A", links=None), "links is missing; it must be a list"),
        (item("A", links=[{"rel": "self", "href": "x"}, {}]), r"links\[1\] is not an object with rel and href"),
        (item("A", stac_extensions=[3]), "stac_extensions is not a list of texts"),
        ([item("A")], "it is a list"),
        ("A", "it is the text 'A'"),
        (None, "it is null"),
    ],
)
def test_refuses_documents_without_items_with_the_reason(tmp_path: Path, document: Any, reason: str):
    with pytest.raises(RequestError, match=rf"^spec\.source\.files\.scenes\[0\]\.item: /.*/items\.json is .*{reason}"):
        scenes_in(tmp_path, json.dumps(document))


@pytest.mark.parametrize("times", [{"datetime": "yesterday"}, {"start_datetime": "yesterday", "end_datetime": TIME}])
def test_an_error_names_the_invalid_time(tmp_path: Path, times: dict[str, str]):
    with pytest.raises(RequestError, match=r"items\.json.*: (start_)?datetime is 'yesterday', not a time"):
        scenes_in(tmp_path, json.dumps(item("A", properties=times)))


def test_an_error_names_the_invalid_item_among_many(tmp_path: Path):
    broken = item("B", properties={})
    with pytest.raises(RequestError, match=r"items\.json, features\[1\] is not a STAC Item: properties\.datetime"):
        scenes_in(tmp_path, collection(item("A"), broken))
    with pytest.raises(RequestError, match=r"items\.json, line 2 is not a STAC Item: properties\.datetime"):
        scenes_in(tmp_path, lines(item("A"), broken))
    with pytest.raises(RequestError, match=r"items\.json, line 3 is not JSON"):
        scenes_in(tmp_path, lines(item("A"), item("B")) + "{oh}\n")
    with pytest.raises(RequestError, match=r"features\[0\] is not a STAC Item: it is null"):
        scenes_in(tmp_path, collection(None, item("A")))
    with pytest.raises(RequestError, match=r"features\[1\] is not a STAC Item: stac_version is missing"):
        scenes_in(tmp_path, collection(item("A"), item("B", stac_version=...)))


def test_a_file_with_many_items_is_one_entry_in_the_list_of_scenes(tmp_path: Path):
    boxes = ([1, 2, 3, 4], [0, 3, 2, 7])
    items = [item(name, bbox=box) for name, box in zip("AB", boxes, strict=True)]
    items[1]["properties"] = {"datetime": "2024-06-01T10:00:00Z", "eo:cloud_cover": 5}
    (tmp_path / "found.json").write_text(collection(*items))
    (tmp_path / "found.ndjson").write_text(lines(*items))
    (tmp_path / "one.json").write_text(collection(items[1]))
    (tmp_path / "lakes.geojson").write_text(collection({"type": "Feature", "geometry": None, "properties": {}}))
    (tmp_path / "empty.geojson").write_text(collection())
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "half.json").write_text(collection(items[0], item("C", properties={})))
    listed = scenes_below(own_folders([tmp_path]))
    assert [scene.id for scene in listed.scenes] == ["found.json (2 Items)", "found.ndjson (2 Items)", "B"]
    assert {str(scene.datetime) for scene in listed.scenes} == {"2024-06-01 10:00:00+00:00"}
    assert [scene.bbox for scene in listed.scenes] == [(0, 2, 3, 7), (0, 2, 3, 7), (0, 3, 2, 7)]
    assert [scene.cloud_cover for scene in listed.scenes] == [None, None, 5]
    (unreadable,) = listed.unreadable
    assert unreadable.reason.startswith("half.json, features[1]: ")
    assert "is not a STAC Item: properties.datetime is missing" in unreadable.reason
