"""The area of a request from an uploaded file: its polygons in degrees, from all formats of uploads."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from fastapi.testclient import TestClient
from mosaic_api.datasets.reader.areas import take_area
from mosaic_api.datasets.reader.formats import HEAD_BYTES, format_of
from mosaic_api.datasets.reader.job import Outcome
from mosaic_crds.area import MOST_POSITIONS, Area
from mosaic_crds.errors import RequestError
from rasterio.warp import transform

from support.api.clients import Client
from support.api.dataset_files import ORIGIN, feature, geojson, geotiff, shapefile, vectors, zipped

LEFT, RIGHT = shapely.box(10, 40, 11, 41), shapely.box(13, 40, 14, 41)


def read(tmp_path: Path, content: bytes) -> Outcome:
    """The area of a file, as the child process reads it."""
    kind = format_of(content[:HEAD_BYTES])
    path = tmp_path / f"original{kind.suffix}"
    path.write_bytes(content)
    return take_area(path, "one", kind)


def area(tmp_path: Path, content: bytes) -> shapely.Geometry:
    """The area of a file, valid in a request."""
    footprint = read(tmp_path, content).footprint
    Area.model_validate({"geometry": footprint})
    found = shapely.geometry.shape(footprint)
    assert found.is_valid
    return found


def sent(client: TestClient, content: bytes, status: int = 200) -> dict[str, Any]:
    answer = client.post("/api/v1/areas", files={"file": ("a file", content)})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_geometry_a_feature_and_a_collection_are_areas(tmp_path: Path):
    geometry = shapely.geometry.mapping(LEFT)
    for document in (geometry, feature(LEFT), json.loads(geojson(feature(LEFT)))):
        assert area(tmp_path, json.dumps(document).encode()).equals(LEFT)


def test_reads_an_area_over_rest_and_stores_nothing(laptop: TestClient, tmp_path: Path):
    points = [feature(shapely.Point(number / 1000, 1), note="x" * 200) for number in range(6000)]
    content = geojson(*points, feature(LEFT))
    assert len(content) > 2**20  # larger than the limit of other bodies
    body = sent(laptop, content)
    assert shapely.geometry.shape(body["geometry"]).equals(LEFT)
    assert (body["bounds"], body["features"], body["left_out"]) == ([10, 40, 11, 41], 1, 6000)
    assert laptop.get("/api/v1/datasets").json()["total"] == 0
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_refuses_a_file_without_polygons_over_rest(laptop: TestClient):
    for content, reason in ((geotiff(), "a GeoTIFF has no polygons"), (geojson(), "it has no polygon")):
        body = sent(laptop, content, 422)
        assert (body["field"], reason in body["detail"], "/tmp" in body["detail"]) == ("file", True, False)


def test_merges_several_polygons_into_one_area(tmp_path: Path):
    apart = area(tmp_path, geojson(feature(LEFT), feature(RIGHT)))
    assert (apart.geom_type, len(apart.geoms)) == ("MultiPolygon", 2)
    assert apart.equals(shapely.MultiPolygon([LEFT, RIGHT]))
    touching = shapely.box(11, 40, 12, 41)
    together = area(tmp_path, geojson(feature(LEFT), feature(touching), feature(LEFT.buffer(0.1, join_style="mitre"))))
    assert together.equals(shapely.union_all([LEFT, touching, shapely.box(9.9, 39.9, 11.1, 41.1)]))


def test_counts_features_that_are_not_polygons_and_leaves_them_out(tmp_path: Path):
    collection = shapely.GeometryCollection([shapely.MultiPolygon([RIGHT]), shapely.Point(1, 1)])
    content = geojson(feature(LEFT), feature(shapely.Point(50, 50)), feature(collection), feature(LEFT.boundary))
    found = read(tmp_path, content)
    assert shapely.geometry.shape(found.footprint).equals(shapely.MultiPolygon([LEFT, RIGHT]))
    assert found.details == {"features": 2, "leftOut": 2}


@pytest.mark.parametrize("kind", ["GPKG", "ESRI Shapefile", "KML", "KMZ", "zipped GPKG", "CSV"])
def test_reads_areas_from_files_of_all_formats_and_coordinates(tmp_path: Path, kind: str):
    x, y = ORIGIN
    corners = [(x, y - 1000), (x + 1000, y - 1000), (x + 1000, y), (x, y)]
    boxes = [shapely.Polygon(corners), shapely.Polygon([(x + 2000, y) for x, y in corners])]
    inside = [np.array(transform("EPSG:32609", "EPSG:4326", *zip(*box.exterior.coords, strict=True))) for box in boxes]
    expected = shapely.MultiPolygon([shapely.Polygon(ring.T) for ring in inside])
    if kind in {"KML", "KMZ"}:
        expected = shapely.MultiPolygon(
            [shapely.box(-127.5, 51.0, -127.4, 51.1), shapely.box(-127.3, 51, -127.2, 51.1)]
        )
        content = vectors(tmp_path / "a.kml", "KML", "EPSG:4326").read_bytes()
        content = zipped({"doc.kml": content}) if kind == "KMZ" else content
    elif kind == "ESRI Shapefile":
        content = shapefile(tmp_path / "shp")
    elif kind == "CSV":
        content = ("wkt\n" + "\n".join(f'"SRID=32609;{box.wkt}"' for box in boxes)).encode()
    else:
        content = vectors(tmp_path / "a.gpkg", "GPKG").read_bytes()
        content = zipped({"data/a.gpkg": content}) if kind.startswith("zipped") else content
    found = area(tmp_path, content)
    assert found.symmetric_difference(expected).area < 1e-6 * expected.area


def test_long_edges_are_straight_in_the_coordinates_of_the_file(tmp_path: Path):
    """The edge of a square in UTM is up to 230 m away from the straight line in degrees."""
    square = shapely.box(450_000, 5_500_000, 550_000, 5_600_000)
    found = area(tmp_path, f'wkt\n"SRID=32609;{square.wkt}"\n'.encode())
    along = np.linspace(450_000, 550_000, 1001)
    edge = np.array(transform("EPSG:32609", "EPSG:4326", along, np.full(1001, 5_500_000.0))).T
    apart = shapely.distance(shapely.points(edge), found.exterior)
    assert apart.max() * 111_000 < 1.5


def test_splits_an_area_at_the_antimeridian(tmp_path: Path):
    halves = shapely.MultiPolygon([shapely.box(170, 0, 180, 5), shapely.box(-180, 0, -170, 5)])
    for content in (
        geojson(feature(shapely.box(170, 0, 190, 5))),
        geojson(feature(shapely.box(-190, 0, -170, 5))),
        geojson(feature(halves)),
    ):
        assert area(tmp_path, content).equals(halves)
        assert read(tmp_path, content).box == (170, 0, -170, 5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (geojson(feature(shapely.Point(1, 1))), "it has no polygon (it has only points and lines)"),
        (b"name,lon,lat\na,1,2\n", "only points and lines"),
        (geojson(), "it has no polygon (no feature has a geometry)"),
        (
            geojson(feature(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))),
            "polygon 1 of 1 is not valid: Self-",
        ),
        (
            geojson(feature(shapely.Point(0, 0).buffer(1, quad_segs=MOST_POSITIONS // 4))),
            "have 10,001 positions; at most 10,000 are allowed; simplify them",
        ),
        (
            geojson(*[feature(shapely.box(x / 10, 0, x / 10 + 0.05, 1)) for x in range(1001)]),
            "1,001 separate polygons; at most 1,000 are allowed",
        ),
        (geojson(feature(shapely.box(500_000, 5_000_000, 600_000, 5_100_000))), "not on the globe"),
        (b"plain text", "unsupported format"),
        (b'{"type": "FeatureCollection", "features": [', "the GeoJSON cannot be read"),
    ],
    ids=["point", "table", "empty", "bow tie", "many", "parts", "metres", "text", "cut"],
)
def test_the_error_gives_the_reason_why_a_file_is_not_an_area(tmp_path: Path, content: bytes, reason: str):
    with pytest.raises(RequestError, match=re.escape(reason)):
        read(tmp_path, content)


def test_accepts_only_a_file(laptop: TestClient):
    assert laptop.post("/api/v1/areas", json={"name": "x"}).status_code == 422
    more = laptop.post("/api/v1/areas", data={"name": "x"}, files={"file": ("a", geojson(feature(LEFT)))})
    assert (more.status_code, more.json()["field"]) == (422, "name")
    other = laptop.post("/api/v1/areas", files={"other": ("a", geojson(feature(LEFT)))})
    assert (other.status_code, other.json()["field"]) == (422, "other")


def test_refuses_areas_of_users_who_may_not_submit_requests(client: Client):
    content = geojson(feature(LEFT))
    assert client().post("/api/v1/areas", files={"file": ("a", content)}).status_code == 401
    assert client("vic", "viewer").post("/api/v1/areas", files={"file": ("a", content)}).status_code == 403
