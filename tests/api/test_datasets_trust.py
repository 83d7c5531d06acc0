"""Uploads are read by their content, within limits, and refused with a message that names the field."""

import io
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.datasets.reader.job import Job
from mosaic_api.datasets.reader.launcher import convert
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Invalid
from PIL import Image
from rasterio.transform import from_origin

from support.api.dataset_files import ORIGIN, feature, geojson, geotiff, picture, shapefile, vectors, zipped

KML = '<?xml version="1.0"?>{doctype}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def refused(client: TestClient, content: bytes | None, field: str | None, status: int = 422, **extra: Any) -> str:
    """The message with which a dataset is refused."""
    fields = {"kind": "image", "name": "one"} | extra
    if content is None:
        answer = client.post("/api/v1/datasets", json=fields)
    else:
        form = {name: str(value) for name, value in fields.items()}
        files = {"file": ("../../etc/passwd", content, "image/tiff")}
        answer = client.post("/api/v1/datasets", data=form, files=files)
    problem = answer.json()
    assert (answer.status_code, problem.get("field")) == (status, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/tmp" not in problem["detail"]
    assert client.get("/api/v1/datasets").json()["total"] == 0
    return problem["detail"]


def sparse(side: int) -> bytes:
    """A small file with very many pixels, of which none is stored."""
    profile: dict[str, Any] = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": side, "height": side}
    profile |= {"crs": "EPSG:32609", "transform": from_origin(*ORIGIN, 10, 10)}
    with rasterio.MemoryFile() as memory:
        rasterio.open(memory, "w", SPARSE_OK="TRUE", tiled=True, BIGTIFF="YES", **profile).close()
        return memory.read()


def png_of(width: int, height: int) -> bytes:
    """A small file whose header gives this size, with rows of zeros."""
    rows = zlib.compress(b"\0" * 1000, 9)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


VRT = b"""<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain text",
        VRT,
        b"\0" * 5000,
        b"<html><body>kml</body></html>",
        b"/vsicurl/http://127.0.0.1/x.tif",
        b"GDALG",
        b"SQLite format 3\0" + bytes(100),
    ],
    ids=["empty", "text", "vrt", "zeros", "html", "vsicurl", "gdalg", "sqlite"],
)
def test_refuses_unsupported_content_regardless_of_its_name(laptop: TestClient, content: bytes):
    assert "unsupported format" in refused(laptop, content, "file")


def test_the_kind_must_match_the_content(laptop: TestClient):
    assert "use the kind vector" in refused(laptop, geojson(feature(shapely.Point(1, 1))), "kind")
    assert "use the kind image" in refused(laptop, geotiff(), "kind", kind="vector")


def test_refuses_files_that_only_start_like_an_image(laptop: TestClient):
    for content in (b"II*\0" + os.urandom(3000), geotiff()[:2000], b"\0\0\0\x0cjP  \r\n\x87\n" + os.urandom(3000)):
        refused(laptop, content, "file")
    for content in (picture()[:100], picture(kind="JPEG")[:200], b"\x89PNG\r\n\x1a\n" + os.urandom(500)):
        refused(laptop, content, "file", west=1, south=1, east=2, north=2)


def test_images_need_a_georeference_or_corners(laptop: TestClient):
    assert "has no georeference" in refused(laptop, geotiff(crs=None), "file")
    assert "set west, south, east and north" in refused(laptop, picture(), "west")
    assert "a picture needs" in refused(laptop, picture(), "north", west=1, south=1, east=2)
    assert "less than north" in refused(laptop, picture(), "south", west=1, south=2, east=2, north=1)
    assert "the limits of web maps" in refused(laptop, picture(), "south", west=1, south=2, east=2, north=89)
    assert "remove the corners" in refused(laptop, geotiff(), "west", west=1, south=1, east=2, north=2)
    refused(laptop, picture(), "west", west=1, south=1, east=1, north=2)
    refused(laptop, picture(), "west", west="nan", south=1, east=1, north=2)
    refused(laptop, picture(), "east", west=1, south=1, east=200, north=2)


def test_refuses_complex_values_and_too_many_bands(laptop: TestClient):
    assert "complex" in refused(laptop, geotiff(np.zeros((1, 5, 5), np.complex64)), "file")
    assert "bands" in refused(laptop, geotiff(np.zeros((101, 5, 5), np.uint8)), "file")


def test_refuses_images_with_too_many_pixels(laptop: TestClient):
    assert "2,500,000,000 are allowed" in refused(laptop, sparse(60_000), "file")
    place = {"west": 1, "south": 1, "east": 2, "north": 2}
    assert "200,000,000 are allowed" in refused(laptop, png_of(20_000, 15_000), "file", **place)
    assert "200,000,000 are allowed" in refused(laptop, png_of(100_000, 100_000), "file", **place)


def test_refuses_an_image_that_refers_to_another_file(laptop: TestClient, tmp_path: Path):
    (tmp_path / "made.tif").write_bytes(geotiff())
    with rasterio.open(tmp_path / "made.tif", "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/etc/passwd")
    content = (tmp_path / "made.tif").read_bytes()
    assert b"/etc/passwd" in content
    assert "refers to another file" in refused(laptop, content, "file")


def test_refuses_zips_with_incomplete_shapefiles_or_paths_outside(laptop: TestClient, tmp_path: Path):
    made = {path: zipped({path: b"x"}) for path in ("../x.shp", "/etc/x.shp", "a/../../x.shp", "..\\x.shp")}
    for content in made.values():
        assert "leads out of it" in refused(laptop, content, "file", kind="vector")
    linked = zipped({"x.shp": b"/etc/passwd"}, links=("x.shp",))
    assert "leads out of it" in refused(laptop, linked, "file", kind="vector")
    assert "has no supported vector file" in refused(laptop, zipped({"x.txt": b"x"}), "file", kind="vector")
    assert "lacks its .shx" in refused(laptop, shapefile(tmp_path / "a", ".shx"), "file", kind="vector")
    assert "lacks its .prj" in refused(laptop, shapefile(tmp_path / "b", ".prj"), "file", kind="vector")
    broken = zipped({"x.shp": b"x", "x.shx": b"y", "x.dbf": b"z"})
    refused(laptop, broken, "file", kind="vector")
    refused(laptop, broken[:-30], "file", kind="vector")
    many = zipped({f"{number}.txt": b"" for number in range(1001)})
    assert "1001 members" in refused(laptop, many, "file", kind="vector")


def test_refuses_zip_bombs(laptop: TestClient):
    bomb = zipped({"x.shp": bytes(100_000_000), "x.shx": b"", "x.dbf": b""})
    assert len(bomb) < 200_000
    assert "far more than" in refused(laptop, bomb, "file", kind="vector")


def test_refuses_xml_with_entities(laptop: TestClient):
    entities = '<!DOCTYPE kml [<!ENTITY a "x"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    content = KML.format(doctype=entities, body="<name>&f;</name>").encode()
    assert "cannot be read" in refused(laptop, content, "file", kind="vector")


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "Topology", "objects": {}, "arcs": []}',
        b'{"type": "FeatureCollection", "features": [',
        b'{"type": "FeatureCollection", "features": []}',
        b'{"href": "/etc/passwd"}',
        b'{"type": "gdal_streamed_alg", "command_line": "gdal vector read /etc/passwd"}',
        geojson(feature(shapely.Point(500, 500))),
        KML.format(doctype="", body="<Placemark><name>nowhere</name></Placemark>").encode(),
        b"<x><kml></kml></x>",
    ],
    ids=["topojson", "cut", "empty", "json", "gdalg", "beyond", "placeless", "root"],
)
def test_refuses_vector_files_without_a_usable_feature(laptop: TestClient, content: bytes):
    refused(laptop, content, "file", kind="vector")


def test_does_not_run_sql_of_a_geopackage(laptop: TestClient, tmp_path: Path):
    path = vectors(tmp_path / "x.gpkg", "GPKG")
    with sqlite3.connect(path) as made:
        made.execute("CREATE VIEW wicked AS SELECT fid, geom, load_extension('/tmp/x.so') AS name FROM lakes")
        made.execute(
            "INSERT INTO gpkg_contents SELECT 'wicked', data_type, 'wicked', '', last_change, min_x, min_y, max_x, "
            "max_y, srs_id FROM gpkg_contents WHERE table_name = 'lakes'"
        )
        made.execute(
            "INSERT INTO gpkg_geometry_columns SELECT 'wicked', column_name, geometry_type_name, srs_id, z, m "
            "FROM gpkg_geometry_columns WHERE table_name = 'lakes'"
        )
    made.close()
    refused(laptop, path.read_bytes(), "file", kind="vector")


def test_validates_the_fields_of_a_dataset(laptop: TestClient):
    point = {"kind": "point", "longitude": 1, "latitude": 1}
    refused(laptop, None, "name", **point | {"name": "x" * 101})
    refused(laptop, None, "name", **point | {"name": " "})
    refused(laptop, None, "name", **point | {"name": "a\0b"})
    refused(laptop, None, "description", **point | {"description": "x" * 5001})
    refused(laptop, None, "longitude", **point | {"longitude": 181})
    refused(laptop, None, "latitude", **{name: point[name] for name in ("kind", "longitude")})
    refused(laptop, None, "west", **point | {"west": 1, "south": 1, "east": 2, "north": 2})
    refused(laptop, None, "colour", **point | {"colour": "red"})
    refused(laptop, None, "kind", kind="sound")
    refused(laptop, None, "file")
    refused(laptop, geotiff(), "file", **point)
    refused(laptop, geotiff(), "minimum", maximum=1)
    refused(laptop, geotiff(), "colormap", colormap="pink")
    bare = laptop.post("/api/v1/datasets", json={"kind": "point", "longitude": 1, "latitude": 1})
    assert (bare.status_code, bare.json()["field"]) == (422, "name")
    lone = laptop.post(
        "/api/v1/datasets",
        content=b'{"kind":"point","name":"\\ud800","longitude":1,"latitude":1}',
        headers={"Content-Type": "application/json"},
    )
    assert lone.status_code == 422


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "text/plain"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"", ""),
    ],
)
def test_refuses_bodies_that_are_not_a_form(laptop: TestClient, body: bytes, content_type: str):
    answer = laptop.post("/api/v1/datasets", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422, answer.text


def test_stops_uploads_that_become_too_large(settings: Settings):
    small = replace(settings, single_user=True, max_upload_bytes=2**20)
    content = b"II*\0" + bytes(3 * 2**20)

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield bytes(2**20)

    with TestClient(create_app(small), base_url="http://127.0.0.1:8080") as client:
        assert "larger than" in refused(client, content, None, 413)
        answer = client.post(
            "/api/v1/datasets", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert answer.status_code == 413
        inside = b"II*\0" + bytes(2**20)
        refused(client, inside, "file", 413)


def test_uploads_need_permission(laptop: TestClient, client):
    stranger = client().post("/api/v1/datasets", data={"name": "x"}, files={"file": ("a", b"x")})
    assert stranger.status_code == 401
    elsewhere = laptop.post(
        "/api/v1/datasets", data={"name": "x"}, files={"file": ("a", b"x")}, headers={"Origin": "https://evil.example"}
    )
    assert elsewhere.status_code == 403


def job(folder: Path, content: bytes, format_name: str, suffix: str, **limits: int) -> Job:
    (folder / f"original{suffix}").write_bytes(content)
    return Job(
        path=str(folder / f"original{suffix}"),
        name="one",
        format=format_name,
        max_pixels=10**9,
        display=str(folder / f"display{suffix}"),
        outcome=str(folder / "outcome.json"),
        **limits,
    )


def test_limits_memory_time_and_disk_of_reading_a_file(tmp_path: Path):
    content = geotiff(np.random.default_rng(0).random((1, 3000, 3000)))
    with pytest.raises(Invalid, match="memory"):
        convert(job(tmp_path, content, "GeoTIFF", ".tif", memory=150 * 2**20))
    with pytest.raises(Invalid, match=r"its display copy exceeds the remaining 1 MiB"):
        convert(job(tmp_path, content, "GeoTIFF", ".tif", bytes=2**20))
    with pytest.raises(Invalid, match="takes longer than the 0 s"):
        convert(job(tmp_path, content, "GeoTIFF", ".tif", seconds=0))


def test_the_reader_of_a_file_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MOSAIC_CENTRAL_TOKEN", "secret")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\n")
    (tmp_path / "python").chmod(0o700)
    with pytest.raises(Invalid):
        convert(job(tmp_path, geotiff(), "GeoTIFF", ".tif"))
    assert "secret" not in (tmp_path / "environment").read_text()


def test_limits_the_attributes_shown(laptop: TestClient):
    many = {f"f{number}": number for number in range(150)}
    content = geojson(feature(shapely.Point(1, 1), long="x" * 10_000, **many))
    dataset = laptop.post(
        "/api/v1/datasets", data={"kind": "vector", "name": "one"}, files={"file": ("a", content)}
    ).json()
    (shown,) = laptop.get(f"/api/v1/datasets/{dataset['id']}/features").json()["features"]
    assert len(shown["properties"]) == 100
    assert len(shown["properties"]["long"]) == 501


def test_rotates_a_picture_by_its_exif_orientation(laptop: TestClient):
    turned = Image.open(io.BytesIO(picture(64, 32, "JPEG")))
    exif = turned.getexif()
    exif[0x0112] = 3  # rotated by 180 degrees
    content = io.BytesIO()
    turned.save(content, "JPEG", exif=exif, quality=95)
    place = {"west": "0", "south": "0", "east": "2", "north": "1"}
    dataset = laptop.post(
        "/api/v1/datasets", data={"kind": "image", "name": "one"} | place, files={"file": ("a.jpg", content.getvalue())}
    ).json()
    bands = laptop.get(f"/api/v1/datasets/{dataset['id']}/point?lon=0.5&lat=0.5").json()["bands"]
    assert bands[2]["value"] > 200
