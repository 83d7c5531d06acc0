"""Items in the format of each catalogue: which file is which band, what its numbers mean, and which layer is the mask.

docs/guides/catalogues.md links to the sources. numpy computes the expected values.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_worker.sources.masks import CLEAR, FLAGGED, UNKNOWN

from support.scenes.items import codes_of, found_in, values_of, write_item
from support.scenes.rasters import write_raster

REFLECTANCE = np.array([[0.05, 0.1, 0.2, 0.3], [0.35, 0.4, 0.5, np.nan]])
COG, JP2 = "image/tiff; application=geotiff; profile=cloud-optimized", "image/jp2"
NEW = [{"nodata": 0, "data_type": "uint16", "bits_per_sample": 15, "scale": 0.0001, "offset": -0.1}]
OLD = [{"nodata": 0, "data_type": "uint16", "bits_per_sample": 15, "scale": 0.0001, "offset": 0}]
SCL = np.array([[0, 3, 4, 5], [6, 8, 9, 11]], np.uint8)
QA = np.array([[1, 1 << 4, 1 << 6, 1 << 5], [1 << 7, 1 << 3, 1 << 1, 1 << 2]], np.uint16)
FMASK = np.array([[255, 1 << 3, 0, 1 << 4], [1 << 5, 1 << 1, 1 << 2, 3 << 6]], np.uint8)


def numbered(number: int) -> np.ndarray:
    """Reflectances of one of several bands."""
    return REFLECTANCE + number / 100


def stored_numbers(values: np.ndarray, scale: float, offset: float, nodata: float, dtype: str) -> np.ndarray:
    """Stored numbers of values: value = scale x number + offset."""
    return np.where(np.isnan(values), nodata, np.rint((np.nan_to_num(values) - offset) / scale)).astype(dtype)


def s2(folder: Path, file: str, offset: float, values: np.ndarray = REFLECTANCE, **options: Any) -> dict[str, Any]:
    """A file with Sentinel-2 numbers, and an asset without its band description."""
    return file_asset(folder, file, stored_numbers(values, 0.0001, offset, 0, "uint16"), **options)


def file_asset(folder: Path, file: str, numbers: np.ndarray, **options: Any) -> dict[str, Any]:
    jp2 = file.endswith(".jp2")
    numbers = np.kron(numbers, np.ones((32, 32), numbers.dtype))  # JPEG 2000 has no tiles of two rows
    write_raster(folder / file, numbers, driver="JP2OpenJPEG" if jp2 else "GTiff", **options)
    return {"href": file, "type": JP2 if jp2 else COG, "roles": ["data"]}


def small(values: np.ndarray) -> np.ndarray:
    return values[::32, ::32]


def check(path: Path, expected: dict[str, np.ndarray], *notes: str, **scene: Any) -> None:
    """Compare the values read through an Item, and the notes for the user, with the expected ones."""
    found = found_in(path, list(expected), **scene)
    for name, values in expected.items():
        np.testing.assert_allclose(small(values_of(found, name, path.parent)), values, atol=1e-6, err_msg=name)
    assert found.notes == notes


def check_mask(path: Path, kind: str, classes: list[str], expected: list[list[int]], **scene: Any) -> None:
    found = found_in(path, ["red"], classes, **scene)
    assert found.scenes[0].mask is not None
    assert found.scenes[0].mask.values == kind
    assert small(codes_of(found, classes, path.parent)).tolist() == expected


CLOUD_AND_SHADOW = [[UNKNOWN, FLAGGED, CLEAR, CLEAR], [CLEAR, FLAGGED, FLAGGED, CLEAR]]
"""Where SCL, QA and Fmask flag cloud or shadow."""


def earth_search(folder: Path, applied: bool | None, raster: list[dict[str, Any]], offset: float) -> Path:
    """An Item of Earth Search's sentinel-2-l2a: GeoTIFFs of the catalogue and JPEG 2000 files of ESA."""
    assets: dict[str, Any] = {}
    for name in ("red", "nir"):
        described = {"eo:bands": [{"name": name, "common_name": name}], "raster:bands": raster}
        assets[f"{name}-jp2"] = s2(folder, f"{name}.jp2", offset) | described
        assets[name] = s2(folder, f"{name}.tif", 0 if applied else offset) | described
    for number in (1, 2, 3):
        described = {"eo:bands": [{"name": f"rededge{number}", "common_name": "rededge"}], "raster:bands": raster}
        edge = s2(folder, f"e{number}.tif", 0 if applied else offset, numbered(number))
        assets[f"rededge{number}"] = edge | described
    assets["visual"] = file_asset(folder, "TCI.tif", np.full((2, 4), 9, np.uint8)) | {
        "roles": ["visual"],
        "eo:bands": [{"name": "red", "common_name": "red"}],
    }
    layer = [{"nodata": 0, "data_type": "uint16", "scale": 0.001, "offset": 0}]
    assets["aot"] = file_asset(folder, "AOT.tif", np.full((2, 4), 120, np.uint16)) | {"raster:bands": layer}
    for key, file in (("scl-jp2", "SCL.jp2"), ("scl", "SCL.tif")):
        assets[key] = file_asset(folder, file, SCL) | {"raster:bands": [{"nodata": 0, "data_type": "uint8"}]}
    properties: dict[str, Any] = {"platform": "sentinel-2a", "constellation": "sentinel-2", "instruments": ["msi"]}
    properties["s2:processing_baseline"] = "05.09" if offset else "02.14"
    if applied is not None:
        properties["earthsearch:boa_offset_applied"] = applied
    return write_item(folder, "S2A_33TWL_20240701_0_L2A", assets, "sentinel-2-l2a", **properties)


