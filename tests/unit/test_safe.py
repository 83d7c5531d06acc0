"""Sentinel-2 products in ESA's SAFE format: layouts, metadata, and zip files that are read without unpacking."""

import json
import shutil
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import own_machine, pod
from mosaic_worker.sources.access.zips import file_of, gdal_name, member_reference
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.kinds.safe import read_product
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.synthetic import write_scenes
from mosaic_worker.synthetic.safe import write_safe

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import noise, write_raster

BANDS = ("green", "swir16")


@pytest.fixture(scope="module")
def item(tmp_path_factory) -> Path:
    (made,) = write_scenes(tmp_path_factory.mktemp("scenes"), side=256, seed=5)
    return made


def spec_of(path: Path | str, mask=()):
    return {"source": files({"safe": str(path)}), "product": {"index": "NDSI"}, "composite": {"mask": list(mask)}}


def scene_of(path: Path | str, bands=BANDS, mask=(), gate=None):
    return resolve(request_of(spec_of(path, mask)).spec, bands, gate or own_machine(Path("/"))).scenes[0]


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    """Replace text in the metadata of a product."""
    metadata = next(folder.glob("MTD_*.xml"))
    text = metadata.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    metadata.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("longitudes", "west", "east"), [((14.5, 16, 15.2), 14.5, 16), ((179.2, -179.4, 179.9), 179.2, -179.4)]
)
def test_a_product_has_a_footprint_even_across_the_antimeridian(item, tmp_path, longitudes, west, east):
    listed = " ".join(f"{45 + number / 2} {longitude}" for number, longitude in enumerate(longitudes))
    product = write_safe(item, tmp_path / "S2.SAFE")
    before = read_product(str(product), "", Client(own_machine(tmp_path)))
    bbox = json.loads(item.read_text())["bbox"]
    assert before.bbox == pytest.approx(bbox)
    edited(product, (before.text("EXT_POS_LIST"), listed))
    assert read_product(str(product), "", Client(own_machine(tmp_path))).bbox == (west, 45, east, 46)


@pytest.mark.parametrize("target", ["S2.SAFE", "S2.SAFE.zip", "deflated.ZIP.zip", "with space {1}.zip"])
@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_a_mosaic_of_a_product_equals_that_of_its_files(item, tmp_path, target, level):
    product = write_safe(item, tmp_path / target, level, deflated="deflated" in target)
    mask = ["cloud", "shadow"] if level == "L2A" else []
    made = make(tmp_path, spec_of(product, mask))
    bands = {
        name: {"href": str(item.with_name(f"{file}.jp2")), "scale": 0.0001, "offset": -0.1, "nodata": 0}
        for name, file in (("green", "B03"), ("swir16", "B11"))
    }
    scene = {"bands": bands} | ({"mask": str(item.with_name("SCL.jp2"))} if mask else {})
    plain = make(tmp_path, spec_of(product, mask) | {"source": files(scene)}, "plain")
    assert np.isfinite(made.values()).any()
    assert np.array_equal(made.values(), plain.values(), equal_nan=True)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_id_time_cloud_cover_and_calibration_come_from_the_product(item, tmp_path, level):
    scene = scene_of(write_safe(item, tmp_path / "renamed", level))
    assert scene.id == "S2_SYNTHETIC_1"
    assert scene.datetime == datetime.fromisoformat("2024-07-01T19:29:11+00:00")
    assert 0 < scene.cloud_cover < 100
    green = scene.bands["green"]
    assert (green.scale, green.offset, green.nodata, green.calibrated) == (0.0001, -0.1, (0,), True)


