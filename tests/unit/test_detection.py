"""Clouds of scenes without a mask, detected by the model of s2cloudless."""

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_crds.errors import RequestError
from mosaic_worker.local.run import prepare
from mosaic_worker.pixels import chunks
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.masks import CLEAR, FLAGGED, UNKNOWN
from mosaic_worker.sources.readers import detection
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.scene_masks import read_codes
from mosaic_worker.sources.scenes import Detection
from numpy.typing import NDArray

from support.scenes.level_1c import IDS, level_1c, reflectances, write_level_1c
from support.scenes.pipeline import files, make, masking, request_of, same
from support.scenes.rasters import write_raster

HEIGHT, WIDTH = 30, 140  # wider than what is detected at once
MISSING = (20, 90)
"""A pixel of 60 m in which a band has no data."""


@pytest.fixture(scope="module")
def numbers() -> dict[str, NDArray[np.uint16]]:
    return level_1c(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def folder(numbers, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("scene")
    write_level_1c(place / "whole", numbers)
    holed = numbers["cirrus"].copy()
    holed[MISSING] = 0
    write_level_1c(place / "holed", numbers | {"cirrus": holed})
    return place


def scene_in(folder: Path, **others: Any) -> dict[str, Any]:
    bands = {
        name: {"href": str(folder / f"{file}.tif"), "scale": 0.0001, "offset": -0.1, "nodata": 0}
        for name, file in IDS.items()
    }
    return {"bands": bands} | others


def spec_of(*scenes: dict[str, Any], **composite: Any) -> dict[str, Any]:
    return {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"mask": ["cloud"], "detect": "s2cloudless", **composite},
    }


def plan_of(*scenes: dict[str, Any], **composite: Any) -> Plan:
    return prepare(request_of(spec_of(*scenes, **composite)), own_machine(Path("/")), Limits(), 1)


def codes_of(folder: Path, above: float = 40) -> NDArray[np.uint8]:
    """The codes on the pixels of 60 m."""
    mask = plan_of(scene_in(folder)).scenes[0].scene.mask
    assert isinstance(mask, Detection)
    sources = OpenSources(own_machine(Path("/")))
    return read_codes(sources, mask, mask.grid, masking(["cloud"], above=above), "x")


@pytest.mark.parametrize("above", [20, 40])
def test_detects_what_the_package_detects(folder, numbers, above):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the client of Sentinel Hub, which the package imports
        from s2cloudless import S2PixelCloudDetector

    detector = S2PixelCloudDetector(threshold=above / 100, average_over=detection.AVERAGE, dilation_size=None)
    expected = detector.get_cloud_masks(reflectances(numbers)[np.newaxis])[0]
    inner = np.s_[detection.AVERAGE : -detection.AVERAGE, detection.AVERAGE : -detection.AVERAGE]
    found = codes_of(folder / "whole", above)
    assert set(np.unique(found)) == {CLEAR, FLAGGED}
    assert 0.05 < expected.mean() < 0.95
    assert np.array_equal(found[inner] == FLAGGED, expected[inner] == 1)  # the package mirrors the scene at its edges


@settings(max_examples=30)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)),
    st.integers(0, 4),
    st.integers(0, 2**32 - 1),
)
def test_an_average_is_the_mean_of_the_known_pixels_of_a_disc(values, radius, seed):
    values[np.random.default_rng(seed).random(values.shape) < 0.3] = np.nan
    found = detection.average(values, radius)
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    for y, x in np.ndindex(values.shape):
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        expected = np.nan if np.isnan(values[y, x]) else np.nanmean(values[disc].astype(np.float64))
        assert found[y, x] == pytest.approx(expected, nan_ok=True)


def test_where_a_band_has_no_data_the_mask_has_none(folder):
    whole, holed = codes_of(folder / "whole"), codes_of(folder / "holed")
    assert np.argwhere(holed == UNKNOWN).tolist() == [list(MISSING)]
    far = np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.reshape(MISSING, (2, 1, 1)))) > detection.AVERAGE
    assert np.array_equal(holed[far], whole[far])


