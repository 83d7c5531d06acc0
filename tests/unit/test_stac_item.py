"""STAC Items as scenes: which asset is which band, and what its numbers mean."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving

RASTER = {"raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]}


def write_item(folder: Path, assets: dict[str, Any], **properties: Any) -> Path:
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "SCENE",
        "geometry": {"type": "Point", "coordinates": [15, 45]},
        "bbox": [15, 45, 15, 45],
        "properties": {"datetime": "2024-07-01T10:00:00Z", "eo:cloud_cover": 12.5} | properties,
        "links": [],
        "assets": assets,
    }
    path = folder / "items" / "item.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(item))
    return path


def scene_of(folder: Path, assets: dict[str, Any], bands=("red",), mask=(), **properties: Any):
    for number, name in enumerate(("red", "nir", "visual", "scl")):
        write_raster(folder / f"{name}.tif", noise(10, 10, number, 0, 12))
    item = write_item(folder, assets, **properties)
    spec = {
        "source": files({"item": str(item)}),
        "product": {"bands": list(bands)},
        "composite": {"mask": list(mask)},
    }
    return resolve(request_of(spec).spec, bands, own_machine(folder)).scenes[0]


def calibration(scene, band="red"):
    found = scene.bands[band]
    return found.scale, found.offset, next(iter(found.nodata), None), found.calibrated


def test_a_scene_has_id_time_and_cloud_cover_of_its_item(tmp_path):
    scene = scene_of(tmp_path, {"red": {"href": "../red.tif"}})
    assert (scene.id, scene.datetime.isoformat(), scene.cloud_cover) == ("SCENE", "2024-07-01T10:00:00+00:00", 12.5)
    assert scene.bands["red"].href == str(tmp_path / "red.tif")


@pytest.mark.parametrize(
    ("fields", "properties", "expected"),
    [
        (RASTER, {}, (0.0001, -0.1, 0, True)),
        (RASTER, {"earthsearch:boa_offset_applied": True}, (0.0001, 0.0, 0, True)),
        (RASTER, {"earthsearch:boa_offset_applied": False}, (0.0001, -0.1, 0, True)),
        (RASTER, {"s2:processing_baseline": "05.09"}, (0.0001, -0.1, 0, True)),
        ({}, {"s2:processing_baseline": "04.00"}, (0.0001, -0.1, 0, True)),
        ({}, {"s2:processing_baseline": "02.12"}, (0.0001, 0.0, 0, True)),
        ({}, {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, (0.0001, 0.0, 0, True)),
        ({"raster:scale": 0.0002, "raster:offset": -0.2, "nodata": 7}, {}, (0.0002, -0.2, 7, True)),
        ({"bands": [{"name": "r", "raster:scale": 0.5, "nodata": 1}]}, {}, (0.5, 0.0, 1, True)),
        ({}, {}, (1.0, 0.0, None, False)),
    ],
)
def test_applies_scale_and_offset_of_the_item_once(tmp_path, fields, properties, expected):
    assert calibration(scene_of(tmp_path, {"red": {"href": "../red.tif"} | fields}, **properties)) == expected


@pytest.mark.parametrize(
    "assets",
    [
        {"red": {"href": "../red.tif"}},
        {"B04": {"href": "../red.tif"}},
        {"x": {"href": "../red.tif", "eo:bands": [{"name": "B4", "common_name": "red"}]}},
        {"x": {"href": "../red.tif", "bands": [{"name": "B4", "eo:common_name": "red"}]}},
        {
            "preview": {"href": "../visual.tif", "roles": ["visual"], "eo:bands": [{"common_name": "red"}]},
            "three": {"href": "../visual.tif", "eo:bands": [{"common_name": "red"}, {"common_name": "blue"}]},
            "x": {"href": "../red.tif", "eo:bands": [{"common_name": "red"}]},
        },
        {
            "other": {"href": "../visual.tif", "eo:bands": [{"common_name": "red"}]},
            "red": {"href": "../red.tif"},
        },
    ],
)
def test_a_bands_asset_is_found_by_its_key_or_its_common_name(tmp_path, assets):
    assert scene_of(tmp_path, assets).bands["red"].href.endswith("/red.tif")


def test_an_error_about_a_missing_band_lists_the_bands_of_the_item(tmp_path):
    with pytest.raises(RequestError, match=r"scenes\[0\]\.item: the product needs nir, and SCENE has red, scl"):
        scene_of(tmp_path, {"red": {"href": "../red.tif"}, "scl": {"href": "../scl.tif"}}, bands=("nir",))


def test_the_scene_classification_is_the_mask_if_the_request_masks_classes(tmp_path):
    assets = {"red": {"href": "../red.tif"}, "SCL": {"href": "../scl.tif"}}
    assert scene_of(tmp_path, assets).mask is None
    mask = scene_of(tmp_path, assets, mask=["cloud"]).mask
    assert (mask.href, mask.values) == (str(tmp_path / "scl.tif"), "scl")
    with pytest.raises(RequestError, match=r"SCENE has no mask \(SCL, QA_PIXEL, Fmask or cloud_mask\); name"):
        scene_of(tmp_path, {"red": {"href": "../red.tif"}}, mask=["cloud"])


@pytest.mark.parametrize(
    ("key", "values"), [("qa_pixel", "qaPixel"), ("cloud_mask", "earthDaily"), ("cloud-mask", "earthDaily")]
)
def test_masks_of_other_kinds_are_found_by_their_key(tmp_path, key, values):
    assets = {"red": {"href": "../red.tif"}, key: {"href": "../scl.tif"}}
    mask = scene_of(tmp_path, assets, mask=["cloud", "cirrus"]).mask
    assert (mask.href, mask.values) == (str(tmp_path / "scl.tif"), values)
    assert scene_of(tmp_path, assets).mask is None
    both = scene_of(tmp_path, assets | {"SCL": {"href": "../nir.tif"}}, mask=["cloud"]).mask
    assert (both.href, both.values) == (str(tmp_path / "nir.tif"), "scl")


def test_refuses_a_class_that_the_mask_of_the_item_does_not_have(tmp_path):
    assets = {"red": {"href": "../red.tif"}, "cloud_mask": {"href": "../scl.tif"}}
    with pytest.raises(RequestError, match=r"has snow, but a mask of kind earthDaily has no such class; remove"):
        scene_of(tmp_path, assets, mask=["cloud", "snow"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type": "Feature"}', "<xml/>", '"text"', "null"])
def test_refuses_content_that_is_not_an_item(tmp_path, text):
    (tmp_path / "item.json").write_text(text)
    request = request_of({"source": files({"item": "item.json"}), "product": {"bands": ["red"]}})
    with pytest.raises(RequestError, match=r"item\.json is (not a STAC Item|not JSON)"):
        resolve(request.spec, ("red",), own_machine(tmp_path))


@pytest.mark.parametrize(
    ("fields", "properties", "sentence"),
    [
        ({"raster:bands": [{"scale": "much"}]}, {}, "scale of SCENE is 'much', not a number"),
        ({}, {"s2:processing_baseline": "new"}, "s2:processing_baseline of SCENE is 'new', not a number"),
        ({}, {"eo:cloud_cover": [1]}, r"eo:cloud_cover of SCENE is '\[1\]', not a number"),
    ],
)
def test_an_error_names_a_field_that_must_be_a_number(tmp_path, fields, properties, sentence):
    with pytest.raises(RequestError, match=sentence):
        scene_of(tmp_path, {"red": {"href": "../red.tif"} | fields}, **properties)


@pytest.mark.parametrize("odd", [{"raster:bands": 3}, {"raster:bands": [4]}, {"eo:bands": {"a": 1}}, {"bands": [None]}])
def test_ignores_fields_of_an_unexpected_type(tmp_path, odd):
    assert calibration(scene_of(tmp_path, {"red": {"href": "../red.tif"} | odd})) == (1.0, 0.0, None, False)


@pytest.mark.parametrize("stated", ["nan", "inf", "-inf", -9999, 70_000, 0.5])
def test_ignores_a_nodata_number_outside_the_data_type(tmp_path, stated):
    scene = scene_of(tmp_path, {"red": {"href": "../red.tif", "raster:bands": [{"nodata": stated, "scale": 1}]}})
    assert scene.bands["red"].nodata == ()


def test_an_error_names_an_asset_that_the_gate_refuses(tmp_path):
    with pytest.raises(RequestError, match=r"asset red of SCENE: .* has the unknown scheme gs://"):
        scene_of(tmp_path, {"red": {"href": "gs://bucket/red.tif"}})


def test_reads_a_remote_item_with_relative_files_and_reuses_its_mosaic_until_they_change(tmp_path):
    served = tmp_path / "served"
    numbers = noise(40, 50, 3)
    write_raster(served / "red.tif", numbers)
    item = write_item(served, {"red": {"href": "../red.tif"} | RASTER})
    with serving(served) as address:
        spec = {
            "source": files({"item": f"http://{address}/items/{item.name}"}),
            "product": {"bands": ["red"]},
        }
        first = make(tmp_path, spec)
        assert np.nanmax(np.abs(first.values() - (numbers * 0.0001 - 0.1))) < 1e-6
        assert run(request_of(spec), own_machine(tmp_path), str(tmp_path / "store")).found
        write_raster(served / "red.tif", noise(40, 50, 4))
        assert make(tmp_path, spec).folder != first.folder


def test_uses_an_item_once_that_is_listed_twice(tmp_path):
    low = scene_item(tmp_path, "low", 1000)
    high = scene_item(tmp_path, "high", 4000)
    made = make(tmp_path, {**product_of_mean(), "source": files(low, high, high)})
    assert np.allclose(made.values(), (0.1 + 0.4) / 2 - 0.1)
    assert "ignored 1 duplicate in the list of scenes" in made.item["properties"]["mosaic:warnings"]


def test_uses_both_of_two_different_items_with_the_same_id(tmp_path):
    low = scene_item(tmp_path, "low", 1000)
    high = scene_item(tmp_path, "high", 4000, name="low", datetime="2024-07-02T10:00:00Z")
    made = make(tmp_path, {**product_of_mean(), "source": files(low, high)})
    assert np.allclose(made.values(), (0.1 + 0.4) / 2 - 0.1)


def test_uses_both_of_two_listed_processings(tmp_path):
    low = scene_item(tmp_path, "low", 1000, name="S2A_10UDV_20220101_0_L2A")
    high = scene_item(tmp_path, "high", 4000, name="S2A_10UDV_20220101_1_L2A")
    made = make(tmp_path, {**product_of_mean(), "source": files(low, high)})
    assert np.allclose(made.values(), (0.1 + 0.4) / 2 - 0.1)


def test_uses_files_once_that_are_listed_twice(tmp_path):
    for name, value in (("low", 1000), ("high", 4000)):
        write_raster(tmp_path / f"{name}.tif", np.full((10, 10), value, np.uint16))
    scenes = [{"bands": {"red": name}} for name in ("low.tif", "high.tif", str(tmp_path / "high.tif"))]
    made = make(tmp_path, {**product_of_mean(), "source": files(*scenes)})
    assert np.allclose(made.values(), 2500)


def product_of_mean() -> dict[str, Any]:
    return {"product": {"bands": ["red"]}, "composite": {"method": "mean"}}


def scene_item(folder: Path, file: str, value: int, name: str | None = None, **properties: Any) -> dict[str, Any]:
    """A scene with one value, listed by its Item."""
    write_raster(folder / f"{file}.tif", np.full((10, 10), value, np.uint16))
    path = write_item(folder, {"red": {"href": f"../{file}.tif"} | RASTER}, **properties)
    document = json.loads(path.read_text()) | {"id": name or file}
    path = path.with_name(f"{file}.json")
    path.write_text(json.dumps(document))
    return {"item": str(path)}
