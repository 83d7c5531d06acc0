"""`--area FILE`: the area of a request from vector files of all formats that the page accepts."""

import json
from pathlib import Path

import pytest
import shapely
from mosaic_crds.area import MOST_POSITIONS
from mosaic_crds.errors import RequestError
from mosaic_crds.names import API_VERSION
from mosaic_worker.cli.areas import read_area
from mosaic_worker.cli.requests import read_request
from rasterio.warp import transform

from support.api.dataset_files import ORIGIN, feature, geojson, geotiff, shapefile, vectors

REQUEST = f"""
apiVersion: {API_VERSION}
kind: MosaicRequest
metadata: {{name: test}}
spec:
  area: {{bbox: [1, 2, 3, 4]}}
  source: {{stac: {{url: "https://example.org", collection: c, datetime: "2024-07-01"}}}}
  product: {{index: NDVI}}
"""


def lakes() -> shapely.MultiPolygon:
    """The polygons of `dataset_files.vectors`, projected from UTM zone 9 to degrees."""
    x, y = ORIGIN

    def box(left: float) -> shapely.Polygon:
        xs, ys = [left, left + 1000, left + 1000, left], [y - 1000, y - 1000, y, y]
        return shapely.Polygon(zip(*transform("EPSG:32609", "EPSG:4326", xs, ys), strict=True))

    return shapely.MultiPolygon([box(x), box(x + 2000)])


def area(path: Path) -> shapely.Geometry:
    return shapely.geometry.shape(read_area(path)["geometry"])


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["gpkg", "zip", "shp", "geojson"])
def test_reprojects_the_polygons_of_a_projected_file(tmp_path: Path, kind: str):
    if kind == "zip":
        path = written(tmp_path / "lakes.zip", shapefile(tmp_path / "made"))
    elif kind == "shp":
        path = vectors(tmp_path / "lakes.shp", "ESRI Shapefile")
    elif kind == "gpkg":
        path = vectors(tmp_path / "lakes.gpkg", "GPKG")
    else:  # GeoJSON with a CRS, as before RFC 7946
        x, y = ORIGIN
        boxes = [shapely.box(left, y - 1000, left + 1000, y) for left in (x, x + 2000)]
        document = json.loads(geojson(*map(feature, boxes)))
        document["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32609"}}
        path = written(tmp_path / "lakes.geojson", json.dumps(document).encode())
    found = area(path)
    assert found.symmetric_difference(lakes()).area < 1e-5 * lakes().area


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lake.csv", b'id,wkt\n1,"POLYGON ((-128 51, -127 51, -127 52, -128 52, -128 51))"\n'),
        ("lake.geojsonl", json.dumps(feature(shapely.box(-128, 51, -127, 52))).encode() * 2),
    ],
)
def test_reads_tables_and_sequences(tmp_path: Path, name: str, content: bytes):
    content = content.replace(b"}{", b"}\n{")
    assert area(written(tmp_path / name, content)).equals(shapely.box(-128, 51, -127, 52))


def test_refuses_features_that_are_not_polygons(tmp_path: Path):
    path = written(tmp_path / "a.csv", b'wkt\n"POLYGON ((0 0, 1 0, 1 1, 0 0))"\nPOINT (1 2)\n')
    with pytest.raises(RequestError, match=r"has features that are not polygons \(1\)"):
        read_area(path)


def test_reads_kml(tmp_path: Path):
    path = vectors(tmp_path / "lakes.kml", "KML", crs="EPSG:4326")
    boxes = shapely.MultiPolygon([shapely.box(-127.5, 51.0, -127.4, 51.1), shapely.box(-127.3, 51.0, -127.2, 51.1)])
    assert area(path).equals(boxes)


def test_geojson_in_wgs84_keeps_all_digits(tmp_path: Path):
    west = -127.123456789012
    path = written(tmp_path / "lake.json", json.dumps(feature(shapely.box(west, 51, -127, 52))).encode())
    assert area(path).bounds == (west, 51, -127, 52)


def test_the_area_of_a_file_replaces_the_area_of_the_request(tmp_path: Path):
    request = written(tmp_path / "request.yaml", REQUEST.encode())
    path = written(tmp_path / "lake.geojson", geojson(feature(shapely.box(-128, 51, -127, 52))))
    assert read_request(request).spec.area.bbox == [1, 2, 3, 4]
    found = read_request(request, path).spec.area
    assert found.bbox is None
    assert shapely.geometry.shape(found.geometry.model_dump()).equals(shapely.box(-128, 51, -127, 52))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.geojson", geojson(feature(shapely.Point(1, 2))), "it has a Point, which has no area; give only polygons"),
        ("a.geojson", b'{"type": "FeatureCollection", ', "the GeoJSON cannot be read"),
        ("a.tif", geotiff(), r"is an image \(GeoTIFF\); an area needs a file of polygons"),
        ("a.txt", b"nothing", "unsupported format"),
    ],
)
def test_names_a_file_without_polygons_in_the_error(tmp_path: Path, name: str, content: bytes, message: str):
    path = written(tmp_path / name, content)
    with pytest.raises(RequestError, match=f"^{path}:? {message}"):
        read_area(path)


def test_names_a_missing_file_in_the_error(tmp_path: Path):
    with pytest.raises(RequestError, match=f"file {tmp_path / 'a.gpkg'} not found"):
        read_area(tmp_path / "a.gpkg")


def test_names_both_files_in_the_error_about_too_many_positions(tmp_path: Path):
    request = written(tmp_path / "request.yaml", REQUEST.encode())
    circle = shapely.Point(10, 50).buffer(1, quad_segs=MOST_POSITIONS // 4 + 1)
    path = written(tmp_path / "circle.geojson", geojson(feature(circle)))
    with pytest.raises(RequestError, match=f"^{request} with the area of {path}: .*at most 10,000 positions"):
        read_request(request, path)