@pytest.mark.slow
def test_the_mosaic_hides_detected_clouds_in_the_same_pixels_for_any_split(folder, numbers, monkeypatch):
    codes = codes_of(folder / "holed")
    red = numbers["red"].astype(np.float32) * np.float32(0.0001) + np.float32(-0.1)
    expected = np.where((codes == CLEAR).repeat(6, 0).repeat(6, 1), red, np.nan)
    plan = plan_of(scene_in(folder / "holed"))
    grown = plan_of(scene_in(folder / "holed"), open=2, dilate=7)
    values: dict[str, list[NDArray[np.float32]]] = {"plain": [], "grown": []}
    for size, side in ((chunks.CHUNK_BYTES, detection.SIDE), (700_000, 37)):
        monkeypatch.setattr(chunks, "CHUNK_BYTES", size)
        monkeypatch.setattr(detection, "SIDE", side)
        for name, each in (("plain", plan), ("grown", grown)):
            assert len(each.tiles) == 1
            values[name].append(compute_tile(each, each.tiles[0], OpenSources(own_machine(Path("/")))).values[0])
    assert all(same(found, expected) for found in values["plain"])
    assert all(np.array_equal(found, values["grown"][0], equal_nan=True) for found in values["grown"])
    assert np.isnan(values["grown"][0]).sum() > np.isnan(expected).sum()


@pytest.mark.slow
def test_a_run_says_how_clouds_are_detected(folder, tmp_path):
    spec = spec_of(scene_in(folder / "whole"), method="latest", above=30)
    one, two = (make(tmp_path, spec, store=str(workers), workers=workers) for workers in (1, 2))
    assert one.cog == two.cog
    properties = one.item["properties"]
    assert properties["mosaic:warnings"] == [
        "s2cloudless detects the clouds of 1 scene without a mask: cloud is where its probability is above 30 %",
        "s2cloudless needs top-of-atmosphere reflectances (Level-1C), which 1 scene without a stated level must have",
    ]
    assert properties["mosaic:scenes"][0]["mask"] == "detected by s2cloudless"
    assert {"lightgbm", "s2cloudless"} < properties["processing:software"].keys()


def test_the_bands_of_a_scene_with_a_mask_are_not_needed(folder, tmp_path):
    write_raster(tmp_path / "mask.tif", np.zeros((6 * HEIGHT, 6 * WIDTH), np.uint8) + 4)
    scene = scene_in(folder / "whole", mask=str(tmp_path / "mask.tif"))
    scene["bands"] = {"red": scene["bands"]["red"]}
    plan = plan_of(scene, mask=["cloud", "shadow"])
    assert not plan.detects_clouds
    assert Plan.from_json(plan.to_json()) == plan
    both = plan_of(scene, scene_in(folder / "whole"))
    assert both.detects_clouds
    assert Plan.from_json(both.to_json()) == both
    assert both.estimate.core_seconds > plan.estimate.core_seconds


def write_safe_1c(place: Path, numbers: dict[str, NDArray[np.uint16]]) -> Path:
    """A product of level 1C with the images that the detector needs."""
    name = "S2A_MSIL1C_20240701T192909_N0510_R142_T33TWM_20240701T234532"
    images = place / f"{name}.SAFE" / "GRANULE" / "L1C_T33TWM_A000000_20240701T192909" / "IMG_DATA"
    metres = {"coastal": 60, "nir09": 60, "cirrus": 60, "blue": 10, "red": 10, "nir": 10}
    for band, stored in numbers.items():
        path = images / f"T33TWM_20240701T192909_{IDS[band]}.jp2"
        write_raster(path, stored, resolution=metres.get(band, 20), driver="JP2OpenJPEG")
    offsets = "".join(f'<RADIO_ADD_OFFSET band_id="{band}">-1000</RADIO_ADD_OFFSET>' for band in range(13))
    (images.parents[2] / "MTD_MSIL1C.xml").write_text(
        f"""<n1:Level-1C_User_Product xmlns:n1="x"><PRODUCT_URI>{name}.SAFE</PRODUCT_URI>{offsets}
        <QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE><Special_Values><SPECIAL_VALUE_TEXT>NODATA
        </SPECIAL_VALUE_TEXT></Special_Values><Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values></n1:Level-1C_User_Product>"""
    )
    return images.parents[2]


def test_detects_the_clouds_of_a_product_of_level_1c(folder, numbers, tmp_path):
    product = write_safe_1c(tmp_path, numbers)
    (scene,) = plan_of({"safe": str(product)}).scenes
    mask = scene.scene.mask
    assert isinstance(mask, Detection)
    assert mask.stated
    found = read_codes(OpenSources(own_machine(Path("/"))), mask, mask.grid, masking(["cloud"]), "x")
    assert np.array_equal(found, codes_of(folder / "whole"))
    (product / next(product.rglob("*_B10.jp2"))).unlink()
    with pytest.raises(
        RequestError, match=r"safe: the product needs cirrus, but S2A_.* spec\.composite\.detect reads coas"
    ):
        plan_of({"safe": str(product)})


