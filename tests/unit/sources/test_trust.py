"""What requests, Items and servers must not make a pod do: open other files, contact other hosts, reveal secrets."""

import json
import socket
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import MosaicError, RequestError
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.remote_files import RemoteFiles
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.gdal_raster import GdalRaster
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.opening import open_raster
from mosaic_worker.sources.readers.reading import read_window
from mosaic_worker.sources.readers.remote_raster import RemoteRaster
from mosaic_worker.sources.resolve import resolve
from rasterio.errors import RasterioIOError

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RequestLog, serving


def item(href: str) -> dict[str, Any]:
    """An Item with the given href for its band red."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "SCENE",
        "geometry": {"type": "Point", "coordinates": [15, 45]},
        "bbox": [15, 45, 15, 45],
        "properties": {"datetime": "2024-07-01T10:00:00Z"},
        "links": [],
        "assets": {"red": {"href": href}},
    }


def in_the_request(href: str, folder: Path, address: str) -> dict[str, Any]:
    return {"bands": {"red": href}}


def as_the_mask(href: str, folder: Path, address: str) -> dict[str, Any]:
    write_raster(folder / "good.tif", noise(10, 10))
    return {"bands": {"red": f"http://{address}/good.tif"}, "mask": {"href": href, "values": "zero"}}


def as_the_item(href: str, folder: Path, address: str) -> dict[str, Any]:
    return {"item": href}


def in_an_item(href: str, folder: Path, address: str) -> dict[str, Any]:
    (folder / "item.json").write_text(json.dumps(item(href)))
    return {"item": f"http://{address}/item.json"}


PLACES = (in_the_request, as_the_mask, as_the_item, in_an_item)
Place = Callable[[str, Path, str], dict[str, Any]]


def refused(href: str, place: Place, folder: Path, hosts: str = "") -> tuple[str, list[str]]:
    """The error of a pod about a reference, and the requests that the server received."""
    log = RequestLog()
    folder.mkdir(exist_ok=True)
    with serving(folder, log) as address:
        scene = place(href.replace("{}", address), folder, address)
        log.requests.clear()
        spec = request_of({"source": files(scene), "product": {"bands": ["red"]}}).spec
        with pytest.raises(RequestError) as caught:
            resolve(spec, ("red",), pod(hosts or address))
    assert str(caught.value).startswith("spec.source.files.scenes[0]")
    return str(caught.value), [path for path in log.paths if path not in {"/item.json", "/good.tif"}]


NAMES = {"<VRTDataset rasterXSize='1' rasterYSize='1'/>", '{"file": 1}', "/etc/passwd", "../../etc/passwd"}
"""In a remote Item these are relative URLs of its server, which has no such files."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "href",
    [
        "/vsicurl/http://{}/a.tif",
        "/vsicurl?url=http%3A%2F%2F{}%2Fa.tif",
        "/vsis3/bucket/a.tif",
        "/vsigs/bucket/a.tif",
        "/vsiaz/bucket/a.tif",
        "/vsizip/{}/a.zip/a.tif",
        "/vsitar//vsicurl/http://{}/a.tar/a.tif",
        "/vsimem/a.tif",
        "/vsistdin/",
        "vrt:///etc/passwd?outsize=10,10",
        "vrt://http://{}/a.tif",
        "GDAL:/vsicurl/http://{}/a.tif",
        "VRT:http://{}/a.tif",
        "GTIFF_DIR:1:/etc/passwd",
        "GTIFF_DIR:off:8:http://{}/a.tif",
        "NETCDF:http://{}/a.nc:band",
        "WMS:http://{}/wms?SERVICE=WMS",
        "PG:host=10.0.0.1",
        "STACIT:http://{}/item.json",
        "JPEG_SUBFILE:0,10,/etc/passwd",
        "<VRTDataset rasterXSize='1' rasterYSize='1'/>",
        '{"file": 1}',
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "s3://bucket/a.tif",
        "ftp://{}/a.tif",
        "gopher://{}/a.tif",
        "http://user:secret@{}/a.tif",
        "http://{}@10.0.0.1/a.tif",
        "http://127.0.0.1:1/a.tif",
        "http://2130706433/a.tif",
        "http://0x7f000001/a.tif",
        "http://0177.0.0.1/a.tif",
        "http://[::1]/a.tif",
        "http://[::ffff:127.0.0.1]/a.tif",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.google.internal/a",
    ],
)
def test_references_of_other_kinds_open_no_file_and_no_connection(tmp_path, href, place):
    sentence, log = refused(href, place, tmp_path / "served")
    if place is in_an_item and href in NAMES:
        assert "the server answered 404" in sentence
    else:
        assert log == []
    assert "secret" not in sentence


