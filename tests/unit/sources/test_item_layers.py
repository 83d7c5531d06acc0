"""Resolve names of bands and masks in a request to assets of an Item."""

from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.masks import CLEAR, FLAGGED
from rasterio.enums import ColorInterp

from support.scenes.items import codes_of, found_in, values_of, write_item
from support.scenes.rasters import write_raster


def numbers_in(folder, file: str, *numbers: int, dtype: Any = np.uint16, **options: Any) -> dict[str, Any]:
    """A file whose bands each contain one number, and its asset."""
    write_raster(folder / file, np.stack([np.full((4, 4), number, dtype) for number in numbers]), **options)
    return {"href": file}


def called(common: str) -> dict[str, Any]:
    return {"eo:bands": [{"common_name": common}]}


def value(path, name: str, **scene: Any) -> float:
    (found,) = np.unique(values_of(found_in(path, [name], **scene), name, path.parent))
    return float(found)


LANDSAT_KEYS = {"B03": "green", "B05": "nir08", "B06": "swir16", "B07": "swir22", "B10": "lwir11", "B11": "lwir12"}


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"platform": "landsat-8"},
        {"instruments": ["oli", "tirs"]},
        {"constellation": "HLS", "platform": "Landsat 9"},
        {"platform": "sentinel-2a"},  # wrong, but the bands are described
    ],
)
def test_the_name_of_a_band_has_priority_over_its_key(tmp_path, properties, version):
    assets = {}
    for number, (key, name) in enumerate(LANDSAT_KEYS.items(), 1):
        described = {"eo:bands": [{"name": key, "common_name": name}]}
        if version == "1.1.0":
            described = {"bands": [{"name": key, "eo:common_name": name}]}
        assets[key] = numbers_in(tmp_path, f"{key}.tif", number) | described
    path = write_item(tmp_path, "SCENE", assets, version=version, **properties)
    for number, name in enumerate(LANDSAT_KEYS.values(), 1):
        assert value(path, name) == number
    for name in ("rededge071", "cirrus"):
        with pytest.raises(RequestError, match=f"the product needs {name}, and SCENE has green, lwir11, lwir12, nir08"):
            found_in(path, [name])


@pytest.mark.parametrize(
    ("name", "properties", "collection", "swir16"),
    [
        ("x", {"platform": "landsat-8"}, None, "B6"),
        ("x", {"platform": "Landsat-9"}, None, "B6"),
        ("x", {"instruments": ["OLI"]}, None, "B6"),
        ("LC08_L1TP_047027_20201204_20210313_02_T1", {}, None, "B6"),
        ("x", {}, "landsat-8-c2-l1", "B6"),
        ("x", {"platform": "landsat-5", "instruments": ["tm"]}, None, "B5"),
        ("LE07_L1TP_047027_20201204_20210313_02_T1", {}, None, "B5"),
        ("x", {"constellation": "sentinel-2"}, None, "B11"),
        ("S2C_MSIL1C_20240701T100029", {}, None, "B11"),
        ("x", {}, "s2_l2a", "B11"),
        ("HLS.L30.T33TWL.2024183T100000.v2.0", {}, None, "B6"),
        ("HLS.S30.T33TWL.2024183T100000.v2.0", {"platform": "landsat-8"}, None, "B11"),
        ("x", {}, "HLSL30_2.0", "B6"),
        ("x", {"platform": "landsat-8"}, "HLSS30_2.0", "B11"),
    ],
)
def test_a_band_id_depends_on_the_satellite(tmp_path, name, properties, collection, swir16):
    ids = [f"B{number}" for number in range(1, 12)]
    assets = {f"{key[0]}{key[1:]:0>2}": numbers_in(tmp_path, f"{key}.tif", int(key[1:]), dtype=np.uint8) for key in ids}
    path = write_item(tmp_path, name, assets, collection, **properties)
    assert value(path, "swir16") == int(swir16[1:])


