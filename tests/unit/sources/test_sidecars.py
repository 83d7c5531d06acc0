"""Sidecar files and links: no pixels of a sidecar are read, and other files only if the gate admits them."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import Gate, own_folders, own_machine
from mosaic_worker.sources.access.local_files import open_file
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.kinds.folders import scenes_below
from mosaic_worker.sources.readers import gdal_opening
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_band, read_mask
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.synthetic import write_scenes
from mosaic_worker.synthetic.safe import write_safe
from rasterio.crs import CRS

from support.scenes.pipeline import files, masking, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving

VRT = """<VRTDataset rasterXSize="{side}" rasterYSize="{side}">
<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata>
<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{secret}</SourceFilename>
<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="64" ySize="64"/>
<DstRect xOff="0" yOff="0" xSize="{side}" ySize="{side}"/></SimpleSource></VRTRasterBand></VRTDataset>"""
PAM = '<PAMDataset><PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>'
STATISTICS = '<PAMDataset><PAMRasterBand band="1"><MDI key="STATISTICS_MEAN">5</MDI></PAMRasterBand></PAMDataset>'
SECRET = 77


def with_sidecars(image: Path, secret: Path) -> list[Path]:
    """Put sidecar files beside an image: a mask and overviews that refer to another file, and metadata that change its
    meaning.
    """
    beside = {".msk": VRT.format(side=64, secret=secret), ".ovr": VRT.format(side=32, secret=secret), ".aux.xml": PAM}
    for suffix, content in beside.items():
        image.with_name(image.name + suffix).write_text(content)
    return [image.with_name(image.name + suffix) for suffix in beside]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    return write_raster(folder / "secret.tif", np.full((64, 64), SECRET, np.uint8))


def image_in(folder: Path, kind: str) -> str:
    """An image, and the path that is admitted."""
    folder.mkdir(exist_ok=True)
    if kind == "jp2":
        return str(write_raster(folder / "scene.jp2", noise(64, 64), driver="JP2OpenJPEG"))
    return str(write_raster(folder / "scene.tif", noise(64, 64)))


@pytest.mark.parametrize("kind", ["tif", "jp2", "zip"])
def test_never_reads_pixels_of_sidecar_files(tmp_path: Path, secret: Path, kind: str):
    path = Path(image_in(tmp_path / "scenes", kind))
    beside = with_sidecars(path, secret)
    admitted = str(path)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "scenes" / "all.zip", "w") as archive:
            for file in (path, *beside):
                archive.write(file, file.name)
        admitted = f"{archive.filename}!/{path.name}"
    with Headers(own_machine(tmp_path)) as headers:
        image, header = headers.read(admitted, 1, "x")
        dataset = image.dataset
        assert len(dataset.files) == 1
        assert dataset.overviews(1) == []
        assert dataset.nodata is None
        band = headers.described_band(admitted, 1, (None, None, None), "x")
        (note,) = headers.notes
    assert f"{admitted}.msk" in note
    assert ".ovr" not in note
    assert ".aux.xml" not in note
    assert band.nodata == (5,)
    sources = OpenSources(own_machine(tmp_path))
    found = read_band(sources, band, header.grid, "nearest", "x")
    sources.close()
    expected = noise(64, 64).astype(np.float32)
    expected[expected == 5] = np.nan
    assert np.array_equal(found, expected, equal_nan=True)


def test_statistics_in_a_sidecar_cause_no_note(tmp_path: Path):
    path = Path(image_in(tmp_path, "tif"))
    path.with_name("scene.tif.aux.xml").write_text(STATISTICS)
    with Headers(own_machine(tmp_path)) as headers:
        headers.read(str(path), 1, "x")
        assert headers.notes == ()


@pytest.mark.parametrize("driver", ["GTiff", "JP2OpenJPEG", "PNG"])
def test_metadata_in_a_sidecar_have_the_same_meaning_as_in_gdal(tmp_path: Path, driver: str):
    """GDAL writes sidecar metadata that override those of a GeoTIFF and a JPEG 2000, and that are the only ones of a
    PNG.
    """
    suffix = {"GTiff": ".tif", "JP2OpenJPEG": ".jp2", "PNG": ".png"}[driver]
    path = write_raster(tmp_path / f"scene{suffix}", noise(64, 64), driver=driver)
    pam = path.with_name(f"{path.name}.aux.xml")
    pam.write_text(
        f"<PAMDataset><SRS>{CRS.from_epsg(32610).to_wkt().replace('<', '&lt;')}</SRS>"
        "<GeoTransform> 4.0e+05, 2.0e+01, 0, 5.5e+06, 0, -2.0e+01</GeoTransform>"
        '<PAMRasterBand band="1"><NoDataValue>7.0E+00</NoDataValue><Offset>-1000</Offset><Scale>0.0001</Scale>'
        '<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/passwd</MDI></Metadata>'
        "</PAMRasterBand></PAMDataset>"
    )
    with rasterio.open(path) as dataset:
        crs, transform, nodata = dataset.crs, dataset.transform, dataset.nodatavals[0]
        scale, offset = dataset.scales[0], dataset.offsets[0]
    assert (crs, nodata, scale, offset) == (CRS.from_epsg(32610), 7, 0.0001, -1000)
    with Headers(own_machine(tmp_path)) as headers:
        band = headers.described_band(str(path), 1, (None, None, None), "x")
    assert CRS.from_string(band.header.grid.crs) == crs
    assert band.header.grid.transform == transform
    assert (band.nodata, band.scale, band.offset) == ((nodata,), scale, offset)


@pytest.mark.parametrize(
    "content",
    [
        "<PAMDataset>",
        "<PAMDataset><SRS>no CRS</SRS></PAMDataset>",
        "<PAMDataset><GeoTransform>1, 2, 3</GeoTransform></PAMDataset>",
        "<PAMDataset><GeoTransform>1, 2, 3, 4, 5, inf</GeoTransform></PAMDataset>",
        "<PAMDataset><PAMRasterBand><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>",
        '<PAMDataset><PAMRasterBand band="1"><Scale>nan</Scale></PAMRasterBand></PAMDataset>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><PAMDataset>&a;</PAMDataset>',
        "<PAMDataset>" + " " * 2**20 + "</PAMDataset>",
    ],
)
def test_refuses_invalid_metadata_with_one_sentence(tmp_path: Path, content: str):
    path = Path(image_in(tmp_path, "tif"))
    path.with_name("scene.tif.aux.xml").write_text(content)
    with Headers(own_machine(tmp_path)) as headers, pytest.raises(RequestError, match=r"x: .*scene\.tif\.aux\.xml "):
        headers.read(str(path), 1, "x")


def test_a_mask_has_the_same_meaning_in_local_and_remote_files(tmp_path: Path, secret: Path):
    folder = tmp_path / "scenes"
    path = Path(image_in(folder, "tif"))
    mask = write_raster(folder / "mask.tif", np.zeros((64, 64), np.uint8))
    for file in (path, mask):
        with_sidecars(file, secret)
    with serving(folder) as address:
        found, notes = [], []
        for place in (str(folder), f"http://{address}"):
            scene = {
                "bands": {"red": f"{place}/scene.tif"},
                "mask": {"href": f"{place}/mask.tif", "values": "nonzero"},
            }
            request = request_of({"source": files(scene), "product": {"bands": ["red"]}})
            resolved = resolve(request.spec, ("red",), own_machine(tmp_path))
            (one,) = resolved.scenes
            grid = one.bands["red"].header.grid
            sources = OpenSources(own_machine(tmp_path))
            values = read_band(sources, one.bands["red"], grid, "nearest", "x")
            found.append((values, read_mask(sources, one.mask, grid, masking(), "x")))
            notes.append(resolved.notes)
            sources.close()
    for here, there in zip(*found, strict=True):
        assert np.array_equal(here, there)
    assert "scene.tif.msk" in notes[0][0]
    assert "mask.tif.msk" in notes[0][0]
    assert notes[1] == ()


def test_refuses_an_image_of_several_files(tmp_path: Path, secret: Path, monkeypatch):
    path = Path(image_in(tmp_path / "scenes", "tif"))
    with_sidecars(path, secret)
    real = rasterio.open
    monkeypatch.setattr(gdal_opening.rasterio, "open", lambda _, **more: real(path, **more))
    monkeypatch.setattr(gdal_opening, "raster_environment", rasterio.Env)
    with pytest.raises(RequestError, match="consists of several files"):
        gdal_opening.open_gdal(str(path), "x")


# links that lead out of the folders


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (item,) = write_scenes(tmp_path_factory.mktemp("made"), count=1, side=64)
    return write_safe(item, tmp_path_factory.mktemp("safe") / "S2.SAFE")


@pytest.fixture
def copied(product: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(product, tmp_path / "scenes" / "S2.SAFE"))


def move_out(path: Path, outside: Path) -> None:
    """Replace a file by a link to its copy outside the folder."""
    outside.mkdir(exist_ok=True)
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


def resolved(product: Path, gate: Gate) -> None:
    request = request_of({"source": files({"safe": str(product)}), "product": {"bands": ["red"]}})
    resolve(request.spec, ("red",), gate)


@pytest.mark.parametrize("pattern", ["MTD_MSIL2A.xml", "*_B04_10m.jp2"])
def test_a_link_in_a_product_cannot_lead_out_of_the_folders(copied: Path, tmp_path: Path, pattern: str):
    gate = own_folders([tmp_path / "scenes"])
    resolved(copied, gate)
    move_out(next(copied.rglob(pattern)), tmp_path / "outside")
    with pytest.raises(RequestError, match="is outside the folders"):
        resolved(copied, gate)
    resolved(copied, own_machine(tmp_path))


def test_lists_a_product_whose_metadata_are_outside_the_folders_with_an_error(copied: Path, tmp_path: Path):
    move_out(next(copied.rglob("MTD_MSIL2A.xml")), tmp_path / "outside")
    listed = scenes_below(own_folders([tmp_path / "scenes"]))
    assert listed.scenes == []
    assert "is outside the folders" in listed.unreadable[0].reason


@pytest.mark.parametrize("kind", ["image", "folder"])
def test_does_not_follow_a_link_that_appears_after_the_check(tmp_path: Path, secret: Path, kind: str):
    folder = tmp_path / "scenes" / "inner"
    folder.parent.mkdir()
    path = Path(image_in(folder, "tif"))
    gate = own_folders([tmp_path / "scenes"])
    admitted = gate.admit(str(path), "x")
    if kind == "image":
        path.unlink()
        path.symlink_to(secret)
    else:
        shutil.copy(secret, secret.with_name("scene.tif"))
        folder.rename(tmp_path / "away")
        folder.symlink_to(secret.parent)
    headers = Headers(gate)
    with pytest.raises(RequestError, match="is outside the folders"):
        headers.read(admitted, 1, "x")
    with pytest.raises(RequestError, match="is outside the folders"):
        open_file(admitted, Client(gate).gate)


def test_gdal_reads_the_checked_file_although_the_path_changes(tmp_path: Path, secret: Path, monkeypatch):
    path = Path(image_in(tmp_path / "scenes", "tif"))
    gate = own_folders([tmp_path / "scenes"])
    check = Gate.admit_opened

    def swapped(self: Gate, real: str, opened: str) -> None:
        check(self, real, opened)
        path.unlink(missing_ok=True)
        path.symlink_to(secret)

    monkeypatch.setattr(Gate, "admit_opened", swapped)
    with Headers(gate) as headers:
        image, _ = headers.read(str(path), 1, "x")
        assert np.array_equal(image.dataset.read(1), noise(64, 64))


def test_refuses_special_files_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.tif")
    for path, sentence in (("pipe.tif", "is not a file"), ("", "is not a file"), ("none.tif", "there is no file")):
        with pytest.raises(RequestError, match=sentence):
            open_file(str(tmp_path / path), None)