@pytest.mark.parametrize(
    ("applied", "raster", "offset"),
    [(True, NEW, -0.1), (False, NEW, -0.1), (False, OLD, 0.0), (None, NEW, -0.1)],
    ids=["applied", "not applied", "before 04.00", "c1-l2a"],
)
def test_earth_search_sentinel_2_l2a(tmp_path, applied, raster, offset):
    path = earth_search(tmp_path, applied, raster, offset)
    aot = np.full((2, 4), 0.12)
    check(path, {"red": REFLECTANCE, "nir": REFLECTANCE, "rededge078": numbered(3), "aot": aot})
    check(path, {"red": REFLECTANCE, "nir": REFLECTANCE}, assets={"red": "red-jp2", "nir": "nir-jp2"})
    assert found_in(path, ["red"]).scenes[0].bands["red"].href.endswith(".tif")
    check_mask(path, "scl", ["cloud", "shadow"], CLOUD_AND_SHADOW)
    assert found_in(path, ["red"], ["cloud"]).scenes[0].mask.href.endswith(".tif")
    scl = found_in(path, ["scl"])
    np.testing.assert_array_equal(small(values_of(scl, "scl", tmp_path)), np.where(SCL == 0, np.nan, SCL))


def test_earth_search_sentinel_2_l2a_in_stac_1_1(tmp_path):
    described = {"bands": [{"name": "red", "eo:common_name": "red"}], "raster:scale": 0.0001, "raster:offset": -0.1}
    assets = {"red": s2(tmp_path, "B04.tif", -0.1) | described | {"nodata": 0}}
    path = write_item(tmp_path, "S2A_T33TWL_20240701T100000_L2A", assets, "sentinel-2-l2a", "1.1.0")
    check(path, {"red": REFLECTANCE})


def test_earth_search_sentinel_2_l1c(tmp_path):
    described = {"eo:bands": [{"name": "red", "common_name": "red"}], "raster:bands": NEW}
    properties = {"s2:processing_baseline": "05.10", "platform": "sentinel-2b"}
    assets = {"red": s2(tmp_path, "B04.jp2", -0.1) | described}
    path = write_item(tmp_path, "S2B_33TWL_20240701_0_L1C", assets, "sentinel-2-l1c", **properties)
    check(path, {"red": REFLECTANCE})


def test_earth_search_v0_states_the_baseline_and_the_offset_by_other_names(tmp_path):
    assets = {"B04": s2(tmp_path, "B04.tif", 0), "SCL": file_asset(tmp_path, "SCL.tif", SCL)}
    properties = {
        "platform": "sentinel-2a",
        "sentinel:processing_baseline": "04.00",
        "sentinel:boa_offset_applied": True,
    }
    path = write_item(tmp_path, "S2A_28QCH_20220714_0_L2A", assets, "sentinel-s2-l2a-cogs", **properties)
    check(path, {"red": REFLECTANCE})
    old = write_raster(tmp_path / "old" / "B04.tif", stored_numbers(REFLECTANCE, 0.0001, 0, 0, "uint16"))
    product = {"sentinel:product_id": "S2A_MSIL2A_20200714T115221_N0214_R123_T28QCH_20200714T191310"}
    path = write_item(old.parent, "S2A_28QCH_20200714_0_L2A", {"B04": {"href": "B04.tif"}}, **product)
    np.testing.assert_allclose(values_of(found_in(path, ["red"]), "red", old.parent), REFLECTANCE, atol=1e-6)