@pytest.mark.parametrize(
    ("keys", "swir16"),
    [
        (["B06", "B8A", "B11"], "B11"),
        (["B06", "B11", "B12"], "B11"),
        (["B06", "B10", "B11"], "B06"),
        (["B06", "B11", "Fmask"], "B06"),
        (["B06", "B8A", "B11", "Fmask"], "B11"),
        (["SR_B5", "SR_B6", "ST_B10"], "SR_B6"),
        (["SR_B4", "SR_B5", "ST_B6"], "SR_B5"),
    ],
)
def test_recognises_an_unnamed_satellite_by_its_other_assets(tmp_path, keys, swir16):
    assets = {key: numbers_in(tmp_path, f"{key}.tif", number, dtype=np.uint8) for number, key in enumerate(keys)}
    found = found_in(write_item(tmp_path, "SCENE", assets), ["swir16"])
    assert np.unique(values_of(found, "swir16", tmp_path)).tolist() == [keys.index(swir16)]
    assert found.notes == ()


def test_treats_ids_of_an_unknown_satellite_as_those_of_sentinel_2_with_a_note(tmp_path):
    assets = {"B03": numbers_in(tmp_path, "B03.tif", 3), "B11": numbers_in(tmp_path, "B11.tif", 11)}
    path = write_item(tmp_path, "SCENE", assets)
    assert value(path, "swir16") == 11
    notes = ("B11 is read as swir16, as on Sentinel-2, in 1 scene without a stated platform",)
    assert found_in(path, ["green", "swir16"]).notes == notes
    path = write_item(tmp_path, "SCENE", assets, platform="PlanetScope")
    with pytest.raises(RequestError, match="the product needs swir16, and SCENE has B03, B11"):
        found_in(path, ["swir16"])


def test_prefers_the_asset_whose_key_is_the_name_among_several(tmp_path):
    assets = {
        "narrow": numbers_in(tmp_path, "narrow.tif", 1) | called("nir"),
        "nir": numbers_in(tmp_path, "nir.tif", 2) | called("nir"),
        "red-jp2": numbers_in(tmp_path, "red.jp2", 3, driver="JP2OpenJPEG") | called("red") | {"type": "image/jp2"},
        "red": numbers_in(tmp_path, "red.tif", 4) | called("red"),
        "blue_20m": numbers_in(tmp_path, "blue20.tif", 5) | called("blue"),
        "blue_10m": numbers_in(tmp_path, "blue10.tif", 6) | called("blue"),
        "stack": numbers_in(tmp_path, "stack.tif", 7, 8) | {"eo:bands": [{"name": "blue"}, {"name": "green"}]},
    }
    path = write_item(tmp_path, "SCENE", assets)
    assert [value(path, name) for name in ("nir", "red", "blue", "green")] == [2, 4, 6, 8]


def test_an_ambiguous_name_is_refused_with_the_list_of_bands(tmp_path):
    assets = {
        f"rededge{number}": numbers_in(tmp_path, f"{number}.tif", number) | called("rededge") for number in (1, 2)
    }
    path = write_item(tmp_path, "SCENE", assets)
    with pytest.raises(RequestError, match="SCENE has several bands rededge: rededge071, rededge075; request one"):
        found_in(path, ["rededge"])
    assert value(path, "rededge075") == 2
    assert value(path, "rededge", assets={"rededge": "rededge2"}) == 2


@pytest.mark.parametrize("key", ["nir08", "B05", "SR_B5"])
def test_nir08_replaces_nir_with_a_note(tmp_path, key):
    path = write_item(tmp_path, "SCENE", {key: numbers_in(tmp_path, "nir.tif", 5)}, platform="landsat-8")
    assert value(path, "nir") == 5
    assert found_in(path, ["nir"]).notes == ("nir08 replaces nir in 1 scene without nir",)
    assert found_in(path, ["nir08"]).notes == ()
    assert found_in(path, ["nir"], assets={"nir": key}).notes == ()


BANDS = ["red", "green", "nir"]