def write_item(folder: Path, scene: dict[str, Any], name: str, **properties: Any) -> dict[str, Any]:
    assets = {
        IDS[band]: {
            "href": file["href"],
            "eo:bands": [{"name": IDS[band], "common_name": band}],
            "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}],
        }
        for band, file in scene["bands"].items()
    }
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [], "assets": assets,
        "properties": {"datetime": "2024-07-01T00:00:00Z", "platform": "sentinel-2a"} | properties,
    }  # fmt: skip
    (folder / "item.json").write_text(json.dumps(item))
    return {"item": str(folder / "item.json")}


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("S2A_31UFS_20240701_0_L1C", {}),
        ("SCENE", {"processing:level": "L1C"}),
        ("SCENE", {"s2:product_type": "S2MSI1C"}),
        ("S2A_MSIL1C_20240701T192909_N0510_R142_T33TWM_20240701T234532", {}),
    ],
)
def test_detects_the_clouds_of_items_of_level_1c(folder, tmp_path, name, properties):
    item = write_item(tmp_path, scene_in(folder / "whole"), name, **properties)
    mask = plan_of(item).scenes[0].scene.mask
    assert isinstance(mask, Detection)
    assert mask.stated


def test_refuses_scenes_that_the_model_is_not_made_for(folder, tmp_path, monkeypatch):
    whole = scene_in(folder / "whole")
    for name, properties in (("S2A_31UFS_20240701_0_L2A", {}), ("SCENE", {"processing:level": "Level-2A"})):
        with pytest.raises(
            RequestError, match="s2cloudless needs top-of-atmosphere reflectances, but this scene is of"
        ):
            plan_of(write_item(tmp_path, whole, name, **properties))
    without = {"bands": {name: file for name, file in whole["bands"].items() if name != "cirrus"}}
    with pytest.raises(
        RequestError, match=r"scenes\[0\]\.bands: the product needs cirrus, but .*composite\.detect reads"
    ):
        plan_of(without)
    plain = {"bands": whole["bands"] | {"nir09": whole["bands"]["nir09"]["href"]}}
    with pytest.raises(RequestError, match="s2cloudless needs reflectances, but nir09 has no scale; give scale and"):
        plan_of(plain)
    with pytest.raises(RequestError, match="mask has shadow, but this scene has no mask, and s2cloudless only detects"):
        plan_of(whole, mask=["cloud", "shadow"])


@pytest.mark.parametrize("package", ["s2cloudless", "lightgbm"])
def test_without_the_package_planning_says_how_to_install_it(folder, monkeypatch, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(detection, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(
        RequestError, match=r"s2cloudless is not installed here; install mosaic-operator\[s2cloudless\]"
    ):
        plan_of(scene_in(folder / "whole"))
    plan_of(scene_in(folder / "whole") | {"mask": {"href": str(folder / "whole" / "B01.tif"), "values": "zero"}})


def test_a_library_that_cannot_be_loaded_is_an_error_of_planning(folder, tmp_path, monkeypatch):
    (tmp_path / "lightgbm").mkdir()
    (tmp_path / "lightgbm" / "__init__.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    with pytest.raises(
        RequestError, match=r"LightGBM cannot be loaded \(libgomp.so.1: cannot open\); install mosaic-op"
    ):
        plan_of(scene_in(folder / "whole"))


def test_the_plan_has_the_versions_of_the_packages_and_needs_them(folder, numbers, monkeypatch):
    plan = plan_of(scene_in(folder / "whole"))
    assert [each.split()[0] for each in plan.detector_versions] == ["lightgbm", "s2cloudless"]
    monkeypatch.setattr(detection, "detector_versions", lambda: ("lightgbm 0", "s2cloudless 0"))
    detection._model.cache_clear()
    with pytest.raises(RequestError, match=r"plan needs lightgbm .* and here is lightgbm 0 and s2cloudless 0, because"):
        compute_tile(plan, plan.tiles[0], OpenSources(own_machine(Path("/"))))


def test_the_clear_share_of_a_scene_without_a_mask_is_unknown(folder, tmp_path):
    write_raster(tmp_path / "mask.tif", np.full((6 * HEIGHT, 6 * WIDTH), 9, np.uint8))
    whole, masked = scene_in(folder / "whole"), scene_in(folder / "whole", mask=str(tmp_path / "mask.tif"))
    with pytest.raises(RequestError, match="clear compares the masks of scenes, and none of them has one"):
        plan_of(whole, method="leastCloudy", prefer="clear")
    plan = plan_of(whole, masked, method="leastCloudy", prefer="clear")
    assert [planned.clear for planned in plan.scenes] == [0.0, None]
    assert any("scenes without a mask are read last" in warning for warning in plan.warnings)