@pytest.mark.parametrize("place", [in_the_request, as_the_mask, in_an_item])
@pytest.mark.parametrize("hosts", ["{}", "{},*"])
@pytest.mark.parametrize("name", ["a.vrt", "a.tif", "a.xml"])
@pytest.mark.parametrize(
    "content",
    [
        """<VRTDataset rasterXSize='10' rasterYSize='10'><VRTRasterBand dataType='UInt16' band='1'><SimpleSource>
        <SourceFilename>/vsicurl/http://{}/inner.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>""",
        "<GDAL_WMS><Service name='TMS'><ServerUrl>http://{}/inner.tif</ServerUrl></Service></GDAL_WMS>",
        '{"type": "FeatureCollection"}',
    ],
    ids=["VRT", "WMS", "JSON"],
)
def test_refuses_a_file_that_refers_to_others_whatever_its_name(tmp_path, content, name, hosts, place):
    served = tmp_path / "served"
    write_raster(served / "inner.tif", noise(10, 10))
    log = RequestLog()
    with serving(served, log) as address:
        (served / name).write_text(content.replace("{}", address))
        scene = place(f"http://{address}/{name}", served, address)
        spec = request_of({"source": files(scene), "product": {"bands": ["red"]}}).spec
        with pytest.raises(RequestError, match="is not a GeoTIFF, JPEG 2000 or PNG image, or is damaged"):
            resolve(spec, ("red",), pod(hosts.replace("{}", address)))
    assert set(log.paths) <= {f"/{name}", "/item.json", "/good.tif"}


@pytest.mark.parametrize("prefix", ["/vsicurl/", "/vsicurl_streaming/", "/vsicurl?url="])
def test_gdal_makes_no_network_request_whatever_its_options(prefix):
    with socket.create_server(("127.0.0.1", 0)) as listening, raster_environment():
        listening.setblocking(False)
        with rasterio.Env(GDAL_HTTP_TIMEOUT="2", GDAL_HTTP_CONNECTTIMEOUT="2"), pytest.raises(RasterioIOError):
            rasterio.open(f"{prefix}http://127.0.0.1:{listening.getsockname()[1]}/a.tif")
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_gdal_sees_one_file_and_cannot_write_to_it(tmp_path):
    write_raster(tmp_path / "a.tif", noise(10, 10))
    with serving(tmp_path) as address:
        raster = RemoteRaster(RemoteFiles(Client(pod(address))).get(f"http://{address}/a.tif"))
        assert raster.open("image", "rb").read(4) == b"II*\0"
        assert (raster.isfile("image"), raster.isfile("image.aux.xml"), raster.isdir("."), raster.ls(".")) == (
            True, False, False, [],
        )  # fmt: skip
        for name, mode in (("image.aux.xml", "rb"), ("a.tif", "rb"), ("image", "wb"), ("image", "r+b")):
            with pytest.raises(FileNotFoundError):
                raster.open(name, mode)
        for other in (raster.size, raster.rm):
            with pytest.raises(FileNotFoundError):
                other("image.aux.xml")


def test_a_server_fault_during_a_read_raises_an_error(tmp_path, monkeypatch):
    write_raster(tmp_path / "a.tif", noise(700, 700), tiled=True, blockxsize=256, blockysize=256)
    monkeypatch.setattr(GdalRaster, "fetch", lambda *_: None)  # would meet it first
    with serving(tmp_path) as address, closing(OpenSources(pod(address))) as sources:
        image = sources.get(f"http://{address}/a.tif", "x")
        (tmp_path / "a.tif").unlink()
        with pytest.raises(RequestError, match=r"^band red: the server answered 404 for http://.*/a\.tif$"):
            read_window(image, 1, Window(300, 300, 700, 700), "band red")


def test_requests_no_sidecar_files(tmp_path):
    write_raster(tmp_path / "a.tif", noise(10, 10))
    for name in ("a.tif.aux.xml", "a.aux.xml"):
        (tmp_path / name).write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    write_raster(tmp_path / "a.tif.ovr", noise(5, 5))
    write_raster(tmp_path / "a.tif.msk", noise(10, 10))
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    log = RequestLog()
    with serving(tmp_path, log) as address:
        files_at_servers = RemoteFiles(Client(pod(address)))
        image = open_raster(f"http://{address}/a.tif", "x", files_at_servers)
        assert image.dataset.crs.to_epsg() == 32633
        assert image.dataset.overviews(1) == []
        assert np.array_equal(image.dataset.read(1), noise(10, 10))
        image.close()
    assert set(log.paths) == {"/a.tif"}


def test_refuses_a_tiff_with_several_images(tmp_path):
    path = write_raster(tmp_path / "a.tif", noise(10, 10))
    write_raster(path, noise(10, 10), APPEND_SUBDATASET="YES")
    with (
        serving(tmp_path) as address,
        pytest.raises(RequestError, match="contains several datasets instead of one"),
    ):
        open_raster(f"http://{address}/a.tif", "x", RemoteFiles(Client(pod(address))))


def test_refuses_an_archive(tmp_path):
    write_raster(tmp_path / "a.tif", noise(10, 10))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "a.tif")
    with serving(tmp_path) as address, pytest.raises(RequestError, match="is not a GeoTIFF"):
        open_raster(f"http://{address}/a.zip", "x", RemoteFiles(Client(pod(address))))


def test_refuses_a_remote_file_that_refers_to_another_for_its_overviews(tmp_path):
    path = write_raster(tmp_path / "a.tif", noise(10, 10))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/vsicurl/http://169.254.169.254/a.tif")
    with serving(tmp_path) as address, pytest.raises(MosaicError, match="refers to another file"):
        open_raster(f"http://{address}/a.tif", "x", RemoteFiles(Client(pod(address))))