@pytest.mark.parametrize("field", ["eo:bands", "bands"])
def test_bands_of_one_asset_have_their_own_numbers_scales_and_nodata(tmp_path, field):
    asset = numbers_in(tmp_path, "stack.tif", 50, 60, 70) | {field: [{"name": name} for name in BANDS]}
    raster = [{"scale": 0.1, "nodata": 1}, {"scale": 0.01, "offset": 1, "nodata": 2}, {"scale": 0.5}]
    path = write_item(tmp_path, "SCENE", {"image": asset | {"raster:bands": raster}})
    for assets in ({}, {"assets": dict.fromkeys(BANDS, "image")}):
        found = found_in(path, BANDS, **assets)
        read = {name: float(values_of(found, name, tmp_path)[0, 0]) for name in BANDS}
        assert read == pytest.approx({"red": 50 * 0.1, "green": 60 * 0.01 + 1, "nir": 70 * 0.5})
        assert [found.scenes[0].bands[name].band for name in BANDS] == [1, 2, 3]
    path = write_item(tmp_path, "SCENE", {"image": asset | {"raster:bands": raster[:1]}})
    assert value(path, "nir") == pytest.approx(70 * 0.1)


def test_uses_both_descriptions_of_the_bands_of_an_asset(tmp_path):
    asset = numbers_in(tmp_path, "stack.tif", 1, 2) | {
        "bands": [{"eo:common_name": "red"}, {"eo:common_name": "nir", "raster:scale": 0.5}],
        "eo:bands": [{"name": "first"}, {"name": "second"}],
    }
    path = write_item(tmp_path, "SCENE", {"image": asset}, version="1.1.0")
    assert (value(path, "red"), value(path, "nir")) == (1, 1)


def test_fields_of_a_band_override_those_of_its_asset(tmp_path):
    bands = [{"name": "red", "raster:scale": 0.5}, {"name": "nir", "raster:offset": 3}]
    asset = numbers_in(tmp_path, "stack.tif", 10, 20) | {"bands": bands, "raster:scale": 0.1, "raster:offset": 1}
    path = write_item(tmp_path, "SCENE", {"image": asset}, version="1.1.0")
    assert value(path, "red") == pytest.approx(10 * 0.5 + 1)
    assert value(path, "nir") == pytest.approx(20 * 0.1 + 3)


def test_refuses_a_missing_band_and_lists_the_existing_ones(tmp_path):
    asset = numbers_in(tmp_path, "stack.tif", 1, 2, 3) | {"eo:bands": [{"name": name} for name in BANDS]}
    path = write_item(tmp_path, "SCENE", {"image": asset})
    with pytest.raises(
        RequestError,
        match=r"scenes\[0\]\.assets\.swir16: asset image of SCENE has the bands red, green, nir, and none of them",
    ):
        found_in(path, ["swir16"], assets={"swir16": "image"})
    with pytest.raises(RequestError, match=r"scenes\[0\]\.assets\.red: SCENE has no asset imagery; it has image"):
        found_in(path, ["red"], assets={"red": "imagery"})


def test_bands_without_a_description_get_their_names_from_the_file_or_are_refused(tmp_path):
    asset = numbers_in(tmp_path, "stack.tif", 1, 2, 3)
    path = write_item(tmp_path, "SCENE", {"image": asset})
    with pytest.raises(RequestError, match="image of SCENE has 3 bands, and neither the Item nor the file states"):
        found_in(path, ["nir"], assets={"nir": "image"})
    with rasterio.open(tmp_path / "stack.tif", "r+") as dataset:
        dataset.descriptions = ("Red", "B08", None)
    path = write_item(tmp_path, "SCENE", {"image": asset}, platform="sentinel-2a")
    assert value(path, "red", assets={"red": "image"}) == 1
    assert value(path, "nir", assets={"nir": "image"}) == 2
    numbers_in(tmp_path, "rgb.tif", 4, 5, 6, dtype=np.uint8, photometric="RGB")
    path = write_item(tmp_path, "SCENE", {"image": {"href": "rgb.tif"}})
    assert value(path, "green", assets={"green": "image"}) == 5