PLANETARY_NAMES = {"B04": "red", "B05": "rededge", "B06": "rededge", "B8A": "rededge", "B08": "nir", "B11": "swir16"}


@pytest.mark.parametrize(("baseline", "offset"), [("02.12", 0.0), ("03.01", 0.0), ("04.00", -0.1), ("05.10", -0.1)])
def test_planetary_computer_sentinel_2_l2a(tmp_path, baseline, offset):
    """The Items have no `raster:bands`; layers that are not reflectances keep their stored numbers."""
    assets: dict[str, Any] = {"visual": file_asset(tmp_path, "TCI.tif", np.full((2, 4), 9, np.uint8))}
    assets["visual"]["eo:bands"] = [{"name": "B04", "common_name": "red"}, {"name": "B03", "common_name": "green"}]
    for number, (key, name) in enumerate(PLANETARY_NAMES.items(), 1):
        file = s2(tmp_path, f"{key}.tif", offset, numbered(number))
        assets[key] = file | {"eo:bands": [{"name": key, "common_name": name}]}
    for key in ("AOT", "WVP"):
        assets[key] = file_asset(tmp_path, f"{key}.tif", np.full((2, 4), 1500, np.uint16))
    assets["SCL"] = file_asset(tmp_path, "SCL.tif", SCL)
    properties = {"platform": "Sentinel-2B", "constellation": "Sentinel 2", "s2:processing_baseline": baseline}
    path = write_item(tmp_path, "S2B_MSIL2A_20190629T212529_R043_T06VVN", assets, "sentinel-2-l2a", **properties)
    order = dict(zip(("red", "rededge071", "rededge075", "nir08", "nir", "swir16"), range(1, 7), strict=True))
    layers = {"SCL": SCL.astype(float), "AOT": np.full((2, 4), 1.5), "wvp": np.full((2, 4), 1.5)}
    check(path, {name: numbered(number) for name, number in order.items()} | layers)
    check_mask(path, "scl", ["cloud", "shadow"], CLOUD_AND_SHADOW)


