"""Vector files of all supported formats: features with geometries and attributes, and messages about mistakes."""

import codecs
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from mosaic_api.datasets.reader.formats import HEAD_BYTES, format_of
from mosaic_api.datasets.reader.vectors import take_vectors
from mosaic_crds.errors import RequestError
from rasterio.warp import transform
from test_datasets import keep

from support.api.dataset_files import feature, geojson, shapefile, vectors, zipped


def read(tmp_path: Path, content: bytes) -> list[dict[str, Any]]:
    """The features of a file, as the page receives them."""
    kind = format_of(content[:HEAD_BYTES])
    path, display = tmp_path / f"original{kind.suffix}", tmp_path / "display.geojson"
    path.write_bytes(content)
    take_vectors(path, "one", kind, display)
    return json.loads(display.read_text(encoding="utf-8"))["features"]


def places(features: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [tuple(each["geometry"]["coordinates"]) for each in features]


VICTORIA, FIJI = (-123.365, 48.4284), (179.5, -17.25)
TWO = [VICTORIA, FIJI]


@pytest.mark.parametrize(
    "text",
    [
        "name,lon,lat\nVictoria,-123.365,48.4284\nFiji,179.5,-17.25\n",
        "Latitude;Longitude;name\n48.4284;-123.365;Victoria\n-17.25;179.5;Fiji",
        "LATITUDE (°);LONGITUDE (°);name\n48,4284;-123,365;Victoria\n-17,25;179,5;Fiji\n",
        'name,lng,lat\nVictoria,"-123.365","48.4284"\n\nFiji, 179.5 ,-17.25,\n',
        "name\tdecimalLatitude\tdecimalLongitude\nVictoria\t48.4284\t-123.365\nFiji\t-17.25\t179.5\n",
        "gps_lat,gps_lon,name\n48.4284,-123.365,Victoria\n-17.25,179.5,Fiji\n",
        "name,latitude_deg,longitude_deg\nVictoria,48.4284,-123.365\nFiji,-17.25,179.5\n",
        "X|Y|name\r\n-123.365|48.4284|Victoria\r\n1.795e2|\N{MINUS SIGN}17.25|Fiji\r\n",
        "sep=;\nname;x;y\nVictoria;-123.365;48.4284\nFiji;179.5;-17.25\n",
        'name,WKT\nVictoria,POINT (-123.365 48.4284)\nFiji,"POINT Z(179.5 -17.25 12)"\n',
        "name;geom\nVictoria;POINT(-123.365 48.4284)\nFiji;point(179.5 -17.25)\n",
        "name,geometry,lon,lat\nVictoria,somewhere,-123.365,48.4284\nFiji,elsewhere,179.5,-17.25\n",
    ],
    ids=["comma", "semicolon", "decimal comma", "quoted", "tab", "gps", "deg", "bar", "sep", "wkt", "geom", "no wkt"],
)
def test_each_row_of_a_table_becomes_a_feature(tmp_path: Path, text: str):
    for content in (text.encode(), codecs.BOM_UTF8 + text.encode(), text.encode("utf-16")):
        features = read(tmp_path, content)
        assert places(features) == [pytest.approx(place) for place in TWO]
        assert [each["properties"]["name"] for each in features] == ["Victoria", "Fiji"]


def test_reads_a_table_in_windows_1252(tmp_path: Path):
    (only,) = read(tmp_path, "name,lon,lat\nÉlan € nord,1,2\n".encode("cp1252"))
    assert only["properties"]["name"] == "Élan € nord"


def test_columns_of_a_table_become_numbers_if_all_values_are(tmp_path: Path):
    text = "id;depth;code;name;lon;lat\n1;1,5;007;a;1;2\n2;;08;5;3;4\n3;2;9;c;;\n"
    features = read(tmp_path, text.encode())
    assert [each["properties"] for each in features] == [
        {"id": 1, "depth": 1.5, "code": "007", "name": "a", "lon": 1, "lat": 2},
        {"id": 2, "depth": None, "code": "08", "name": "5", "lon": 3, "lat": 4},
    ]


def test_wkt_in_a_table_may_have_a_coordinate_system(tmp_path: Path):
    (only,) = read(tmp_path, b"id,wkt\n1,SRID=32609;POINT (600000 5700000)\n")
    (x,), (y,) = transform("EPSG:32609", "EPSG:4326", [600_000], [5_700_000])
    assert places([only]) == [pytest.approx((x, y), abs=1e-7)]


def test_reads_long_polygons_in_a_table(tmp_path: Path):
    circle = shapely.Point(10, 50).buffer(1, quad_segs=5000)
    (only,) = read(tmp_path, f'id,wkt\n1,"{circle.wkt}"\n'.encode())
    assert shapely.geometry.shape(only["geometry"]).symmetric_difference(circle).area < 1e-6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "name,lat,depth\na,1,2\n",
            "no columns of coordinates: name them lon and lat, .* 'name', 'lat', 'depth'",
        ),
        ("Hello, world", "no columns of coordinates"),
        ("name,lon,lat\na,1,2\nb,x,2\n", "line 3: lon is 'x', which is not a number"),
        ("name,lon,lat\na,1,48°26'\n", "line 2: lat is .*, which is not a number; .* decimal degrees"),
        (
            "name,x,y\na,600000,5700000\n",
            "line 2: x is '600000', which is beyond 360 degrees; a CSV has no",
        ),
        ("lon,lat\n-123,4,48,5\n", "line 2 has 4 values, and the first line names 2 columns; put quotes"),
        ("sep=;\nlon;lat\n1;x\n", "line 3: lat"),
        ("id,wkt\n1,POINT (1 2)\n2,POINT 1 2\n", "line 3: 'POINT 1 2' is not WKT"),
        ("id,wkt\n1,POINT (1 2)\n2,POINT (1 2 x)\n", "line 3: the WKT 'POINT .1 2 x.' is invalid"),
        ("id,wkt\n1,SRID=4326;POINT (1 2)\n2,SRID=3857;POINT (1 2)\n", "several SRIDs"),
        ("id,wkt\n1,SRID=999999;POINT (1 2)\n", "the coordinate system of the layer 'one' is not supported"),
        ("lon,lat\n", "no feature has a geometry"),
        ('lon,lat,t\n1,2,"' + "x" * 17_000_000, "the CSV cannot be read: field larger than"),
    ],
)
def test_names_the_line_of_a_mistake_in_a_table(tmp_path: Path, text: str, reason: str):
    with pytest.raises(RequestError, match=reason):
        read(tmp_path, text.encode())