def test_each_band_has_its_own_offset_from_baseline_4_on(item, tmp_path):
    one = edited(write_safe(item, tmp_path / "a"), ('band_id="2">-1000', 'band_id="2">-500'))
    assert scene_of(one).bands["green"].offset == -0.05
    assert scene_of(one).bands["swir16"].offset == -0.1
    old = write_safe(item, tmp_path / "b")
    metadata = old / "MTD_MSIL2A.xml"
    text = metadata.read_text()
    start, stop = text.index("<BOA_ADD_OFFSET_VALUES_LIST>"), text.index("</BOA_ADD_OFFSET_VALUES_LIST>")
    metadata.write_text(text[:start] + text[stop + len("</BOA_ADD_OFFSET_VALUES_LIST>") :])
    assert scene_of(old).bands["green"].offset == 0
    assert scene_of(old).bands["green"].scale == 0.0001


def test_reads_each_band_at_its_best_resolution(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.SAFE")
    fine = next(product.rglob("*_B03_10m.jp2"))
    for metres in (20, 60):
        coarse = fine.parents[1] / f"R{metres}m" / fine.name.replace("_10m", f"_{metres}m")
        coarse.parent.mkdir(exist_ok=True)
        shutil.copy(fine.parents[1] / "R20m" / next(product.rglob("*_B11_20m.jp2")).name, coarse)
    assert scene_of(product).bands["green"].href == str(fine)


def test_bands_are_found_by_their_common_names(tmp_path):
    """B8A is nir08, and B08 is nir."""
    root = tmp_path / "S2A_OPER_PRD.SAFE"
    for band in ("B01", "B08", "B8A", "B10"):
        name = f"S2A_OPER_MSI_L1C_TL_SGS__20160905T073438_A006291_T53HLA_{band}.jp2"
        folder = root / "GRANULE" / "S2A_OPER_MSI_L1C_TL_SGS__20160905T073438_A006291_T53HLA_N02.04" / "IMG_DATA"
        write_raster(folder / name, noise(20, 20), driver="JP2OpenJPEG")
    (root / "S2A_OPER_MTD_SAFL1C_PDMC_20160905T104813_R002.xml").write_text(
        """<n1:Level-1C_User_Product xmlns:n1="https://psd-13.sentinel2.eo.esa.int/PSD/User_Product_Level-1C.xsd">
        <n1:General_Info><Product_Info><PRODUCT_START_TIME>2016-09-05T00:57:12.026Z</PRODUCT_START_TIME>
        <PRODUCT_URI>791_2016-09-05T10_37</PRODUCT_URI></Product_Info><Product_Image_Characteristics>
        <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
        </Special_Values><QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>
        </Product_Image_Characteristics></n1:General_Info></n1:Level-1C_User_Product>"""
    )
    scene = scene_of(root, ("coastal", "nir", "nir08", "cirrus"))
    assert scene.id == "S2A_OPER_PRD"
    assert scene.cloud_cover is None
    found = {name: band.href.rsplit("_", 1)[1] for name, band in scene.bands.items()}
    assert found == {"coastal": "B01.jp2", "nir": "B08.jp2", "nir08": "B8A.jp2", "cirrus": "B10.jp2"}
    with pytest.raises(RequestError, match="the product needs green, but S2A_OPER_PRD has cirrus, coastal, nir, nir08"):
        scene_of(root)


def test_the_product_may_be_one_level_below_the_folder_or_zip(item, tmp_path):
    write_safe(item, tmp_path / "S2.SAFE" / "S2.SAFE")
    assert scene_of(tmp_path / "S2.SAFE").bands.keys() == set(BANDS)
    bare = tmp_path / "bare.zip"
    with zipfile.ZipFile(bare, "w") as archive:
        root = tmp_path / "S2.SAFE" / "S2.SAFE"
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    assert scene_of(bare).id == "S2_SYNTHETIC_1"


def test_nothing_is_unpacked(item, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("unpacked")

    for name in ("extract", "extractall"):
        monkeypatch.setattr(zipfile.ZipFile, name, refuse)
    product = write_safe(item, tmp_path / "S2.zip", deflated=True)
    assert scene_of(product).bands["green"].href.startswith(f"{product}!/S2_SYNTHETIC_1.SAFE/GRANULE/")
    assert [path.name for path in tmp_path.iterdir()] == ["S2.zip"]


def test_the_identity_of_a_product_changes_with_its_zip(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.zip")
    before = scene_of(product).bands["green"].header.identity
    write_safe(item, product, deflated=True)
    assert scene_of(product).bands["green"].header.identity != before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("BOA_QUANTIFICATION_VALUE", "OTHER"), "the metadata of S2_SYNTHETIC_1 state no BOA_QUANTIFICATION_VALUE"),
        ((">10000<", ">many<"), "BOA_QUANTIFICATION_VALUE of S2_SYNTHETIC_1 is 'many', not a number"),
        (('band_id="2"', 'band_id="20"'), "state no BOA_ADD_OFFSET of B03"),
        (("NODATA", "NOTHING"), "state no number for no data"),
        (("2024-07-01T19:29:11Z", "today"), "PRODUCT_START_TIME of S2_SYNTHETIC_1 is 'today', not a time"),
        (("Level-2A_User_Product", "Level-0_User_Product"), r"not a Sentinel-2 product of level 1C or 2A \(Level-0"),
        (("</n1:Level-2A_User_Product>", ""), "is not valid XML, or has a DTD"),
        (("?>", '?>\n<!DOCTYPE a [<!ENTITY b "c">]>'), "is not valid XML, or has a DTD"),
        (("?>", '?>\n<!DOCTYPE a SYSTEM "file:///etc/hostname">'), "is not valid XML, or has a DTD"),
    ],
)
def test_refuses_incomplete_metadata(item, tmp_path, change, problem):
    with pytest.raises(RequestError, match=rf"spec\.source\.files\.scenes\[0\]\.safe: .*{problem}"):
        scene_of(edited(write_safe(item, tmp_path / "S2.SAFE"), change))