@pytest.mark.parametrize("level", ["MSIL2A", "MSIL1C"])
@pytest.mark.parametrize("stated", [True, False])
def test_copernicus_data_space_sentinel_2(tmp_path, level, stated):
    """One file for each resolution; the finest is used. The metadata are fields of STAC 1.1 or part of the product's
    name.
    """
    fields = {"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0} if stated else {}
    assets: dict[str, Any] = {}
    suffixes = ("60m", "20m", "10m") if level == "MSIL2A" else ("",)
    for suffix in suffixes:
        values = REFLECTANCE if suffix in {"", "10m"} else REFLECTANCE * 0
        key = f"B04_{suffix}" if suffix else "B04"
        described = {"bands": [{"name": "B04", "eo:common_name": "red"}]} | fields
        assets[key] = s2(tmp_path, f"{key}.jp2", -0.1, values) | described
    for metres in ("60m", "20m"):
        assets[f"SCL_{metres}"] = file_asset(tmp_path, f"SCL_{metres}.jp2", SCL if metres == "20m" else SCL * 0)
    name = f"S2B_{level}_20240701T100029_N0510_R122_T33TWL_20240701T121212"
    path = write_item(tmp_path, name, assets, f"sentinel-2-{level[-3:].lower()}", "1.1.0", platform="sentinel-2b")
    check(path, {"red": REFLECTANCE})
    check_mask(path, "scl", ["cloud", "shadow"], CLOUD_AND_SHADOW)


@pytest.mark.parametrize("nir", ["nir", "nir08"])
def test_earthdaily(tmp_path, nir):
    """Each asset has its own scale and offset; mosaics with Landsat have nir08 but not nir."""
    assets = {key: s2(tmp_path, f"{key}.tif", -0.1) | {"raster:bands": NEW} for key in ("red", nir)}
    assets["cloud_mask"] = file_asset(tmp_path, "mask.tif", np.array([[0, 3, 1, 1], [1, 2, 2, 1]], np.uint8))
    path = write_item(tmp_path, "mosaic", assets, "ai-ready-mosaics", platform="sentinel-2")
    notes = [] if nir == "nir" else ["nir08 replaces nir in 1 scene without nir"]
    check(path, {"red": REFLECTANCE, "nir": REFLECTANCE}, *notes)
    check_mask(path, "earthDaily", ["cloud", "shadow"], CLOUD_AND_SHADOW)


HLS_L30 = {"B04": "red", "B05": "nir08", "B06": "swir16", "B07": "swir22", "B09": "cirrus", "B10": "lwir11"}
HLS_S30 = {"B04": "red", "B05": "rededge071", "B08": "nir", "B8A": "nir08", "B10": "cirrus", "B11": "swir16"}
DEGREES = np.array([[-20.5, 0, 5, 10], [15, 20, 30, np.nan]])


@pytest.mark.parametrize("described", [True, False], ids=["stactools", "cmr-stac"])
@pytest.mark.parametrize(
    ("product", "names", "collection"),
    [
        ("L30", HLS_L30, "HLSL30_2.0"),
        ("S30", HLS_S30, "HLSS30_2.0"),
        ("L30", HLS_L30, "hls2-l30"),
        ("S30", HLS_S30, "hls2-s30"),
    ],
)
def test_hls(tmp_path, product, names, collection, described):
    assets: dict[str, Any] = {}
    for number, (key, name) in enumerate(names.items(), 1):
        thermal = name == "lwir11"
        numbers = (
            stored_numbers(DEGREES, 0.01, 0, -9999, "int16")
            if thermal
            else stored_numbers(numbered(number), 0.0001, 0, -9999, "int16")
        )
        assets[key] = file_asset(tmp_path, f"{key}.tif", numbers)
        if described:  # both near infrared bands are called nir, as in stactools-hls
            common = "nir" if name == "nir08" else name
            raster = {"data_type": "int16", "nodata": -9999, "scale": 0.01 if thermal else 0.0001}
            assets[key] |= {"eo:bands": [{"name": key, "common_name": common}], "raster:bands": [raster]}
    assets["Fmask"] = file_asset(tmp_path, "Fmask.tif", FMASK)
    assets["SZA"] = file_asset(tmp_path, "SZA.tif", np.full((2, 4), 3550, np.uint16))
    path = write_item(tmp_path, f"HLS.{product}.T33TWL.2024183T100000.v2.0", assets, collection)
    expected = {name: numbered(number) for number, name in enumerate(names.values(), 1)}
    if "lwir11" in expected:
        expected["lwir11"] = DEGREES
    check(path, expected | {"sza": np.full((2, 4), 35.5)})
    number = list(names.values()).index("nir" if product == "S30" else "nir08") + 1
    stand_in = ["nir08 replaces nir in 1 scene without nir"] if product == "L30" and not described else []
    check(path, {"nir": numbered(number)}, *stand_in)
    check_mask(path, "fmask", ["cloud", "shadow"], CLOUD_AND_SHADOW)


KELVIN = np.array([[250.0, 273.15, 280, 290], [300, 310, 320, np.nan]])
LANDSAT = {"red": "SR_B4", "nir08": "SR_B5", "swir16": "SR_B6", "lwir11": "ST_B10"}
LANDSAT_7 = {"red": "SR_B3", "nir08": "SR_B4", "swir16": "SR_B5", "lwir": "ST_B6"}


def landsat_asset(folder: Path, file: str, number: int, raster: bool) -> dict[str, Any]:
    thermal = file.startswith("ST_")
    scale, offset = (0.00341802, 149.0) if thermal else (2.75e-05, -0.2)
    numbers = stored_numbers(KELVIN if thermal else numbered(number), scale, offset, 0, "uint16")
    fields_of_bands = (
        {"raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": scale, "offset": offset}]} if raster else {}
    )
    return file_asset(folder, f"{file}.TIF", numbers) | fields_of_bands