RECORDS = [feature(shapely.Point(place), name=name, more={"a": [1]}) for name, place in zip("ab", TWO, strict=True)]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(map(json.dumps, RECORDS)).encode(),
        "\r\n\r\n".join(map(json.dumps, RECORDS)).encode() + b"\r\n",
        codecs.BOM_UTF8 + "\n".join(map(json.dumps, RECORDS)).encode(),
        b"".join(b"\x1e" + json.dumps(each, indent=2).encode() + b"\n" for each in RECORDS),
        "\n".join(json.dumps({"type": "FeatureCollection", "features": [each]}) for each in RECORDS).encode(),
        "\n".join(json.dumps(each | {"id": "x" * 2 * HEAD_BYTES}) for each in RECORDS).encode(),
    ],
    ids=["lines", "crlf", "mark", "rfc 8142", "collections", "long lines"],
)
def test_reads_a_sequence_of_geojson(tmp_path: Path, content: bytes):
    features = read(tmp_path, content)
    assert places(features) == [pytest.approx(place) for place in TWO]
    assert [each["properties"] for each in features] == [{"name": name, "more": '{"a": [1]}'} for name in "ab"]


def test_reads_a_sequence_of_geometries_and_features_without_geometry(tmp_path: Path):
    lines = [{"type": "Point", "coordinates": [1, 2, 3]}, {"type": "Feature", "geometry": None, "properties": None}]
    assert places(read(tmp_path, "\n".join(map(json.dumps, lines)).encode())) == [(1, 2)]


def test_geojson_on_several_lines_is_not_a_sequence(tmp_path: Path):
    for content in (json.dumps(RECORDS[0], indent=2), json.dumps(RECORDS[0]) + "\n", "\n" + json.dumps(RECORDS[0])):
        assert places(read(tmp_path, content.encode())) == [pytest.approx(VICTORIA)]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (b'{"type": "Point", "coordinates": [1, 2', "line 2 is not JSON"),
        (b'{"type": "Topology"}', "line 2 is not GeoJSON"),
        (b'{"type": "Point", "coordinates": ["a", 2]}', "line 2 has an invalid geometry"),
        (b'{"type": "Feature", "geometry": 5}', "line 2 has a geometry that is not an object"),
        (b'{"type": "Feature", "properties": {"a": ' + b"[" * 200 + b"]" * 200 + b"}}", "line 2.*64 levels"),
        (b'{"type": "Point", "coordinates": [1, 95]}', "latitudes beyond 90 degrees"),
    ],
)
def test_names_the_line_of_a_mistake_in_a_sequence(tmp_path: Path, second: bytes, reason: str):
    with pytest.raises(RequestError, match=reason):
        read(tmp_path, b'{"type": "Point", "coordinates": [1, 2]}\n' + second)


