"""What stored numbers mean in Items with unusual metadata; numpy computes the expected values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.items.item import StacItem, read_items
from mosaic_worker.sources.masks import CLEAR, FLAGGED, UNKNOWN

from support.scenes.items import codes_of, found_in, values_of, write_item
from support.scenes.rasters import write_raster

REFLECTANCE = np.array([[0.05, 0.1], [0.2, 0.3]])
NEW = "S2B_MSIL2A_20240701T100029_N0510_R122_T33TWL_20240701T121212"


def item_with(
    folder: Path,
    assets: dict[str, np.ndarray],
    name: str = "x",
    fields: dict[str, Any] | None = None,
    **properties: Any,
) -> Path:
    described: dict[str, Any] = {}
    for key, numbers in assets.items():
        write_raster(folder / f"{key}.tif", numbers)
        described[key] = {"href": f"{key}.tif"} | (fields or {})
    return write_item(folder, name, described, **properties)


def read(path: Path, name: str, **scene: Any) -> np.ndarray:
    return values_of(found_in(path, [name], **scene), name, path.parent)


@pytest.mark.parametrize(
    ("properties", "offset"),
    [
        ({"s2:processing_baseline": "N0510"}, -0.1),
        ({"s2:processing_baseline": "N05.10"}, -0.1),
        ({"s2:processing_baseline": "0301"}, 0.0),
        ({"s2:processing_baseline": "N0301"}, 0.0),
        ({"processing:version": "05.10"}, -0.1),
        ({"processing:version": "03.01"}, 0.0),
        ({"s2:datatake_id": "GS2A_20220101T190811_034100_N05.10"}, -0.1),
        ({"eopf:datatake_id": "GS2A_20200101T190811_034100_N02.13"}, 0.0),
    ],
)
def test_recognises_each_spelling_of_the_processing_baseline_of_sentinel_2(tmp_path, properties, offset):
    numbers = np.rint((REFLECTANCE - offset) * 10_000).astype(np.uint16)
    path = item_with(tmp_path, {"B04": numbers}, platform="sentinel-2a", **properties)
    np.testing.assert_allclose(read(path, "red"), REFLECTANCE, atol=1e-6)


def test_the_version_of_a_program_is_not_a_baseline(tmp_path):
    numbers = np.rint((REFLECTANCE + 0.1) * 10_000).astype(np.uint16)
    path = item_with(tmp_path, {"B04": numbers}, NEW, platform="sentinel-2b", **{"processing:version": "02.11"})
    np.testing.assert_allclose(read(path, "red"), REFLECTANCE, atol=1e-6)


@pytest.mark.parametrize("nodata", ["inf", -9999])
def test_ignores_a_nodata_number_outside_the_data_type(tmp_path, nodata):
    numbers = np.array([[0, 2000], [3000, 4000]], np.uint16)
    path = item_with(tmp_path, {"B04": numbers}, NEW, {"raster:bands": [{"nodata": nodata}]}, platform="sentinel-2b")
    np.testing.assert_allclose(read(path, "red"), [[np.nan, 0.1], [0.2, 0.3]], atol=1e-6)


def test_refuses_a_scale_of_zero(tmp_path):
    path = item_with(tmp_path, {"red": np.ones((2, 2), np.uint16)}, fields={"raster:bands": [{"scale": 0}]})
    with pytest.raises(RequestError, match="scale of asset red of x is 0"):
        read(path, "red")


def test_layers_beside_surface_temperature_are_not_temperatures(tmp_path):
    numbers = np.array([[9700, -9999], [9800, 10_000]], np.int16)
    emissivity = [[0.97, np.nan], [0.98, 1]]
    name = "LC08_L2SP_047027_20201204_20210313_02_T1_ST"
    path = item_with(tmp_path, {"emis": numbers, "ST_EMIS": numbers}, name, platform="landsat-8")
    np.testing.assert_allclose(read(path, "emis"), emissivity, atol=1e-6)
    for key in ("emis", "ST_EMIS"):
        np.testing.assert_allclose(read(path, "lwir11", assets={"lwir11": key}), emissivity, atol=1e-6)


def test_recognises_an_unnumbered_landsat_by_its_bands(tmp_path):
    bands = {f"B{number:02}": np.full((2, 2), number, np.float32) for number in range(1, 12)}
    path = item_with(tmp_path, bands, constellation="landsat")
    assert {name: read(path, name)[0, 0] for name in ("swir16", "nir08", "lwir12")} == {
        "swir16": 6, "nir08": 5, "lwir12": 11,
    }  # fmt: skip
    few = item_with(tmp_path / "few", {"B05": bands["B05"]}, constellation="landsat")
    with pytest.raises(RequestError, match="the product needs swir16, and x has B05"):
        read(few, "swir16")


def test_hyphens_and_underscores_in_names_are_equal(tmp_path):
    keys = ("nir-narrow", "red-edge-1", "swir-1")
    bands = {key: np.full((2, 2), number, np.float32) for number, key in enumerate(keys)}
    path = item_with(tmp_path, bands, platform="sentinel-2a")
    assert [read(path, name)[0, 0] for name in ("nir08", "rededge071", "swir16")] == [0, 1, 2]


@pytest.mark.parametrize("name", ["Near Infrared", "near-infrared", "NIR"])
def test_bands_of_one_asset_are_found_by_their_descriptions(tmp_path, name):
    numbers = np.stack([np.full((2, 2), 50, np.uint8), np.full((2, 2), 150, np.uint8)])
    path = item_with(tmp_path, {"image": numbers}, fields={"eo:bands": [{"name": "Red"}, {"name": name}]})
    assert [read(path, wanted)[0, 0] for wanted in ("red", "nir")] == [50, 150]


@pytest.mark.parametrize(
    ("key", "roles", "numbers", "expected"),
    [
        ("valid", ["data-mask"], [[0, 1], [255, 1]], [[FLAGGED, CLEAR], [UNKNOWN, CLEAR]]),
        ("clouds", ["cloud"], [[0, 1], [255, 0]], [[CLEAR, FLAGGED], [UNKNOWN, CLEAR]]),
        ("SCL", [], [[4, 8], [255, 0]], [[CLEAR, FLAGGED], [UNKNOWN, UNKNOWN]]),
    ],
)
def test_nodata_in_the_file_of_a_mask_means_unknown(tmp_path, key, roles, numbers, expected):
    write_raster(tmp_path / "red.tif", np.ones((2, 2), np.float32))
    write_raster(tmp_path / "mask.tif", np.array(numbers, np.uint8), nodata=255)
    assets = {"red": {"href": "red.tif"}, key: {"href": "mask.tif", "roles": roles}}
    path = write_item(tmp_path, "x", assets, platform="sentinel-2a")
    found = found_in(path, ["red"], ["cloud"], assets={"mask": key})
    assert codes_of(found, ["cloud"], tmp_path).tolist() == expected


def test_a_mask_keeps_class_0_although_its_file_declares_it_nodata(tmp_path):
    write_raster(tmp_path / "red.tif", np.ones((2, 2), np.float32))
    write_raster(tmp_path / "mask.tif", np.array([[0, 1], [0, 0]], np.uint8), nodata=0)
    assets = {"red": {"href": "red.tif"}, "clouds": {"href": "mask.tif", "roles": ["cloud"]}}
    path = write_item(tmp_path, "x", assets, platform="sentinel-2a")
    found = found_in(path, ["red"], ["cloud"], assets={"mask": "clouds"})
    assert codes_of(found, ["cloud"], tmp_path).tolist() == [[CLEAR, FLAGGED], [CLEAR, CLEAR]]


def test_assets_distinguish_bands_of_the_same_name(tmp_path):
    described = {"eo:bands": [{"name": "red", "common_name": "red"}]}
    ones = np.ones((2, 2), np.float32)
    path = item_with(tmp_path, {"toa": ones, "boa": ones}, fields=described)
    with pytest.raises(RequestError, match="several bands red: red in asset toa, red in asset boa"):
        read(path, "red")


def test_reports_an_item_without_bands(tmp_path):
    path = write_item(tmp_path, "x", {"metadata": {"href": "a.xml", "type": "application/xml"}})
    with pytest.raises(RequestError, match="the product needs red, and x has no assets with bands"):
        found_in(path, ["red"])


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ({"https": {"href": "https://a.example/B04.tif"}}, "https://a.example/B04.tif"),
        ({"https": {"href": "https://a.example/B04.tif", "auth:refs": ["oidc"]}}, "s3://eodata/B04.tif"),
        (
            {
                "https": {"href": "https://a.example/B04.tif", "auth:refs": ["oidc"]},
                "mirror": {"href": "https://b.example/B04.tif", "auth:refs": []},
            },
            "https://b.example/B04.tif",
        ),
    ],
)
def test_does_not_use_an_alternate_asset_that_needs_a_login(tmp_path, alternatives, expected):
    asset = {"href": "s3://eodata/B04.tif", "auth:refs": ["s3"], "alternate": alternatives}
    path = write_item(tmp_path, "x", {"red": asset})
    [item] = read_items(str(path), "spec", Client(own_machine(tmp_path)))
    assert isinstance(item, StacItem)
    assert item.place_of("red") == expected