@pytest.mark.parametrize(
    ("catalogue", "names", "properties"),
    [
        ("planetary-computer", LANDSAT, {"platform": "landsat-8", "instruments": ["oli", "tirs"]}),
        ("earth-search", LANDSAT, {"platform": "landsat-9", "instruments": ["oli", "tirs"]}),
        ("usgs", LANDSAT, {"platform": "LANDSAT_8", "instruments": ["OLI", "TIRS"]}),
        ("usgs-old", LANDSAT, {"eo:platform": "LANDSAT_8", "eo:instrument": "OLI_TIRS"}),
        ("planetary-computer", LANDSAT_7, {"platform": "landsat-7", "instruments": ["etm+"]}),
        ("usgs-old", LANDSAT_7, {"eo:platform": "LANDSAT_7", "eo:instrument": "ETM"}),
    ],
)
def test_landsat_collection_2_level_2(tmp_path, catalogue, names, properties):
    """Bands are found by common names if these are the keys, otherwise by the file names of USGS."""
    raster, by_file = catalogue in {"planetary-computer", "earth-search"}, catalogue == "usgs-old"
    assets: dict[str, Any] = {}
    for number, (name, file) in enumerate(names.items(), 1):
        asset = landsat_asset(tmp_path, file, number, raster)
        described = {} if by_file else {"eo:bands": [{"name": file, "common_name": name}]}
        assets[f"{file}.TIF" if by_file else name] = asset | described
    roles = ["cloud", "cloud-shadow", "snow-ice", "water-mask"]
    if not by_file:
        assets["cloud_qa"] = file_asset(tmp_path, "CLOUD_QA.TIF", QA.astype(np.uint8) * 0) | {"roles": roles}
    assets["QA_PIXEL.TIF" if by_file else "qa_pixel"] = file_asset(tmp_path, "QA.TIF", QA) | {"roles": roles}
    sensor = "LE07" if names is LANDSAT_7 else "LC08"
    path = write_item(
        tmp_path,
        f"{sensor}_L2SP_047027_20201204_20210313_02_T1",
        assets,
        "landsat-c2l2-sr" if catalogue.startswith("usgs") else "landsat-c2-l2",
        **{"landsat:correction": "L2SP", "landsat:collection_number": "02"} | properties,
    )
    expected = {name: numbered(number) for number, name in enumerate(names, 1)}
    thermal = "lwir" if names is LANDSAT_7 else "lwir11"
    expected[thermal] = KELVIN
    found = found_in(path, list(expected))
    for name, values in expected.items():  # the numbers are steps of 2.75e-5, and of 0.0034 K
        within = 0.002 if name == thermal else 1.4e-5
        np.testing.assert_allclose(small(values_of(found, name, tmp_path)), values, atol=within, err_msg=name)
    note = "nir08 replaces nir in 1 scene without nir"
    assert found_in(path, ["nir"]).notes == (note,)
    check_mask(path, "qaPixel", ["cloud", "shadow"], CLOUD_AND_SHADOW)


NAIP_BANDS = ("Red", "Green", "Blue", "NIR")


@pytest.mark.parametrize(
    "described",
    [
        {"eo:bands": [{"name": name, "common_name": name.lower()} for name in NAIP_BANDS]},
        {"bands": [{"name": name, "eo:common_name": name.lower()} for name in NAIP_BANDS]},
    ],
    ids=["eo:bands", "STAC 1.1"],
)
def test_naip(tmp_path, described):
    """One file has all bands in the order of the Item's description."""
    numbers = np.stack([np.full((4, 4), number, np.uint8) for number in (50, 60, 70, 150)])
    write_raster(tmp_path / "m.tif", numbers, resolution=1)
    assets = {
        "image": {"href": "m.tif", "type": COG, "roles": ["data"]} | described,
        "thumbnail": {"href": "m.jpg", "type": "image/jpeg", "roles": ["thumbnail"]},
        "metadata": {"href": "m.txt", "type": "text/plain", "roles": ["metadata"]},
    }
    path = write_item(tmp_path, "ca_m_3612063_se_10_060_20220509", assets, "naip", **{"naip:year": "2022"})
    for assets_of in ({}, {"assets": {"red": "image", "nir": "image"}}):
        found = found_in(path, ["red", "nir", "green"], **assets_of)
        read = {name: values_of(found, name, tmp_path) for name in ("red", "nir", "green")}
        assert {name: np.unique(values).tolist() for name, values in read.items()} == {
            "red": [50], "nir": [150], "green": [60],
        }  # fmt: skip
        assert found.notes == ()