GPX = b"""<?xml version="1.0"?>
<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">
<wpt lat="48.4284" lon="-123.365"><ele>12.5</ele><name>camp</name></wpt>
<rte><name>way</name><rtept lat="1" lon="2"/><rtept lat="2" lon="3"/></rte>
<trk><name>walk</name><trkseg><trkpt lat="48" lon="-123"/><trkpt lat="49" lon="-122"/></trkseg>
<trkseg><trkpt lat="50" lon="-121"/><trkpt lat="51" lon="-120"/></trkseg></trk></gpx>"""


def test_reads_waypoints_routes_and_tracks_of_gpx_once(tmp_path: Path):
    features = read(tmp_path, GPX)
    assert [(each["layer"], each["properties"]["name"]) for each in features] == [
        ("waypoints", "camp"),
        ("routes", "way"),
        ("tracks", "walk"),
    ]
    assert features[0]["properties"]["ele"] == 12.5
    assert [each["geometry"]["coordinates"] for each in features] == [
        [-123.365, 48.4284],
        [[2, 1], [3, 2]],
        [[[-123, 48], [-122, 49]], [[-121, 50], [-120, 51]]],
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GPX[:300], "the GPX cannot be read"),
        (GPX.replace(b"?>\n", b'?><!DOCTYPE gpx [<!ENTITY a "b">]>', 1), "the GPX cannot be read"),
        (b"<x><gpx></gpx></x>", "the XML is not GPX"),
        (
            b'<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1"></gpx>',
            "no feature has a geometry",
        ),
    ],
    ids=["cut", "entities", "root", "empty"],
)
def test_refuses_invalid_gpx(tmp_path: Path, content: bytes, reason: str):
    with pytest.raises(RequestError, match=reason):
        read(tmp_path, content)


def made(tmp_path: Path, driver: str, suffix: str) -> bytes:
    crs = "EPSG:32609" if driver == "GPKG" else "EPSG:4326"
    return vectors(tmp_path / f"lakes{suffix}", driver, crs).read_bytes()


@pytest.mark.parametrize(
    ("driver", "suffix", "members"),
    [
        ("KML", ".kml", ["doc.kml", "files/icon.png"]),
        ("KML", ".kml", ["files/icon.png", "doc.kml"]),
        ("GPKG", ".gpkg", ["README.csv", "data/lakes.gpkg", "__MACOSX/data/._lakes.gpkg"]),
        ("GeoJSON", ".geojson", ["lakes.JSON", "notes.txt"]),
    ],
)
def test_reads_files_in_a_zip_by_their_format(tmp_path: Path, driver: str, suffix: str, members: list[str]):
    content = made(tmp_path, driver, suffix)
    packed = {name: content if name.lower().endswith((suffix, ".json")) else b"lon,lat\n" for name in members}
    features = read(tmp_path, zipped(packed))
    alone = tmp_path / "alone"
    alone.mkdir()
    expected = read(alone, content)
    assert len(features) == 2
    assert [each["geometry"] for each in features] == [each["geometry"] for each in expected]
    assert [each["properties"] for each in features] == [each["properties"] for each in expected]


def test_reads_a_table_in_a_zip(tmp_path: Path):
    (point,) = read(tmp_path, zipped({"a.csv": b"lon,lat\n1,2\n"}))
    assert (point["layer"], point["geometry"]["coordinates"]) == ("a", [1, 2])


def test_prefers_a_shapefile_in_a_zip(tmp_path: Path):
    folder = tmp_path / "shp"
    shapefile(folder)
    (folder / "table.csv").write_text("lon,lat\n1,2\n")
    features = read(tmp_path, zipped({path.name: path.read_bytes() for path in folder.iterdir()}))
    assert {each["layer"] for each in features} == {"lakes"}


def test_a_shp_without_its_other_parts_explains_what_to_upload(tmp_path: Path):
    path = vectors(tmp_path / "lakes.shp", "ESRI Shapefile")
    with pytest.raises(RequestError, match=r"upload a zip with its \.shp, \.shx, \.dbf and \.prj"):
        read(tmp_path, path.read_bytes())


def test_checks_a_geopackage_in_a_zip(tmp_path: Path):
    import sqlite3

    path = vectors(tmp_path / "x.gpkg", "GPKG")
    with sqlite3.connect(path) as database:
        database.execute("CREATE VIEW v AS SELECT 1")
    database.close()
    with pytest.raises(RequestError, match="only tables are read"):
        read(tmp_path, zipped({"x.gpkg": path.read_bytes()}))