def test_alpha_does_not_count_as_a_band(tmp_path):
    numbers_in(tmp_path, "a.tif", 9, 255, dtype=np.uint8)
    with rasterio.open(tmp_path / "a.tif", "r+") as dataset:
        dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    path = write_item(tmp_path, "SCENE", {"red": {"href": "a.tif"}})
    assert found_in(path, ["red"]).scenes[0].bands["red"].band == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"roles": "data"}, {"roles": [{}]}, {"type": 3}, {"gsd": "10 m"}, {"eo:bands": [3]}, {"eo:bands": "red"},
        {"eo:bands": [{"name": 4, "common_name": ["nir"]}]}, {"raster:bands": [None]}, {"bands": {}}, {"gsd": True},
    ],
)  # fmt: skip
def test_ignores_fields_of_an_unexpected_type(tmp_path, odd):
    assets = {"red": numbers_in(tmp_path, "red.tif", 7) | odd} | mask_asset(tmp_path, "scl")
    assert value(write_item(tmp_path, "SCENE", assets), "red") == 7
    assert found_in(tmp_path / "item.json", ["red"], ["cloud"]).scenes[0].mask.values == "scl"


NEW = {"s2:processing_baseline": "05.10"}


@pytest.mark.parametrize("name", ["SCL", "scl", "SNW", "cld", "saa", "qa"])
def test_layers_that_are_not_reflectances_keep_their_numbers(tmp_path, name):
    path = write_item(tmp_path, "SCENE", {name.upper(): numbers_in(tmp_path, "x.tif", 4)}, **NEW)
    assert value(path, name) == 4
    assert value(path, "layer", assets={"layer": name.upper()}) == 4


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pictures_and_physical_values_do_not_get_the_scale_of_stored_numbers(tmp_path, dtype):
    path = write_item(tmp_path, "SCENE", {"red": numbers_in(tmp_path, "x.tif", 4, dtype=dtype)}, **NEW)
    assert value(path, "red") == 4


@pytest.mark.parametrize(("applied", "expected"), [("true", 0.2), ("false", 0.1), (None, 0.1), (0, 0.1)])
def test_an_offset_is_applied_unless_the_item_declares_it_applied(tmp_path, applied, expected):
    properties = NEW | {"earthsearch:boa_offset_applied": applied}
    path = write_item(tmp_path, "SCENE", {"red": numbers_in(tmp_path, "x.tif", 2000)}, **properties)
    assert value(path, "red") == pytest.approx(expected)


MASKED = np.array([[0, 1], [8, 0]], np.uint8)


def mask_asset(folder, key: str, *roles: str) -> dict[str, Any]:
    write_raster(folder / f"{key}.tif", MASKED)
    return {key: {"href": f"{key}.tif", "roles": list(roles)}}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("SCL_20m", "scl"), ("scl-jp2", "scl"), ("Fmask", "fmask"), ("FMASK", "fmask"), ("QA_PIXEL", "qaPixel"),
        ("qa_pixel", "qaPixel"), ("QA_PIXEL.TIF", "qaPixel"), ("cloud-mask", "earthDaily"),
    ],
)  # fmt: skip
def test_a_mask_is_found_by_its_key(tmp_path, key, values):
    assets = {"red": numbers_in(tmp_path, "red.tif", 1)} | mask_asset(tmp_path, key)
    mask = found_in(write_item(tmp_path, "SCENE", assets), ["red"], ["cloud"]).scenes[0].mask
    assert (mask.href, mask.values) == (str(tmp_path / f"{key}.tif"), values)


