"""Invalid Items among valid ones, in a search or a document."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_crds.errors import RequestError

from support.scenes.pipeline import make
from support.scenes.rasters import write_raster
from support.scenes.small_catalogue import catalogue, item, spec

AREA = [15.001, 45.09, 15.006, 45.095]
NUMBERS = {"a": 1000, "b": 3000, "c": 5000}
MEAN = np.float32((0.1 + 0.5) / 2)
"""Items a and c; Item b is invalid."""


def items(folder: Path) -> list[Any]:
    for name, number in NUMBERS.items():
        write_raster(folder / f"{name}.tif", np.full((800, 100), number, np.uint16))
    return [item(name, f"{name}.tif", f"2024-07-0{day}T10:00:00Z") for day, name in enumerate(NUMBERS, 1)]


def without_version(document: Any) -> None:
    del document["stac_version"]


def without_time(document: Any) -> None:
    document["properties"]["datetime"] = None


def with_another_time(document: Any) -> None:
    document["properties"]["datetime"] = "yesterday"


def without_properties(document: Any) -> None:
    document["properties"] = None


def without_assets(document: Any) -> None:
    document["assets"] = {}


SPOILERS = [without_version, without_time, with_another_time, without_properties, without_assets]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_skips_search_results_that_are_not_valid_items(tmp_path, spoil):
    found = items(tmp_path)
    spoil(found[1])
    with catalogue(tmp_path, [found]) as (url, _):
        wanted = spec(url, AREA, "mean")
        with pytest.raises(RequestError, match="b"):
            make(tmp_path, wanted)
        wanted["source"]["onUnreadable"] = "skip"
        made = make(tmp_path, wanted, store="skipped")
    np.testing.assert_allclose(np.unique(made.values()), [MEAN], atol=1e-6)
    properties = made.item["properties"]
    assert [each["id"] for each in properties["mosaic:unreadable"]] == ["b"]
    assert properties["mosaic:warnings"][0].startswith("1 of 3 scenes cannot be read and are skipped: b (")


def test_a_search_without_valid_items_reports_the_reason(tmp_path):
    found = items(tmp_path)
    for each in found:
        without_version(each)
    with catalogue(tmp_path, [found]) as (url, _):
        wanted = spec(url, AREA, "mean")
        wanted["source"]["onUnreadable"] = "skip"
        with pytest.raises(RequestError, match=r"3 of 3 scenes cannot be read.*stac_version is missing"):
            make(tmp_path, wanted)


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("by_line", [False, True], ids=["ItemCollection", "lines"])
def test_skips_an_invalid_item_of_a_document(tmp_path, spoil, by_line):
    found = items(tmp_path)
    spoil(found[1])
    document = {"type": "FeatureCollection", "features": found}
    text = "\n".join(map(json.dumps, found)) if by_line else json.dumps(document)
    (tmp_path / "items.json").write_text(text)
    source: dict[str, Any] = {"files": {"scenes": [{"item": "items.json"}]}}
    wanted = {"source": source, "product": {"bands": ["nir"]}, "composite": {"method": "mean"}}
    with pytest.raises(RequestError, match=r"line 2" if by_line else r"features\[1\]"):
        make(tmp_path, wanted)
    source["onUnreadable"] = "skip"
    made = make(tmp_path, wanted, store="skipped")
    np.testing.assert_allclose(np.unique(made.values()), [MEAN], atol=1e-6)
    properties = made.item["properties"]
    assert [each["id"] for each in properties["mosaic:unreadable"]] == ["b"]
    assert properties["mosaic:warnings"][0].startswith("1 of 3 scenes cannot be read and are skipped: b (")


def test_reports_an_empty_remote_file(tmp_path):
    found = items(tmp_path)
    (tmp_path / "b.tif").write_bytes(b"")
    with (
        catalogue(tmp_path, [found]) as (url, _),
        pytest.raises(RequestError, match=r"asset nir of b: .*b.tif is empty"),
    ):
        make(tmp_path, spec(url, AREA, "mean"))


def test_parses_cloud_cover_that_is_given_as_text(tmp_path):
    found = items(tmp_path)
    for document, cover in zip(found, ("10", "much", 12.5), strict=True):
        document["properties"]["eo:cloud_cover"] = cover
    with catalogue(tmp_path, [found]) as (url, _):
        wanted = spec(url, AREA, "mean")
        wanted["source"]["stac"]["maxCloudCover"] = 50
        made = make(tmp_path, wanted)
    np.testing.assert_allclose(np.unique(made.values()), [MEAN], atol=1e-6)