def test_polygons_across_the_antimeridian_keep_their_shape(tmp_path: Path):
    path = tmp_path / "zone60.gpkg"
    box = shapely.box(700_000, 2_000_000, 1_000_000, 2_100_000)
    pyogrio.raw.write(path, shapely.to_wkb([box]), [], [], driver="GPKG", crs="EPSG:32660", geometry_type="Polygon")
    (only,) = read(tmp_path, path.read_bytes())
    west, _, east, _ = shapely.geometry.shape(only["geometry"]).bounds
    (left, right), _ = transform("EPSG:32660", "EPSG:4326", [700_000, 1_000_000], [2_000_000, 2_000_000])
    assert (west, east) == pytest.approx((left, right + 360), abs=0.05)


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (b"name,lon,lat\nVictoria,-123.365,48.4284\n", "places.csv", "text/csv"),
        (GPX, "walk.gpx", "application/gpx+xml"),
        ("\n".join(map(json.dumps, RECORDS)).encode(), "a.geojsonl", "application/geo+json-seq"),
    ],
)
def test_stores_each_format_unchanged_and_shows_it(laptop: TestClient, content: bytes, name: str, media_type: str):
    answer = laptop.post("/api/v1/datasets", data={"kind": "vector", "name": "one"}, files={"file": (name, content)})
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert dataset["files"]["original"]["media_type"] == media_type
    original = laptop.get(f"/api/v1/datasets/{dataset['id']}/files/original")
    assert (original.content, original.headers["content-type"].split(";")[0]) == (content, media_type)
    (first, *_) = laptop.get(f"/api/v1/datasets/{dataset['id']}/features").json()["features"]
    assert first["geometry"]["coordinates"] == list(VICTORIA)


def test_reads_a_zip_in_the_child_process(laptop: TestClient, tmp_path: Path):
    dataset = keep(laptop, zipped({"doc.kml": made(tmp_path, "KML", ".kml")}), kind="vector")
    assert dataset["files"]["original"]["media_type"] == "application/vnd.google-earth.kmz"
    assert np.allclose(dataset["bounds"], [-127.5, 51.0, -127.2, 51.1])
    refused = keep(laptop, geojson(feature(shapely.Point(1, 1)))[:-2], 422, kind="vector")
    assert "GeoJSON" in refused["detail"]


@pytest.mark.parametrize("crs", [None, {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}])
def test_reads_geojson_with_members_that_rfc_7946_removed(tmp_path: Path, crs: Any):
    collection = {"type": "FeatureCollection", "bbox": [0, 0, 1, 1], "crs": crs, "features": RECORDS}
    assert places(read(tmp_path, json.dumps(collection).encode())) == [pytest.approx(place) for place in TWO]


def test_reports_features_that_cannot_be_projected(tmp_path: Path):
    path = tmp_path / "site.gpkg"
    site = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    shape = [shapely.box(0, 0, 1, 1)]
    pyogrio.raw.write(path, shapely.to_wkb(shape), [], [], driver="GPKG", crs=site, geometry_type="Polygon")
    with pytest.raises(RequestError, match=r"no feature of the layer 'site' can be projected to EPSG:4326"):
        read(tmp_path, path.read_bytes())


@pytest.mark.parametrize("between", ["", " ", ",\n", "\n\n,", "]"])
def test_refuses_content_after_the_first_object_of_geojson(tmp_path: Path, between: str):
    one = json.dumps(feature(shapely.Point(VICTORIA)), indent=1)
    last = len(one.splitlines())
    with pytest.raises(RequestError, match=f"more follows after the end of the first JSON object, in line {last};"):
        read(tmp_path, (one + between + one + "\n").encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"type": "Feature", ', "the GeoJSON cannot be read: line 1, column 20: Expecting property name"),
        (b'{"a": 1}', "the GeoJSON cannot be read: it has another structure, or is damaged$"),
        (b'[{"type": "Feature"}, {"type": "Feature"}]', "the JSON is a list, and GeoJSON is one object"),
        ('{"type": "Feature", "a": 1}'.encode("utf-16"), "this is in UTF-16; save it as UTF-8$"),
        (b'{"type": "Point", "coordinates": [1, 2]}\n{"type": }\n', r"line 2 is not JSON \(Expecting value\)$"),
    ],
    ids=["cut", "other JSON", "list", "UTF-16", "line"],
)
def test_reports_why_text_is_not_geojson(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(RequestError, match=message):
        read(tmp_path, content)


def test_reads_a_table_with_tabs_in_a_zip(tmp_path: Path):
    content = zipped({"places.tsv": b"lon\tlat\n-123.365\t48.4284\n179.5\t-17.25\n"})
    assert places(read(tmp_path, content)) == TWO