@pytest.mark.parametrize(
    ("platform", "values"), [("landsat-8", "qaPixel"), ("landsat-5", "qaPixel"), ("sentinel-2b", "scl")]
)
def test_a_mask_is_found_by_its_roles(tmp_path, platform, values):
    assets = (
        {"red": numbers_in(tmp_path, "red.tif", 1)}
        | mask_asset(tmp_path, "cloud", "data", "cloud")
        | mask_asset(tmp_path, "cloud_qa", "cloud", "cloud-shadow")
        | mask_asset(tmp_path, "quality", "cloud", "cloud-shadow", "snow-ice")
    )
    path = write_item(tmp_path, "SCENE", assets, platform=platform)
    found = found_in(path, ["red"], ["cloud"])
    assert (found.scenes[0].mask.href, found.scenes[0].mask.values) == (str(tmp_path / "quality.tif"), values)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("key", "roles", "flagged"),
    [
        ("SCL_60m", [], [[0, 0], [1, 0]]),
        ("classes", [], [[0, 0], [1, 0]]),
        ("clouds", ["cloud"], [[0, 1], [1, 0]]),
        ("water", ["water-mask"], [[0, 1], [1, 0]]),
        ("valid", ["data-mask"], [[1, 0], [0, 1]]),
    ],
)
def test_the_field_assets_selects_the_mask(tmp_path, key, roles, flagged):
    assets = {"red": numbers_in(tmp_path, "red.tif", 1)} | mask_asset(tmp_path, "SCL_20m")
    assets |= mask_asset(tmp_path, key, *roles)
    path = write_item(tmp_path, "SCENE", assets, platform="sentinel-2a")
    found = found_in(path, ["red"], ["cloud"], assets={"mask": key})
    assert found.scenes[0].mask.href == str(tmp_path / f"{key}.tif")
    codes = codes_of(found, ["cloud"], tmp_path)
    assert np.array_equal(codes == FLAGGED, flagged)
    assert (codes[np.array(flagged) == 0][-1:] == CLEAR).all() or key in {"SCL_60m", "classes"}  # 0 is no data of SCL


def test_a_named_mask_with_unknown_values_causes_a_warning_or_an_error(tmp_path):
    assets = {"red": numbers_in(tmp_path, "red.tif", 1)} | mask_asset(tmp_path, "classes") | mask_asset(tmp_path, "snw")
    path = write_item(tmp_path, "SCENE", assets)
    (note,) = found_in(path, ["red"], ["cloud"], assets={"mask": "classes"}).notes
    assert note == "classes is read as a mask of kind scl in 1 scene without a stated encoding"
    with pytest.raises(RequestError, match=r"scenes\[0\]\.assets\.mask: the encoding of asset snw of"):
        found_in(path, ["red"], ["cloud"], assets={"mask": "snw"})
    with pytest.raises(RequestError, match=r"assets\.mask: SCENE has no asset SCL; it has classes, red, snw"):
        found_in(path, ["red"], ["cloud"], assets={"mask": "SCL"})


@pytest.mark.parametrize("key", ["cloud", "CLD_20m", "MSK_CLDPRB", "s2cloudless"])
def test_a_probability_of_cloud_is_used_only_if_it_is_named(tmp_path, key):
    assets = {"red": numbers_in(tmp_path, "red.tif", 1)} | mask_asset(tmp_path, "scl")
    write_raster(tmp_path / f"{key}.tif", np.array([[0, 40], [41, 100]], np.uint8), nodata=0)
    assets[key] = {"href": f"./{key}.tif", "roles": ["data", "cloud"]}
    path = write_item(tmp_path, "SCENE", assets, platform="sentinel-2a")
    assert found_in(path, ["red"], ["cloud"]).scenes[0].mask.values == "scl"
    found = found_in(path, ["red"], ["cloud"], assets={"mask": key})
    assert (found.scenes[0].mask.values, found.notes) == ("probability", ())
    assert codes_of(found, ["cloud"], tmp_path).tolist() == [[CLEAR, CLEAR], [FLAGGED, FLAGGED]]
    with pytest.raises(RequestError, match="mask has shadow, but a mask of kind probability has no such class"):
        found_in(path, ["red"], ["cloud", "shadow"], assets={"mask": key})
    write_item(tmp_path, "SCENE", assets, platform="landsat-8")
    with pytest.raises(RequestError, match=rf"assets\.mask: the encoding of asset {key} of"):
        found_in(path, ["red"], ["cloud"], assets={"mask": key})