def test_refuses_files_and_folders_that_are_not_products(item, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "file.SAFE").write_text("no folder")
    two = tmp_path / "two"
    write_safe(item, two / "a.SAFE")
    write_safe(item, two / "b.SAFE")
    for path, problem in (
        ("nowhere.SAFE", "is not a .SAFE folder or .zip file, or does not exist"),
        ("file.SAFE", "is not a .SAFE folder or .zip file"),
        ("empty", "has 0 Sentinel-2 products"),
        ("two", "has 2 Sentinel-2 products"),
        ("text.zip", "is not a zip file, or is damaged"),
    ):
        with pytest.raises(RequestError, match=problem):
            scene_of(tmp_path / path)


def test_refuses_a_zip_with_a_damaged_file(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.zip", deflated=True)
    content = bytearray(product.read_bytes())
    with zipfile.ZipFile(product) as archive:
        start = archive.getinfo("S2_SYNTHETIC_1.SAFE/MTD_MSIL2A.xml").header_offset
    content[start + 80 : start + 200] = bytes(120)
    product.write_bytes(content)
    with pytest.raises(RequestError, match=r"S2\.zip!/.*MTD_MSIL2A\.xml cannot be read"):
        scene_of(product)


def test_refuses_several_granules(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.SAFE")
    (granule,) = (product / "GRANULE").iterdir()
    shutil.copytree(granule, granule.with_name("L2A_T01ABC_A000000_20240701T192911"))
    with pytest.raises(RequestError, match="S2_SYNTHETIC_1 has 2 granules"):
        scene_of(product)


def test_level_1c_has_no_scene_classification_to_mask_by(item, tmp_path):
    with pytest.raises(RequestError, match="mask has cloud, but S2_SYNTHETIC_1 has no scene classification"):
        scene_of(write_safe(item, tmp_path / "S2.SAFE", "L1C"), mask=["cloud"])


@pytest.mark.parametrize("target", ["S2.SAFE", "S2.SAFE.zip"])
def test_the_probability_of_cloud_can_be_the_mask_of_a_product(item, tmp_path, target):
    probability = np.random.default_rng(1).integers(0, 101, (128, 128)).astype(np.uint8)
    with rasterio.open(item.with_name("SCL.jp2")) as scl:
        place = {"left": scl.transform.c, "top": scl.transform.f, "crs": scl.crs.to_string(), "driver": "JP2OpenJPEG"}
    folder = write_safe(item, tmp_path / "made" / "S2.SAFE")
    (granule,) = (folder / "GRANULE").iterdir()
    for metres in (20, 60):  # the finest is used
        image = granule / "QI_DATA" / f"MSK_CLDPRB_{metres}m.jp2"
        write_raster(image, probability[:: metres // 20, :: metres // 20], resolution=metres, **place)
    if target.endswith(".zip"):
        shutil.make_archive(str(tmp_path / "S2.SAFE"), "zip", folder.parent)
    else:
        shutil.move(folder, tmp_path / target)
    spec = spec_of(tmp_path / target) | {"composite": {"mask": ["cloud"], "above": 65}}
    spec["source"] = files({"safe": str(tmp_path / target), "assets": {"mask": "MSK_CLDPRB"}})
    made = make(tmp_path, spec)
    clear = make(tmp_path, spec_of(tmp_path / target), "clear").values()
    assert np.array_equal(made.values(), np.where(probability > 65, np.nan, clear), equal_nan=True)
    (note,) = made.item["properties"]["mosaic:warnings"]
    assert note == "the masks of 1 scene are probabilities: cloud is where they are above 65 %"
    spec["composite"]["mask"] = ["cloud", "shadow"]
    with pytest.raises(RequestError, match="mask has shadow, but a mask of kind probability has no such class"):
        make(tmp_path, spec)


def test_refuses_a_mask_that_a_product_does_not_have(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.SAFE")
    for name, problem in (
        ("MSK_CLDPRB", r"scenes\[0\]\.safe: .*but S2_SYNTHETIC_1 has no MSK_CLDPRB, the probability of cloud, like"),
        ("CLD", r"scenes\[0\]\.assets\.mask is CLD, but a SAFE product has the masks SCL and MSK_CLDPRB"),
    ):
        spec = spec_of(product, ["cloud"]) | {"source": files({"safe": str(product), "assets": {"mask": name}})}
        with pytest.raises(RequestError, match=problem):
            make(tmp_path, spec)


def test_reads_products_only_on_the_users_machine(item, tmp_path):
    product = write_safe(item, tmp_path / "S2.zip")
    with pytest.raises(RequestError, match="is a local file, which only `mosaic run` reads"):
        scene_of(product, gate=pod("*"))
    with pytest.raises(RequestError, match=r"only read from a local disk; download https://example\.org/S2\.zip,"):
        scene_of("https://example.org/S2.zip?token=1")


def test_names_of_files_in_archives():
    reference = member_reference("/a!/b.zip", "S2.SAFE/x!/y.jp2")
    assert file_of(reference) == "/a!/b.zip"
    assert gdal_name(reference) == "/vsizip/{/a!/b.zip}/S2.SAFE/x!/y.jp2"
    for plain in ("/a/b.tif", "/a!/b.tif", "/a.zip", "https://example.org/a.zip!/b.tif"):
        assert (file_of(plain), gdal_name(plain)) == (plain, plain)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts the bytes that a process reads")
def test_reads_a_stored_file_at_its_offset_in_the_zip(tmp_path):
    write_raster(tmp_path / "a.jp2", noise(64, 64), driver="JP2OpenJPEG")
    with zipfile.ZipFile(tmp_path / "S2.zip", "w") as archive:
        archive.writestr("other", bytes(50_000_000))
        archive.write(tmp_path / "a.jp2", "a.jp2")

    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = read()
    with rasterio.open(gdal_name(member_reference(str(tmp_path / "S2.zip"), "a.jp2"))) as found:
        assert np.array_equal(found.read(1), noise(64, 64))
    assert read() - before < 5_000_000
