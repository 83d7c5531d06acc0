"""Datasets over REST: stored byte for byte, found, shown in place, changed, deleted and restored."""

import hashlib
import io
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Audit, Database, Dataset, OrphanFile
from mosaic_api.datasets.purge import purge
from mosaic_api.settings import Settings
from mosaic_worker.store import open_store
from PIL import Image
from rasterio.warp import transform_bounds
from sqlalchemy import select, update

from support.api.clients import Client
from support.api.dataset_files import ORIGIN, feature, geojson, geotiff, jpeg2000, picture, shapefile, vectors, world


def keep(client: TestClient, file: bytes | None = None, status: int = 201, **fields_given: Any) -> dict[str, Any]:
    """Add a dataset, as the page does."""
    fields_given = {"name": "one"} | fields_given
    if file is None:
        answer = client.post("/api/v1/datasets", json=fields_given)
    else:
        fields = {name: str(value) for name, value in fields_given.items()}
        answer = client.post("/api/v1/datasets", data=fields, files={"file": ("a file.tif", file)})
    assert answer.status_code == status, answer.text
    return answer.json()


def tile_at(client: TestClient, dataset: dict[str, Any], longitude: float, latitude: float, zoom: int, **query: Any):
    """The colour (RGBA) of a map tile at a location."""
    side = 1 << zoom
    column = (longitude + 180) / 360 * side
    row = (1 - np.arcsinh(np.tan(np.radians(latitude))) / np.pi) / 2 * side
    path = f"/api/v1/datasets/{dataset['id']}/tiles/{zoom}/{int(column)}/{int(row)}.png"
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content)).convert("RGBA")
    assert image.size == (256, 256)
    return image.getpixel((int(column % 1 * 256), int(row % 1 * 256)))


def value_at(client: TestClient, dataset: dict[str, Any], longitude: float, latitude: float) -> list[float | None]:
    answer = client.get(f"/api/v1/datasets/{dataset['id']}/point", params={"lon": longitude, "lat": latitude})
    assert answer.status_code == 200, answer.text
    return [band["value"] for band in answer.json()["bands"]]


def test_stores_an_image_unchanged_and_shows_it_in_place(laptop: TestClient):
    content = geotiff()
    dataset = keep(laptop, content, kind="image", description="of a lake", creator="Ann")
    assert (dataset["kind"], dataset["description"], dataset["creator"], dataset["mine"]) == (
        "image",
        "of a lake",
        "Ann",
        True,
    )
    west, south, east, north = dataset["bounds"]
    left, top = ORIGIN
    expected = transform_bounds("EPSG:32609", "EPSG:4326", left, top - 2000, left + 3000, top)
    assert dataset["bounds"] == pytest.approx(expected, abs=1e-5)
    assert shapely.geometry.shape(dataset["footprint"]).bounds == pytest.approx((west, south, east, north))
    assert dataset["details"]["bands"][0]["minimum"] == pytest.approx(300, abs=400)
    for role, described in dataset["files"].items():
        sent = laptop.get(f"/api/v1/datasets/{dataset['id']}/files/{role}").content
        assert (len(sent), hashlib.sha256(sent).hexdigest()) == (described["bytes"], described["sha256"])
    assert laptop.get(f"/api/v1/datasets/{dataset['id']}/files/original").content == content
    middle = ((west + east) / 2, (south + north) / 2)
    assert value_at(laptop, dataset, *middle)[0] == pytest.approx(100 * 300 + 150, abs=301)
    assert value_at(laptop, dataset, west + 0.001, north - 0.0005) == [None]
    assert tile_at(laptop, dataset, *middle, 13)[3] == 255
    assert tile_at(laptop, dataset, west + 0.001, north - 0.0005, 13)[3] == 0
    assert tile_at(laptop, dataset, 20, 20, 13)[3] == 0


def test_tiles_show_the_values_of_an_image(laptop: TestClient):
    values = np.zeros((1, 100, 100), np.int16)
    values[0, :, 50:] = 100
    dataset = keep(laptop, world(values, 10, 40, 11, 41), kind="image", colormap="Greys", minimum=0, maximum=100)
    assert tile_at(laptop, dataset, 10.25, 40.5, 9) == (255, 255, 255, 255)
    assert tile_at(laptop, dataset, 10.75, 40.5, 9) == (0, 0, 0, 255)
    other = tile_at(laptop, dataset, 10.75, 40.5, 9, colormap="viridis", minimum=0, maximum=200)
    assert other not in {(0, 0, 0, 255), (255, 255, 255, 255)}
    assert value_at(laptop, dataset, 10.75, 40.5) == [100.0]


@pytest.mark.parametrize(
    ("bands", "dtype"), [(3, "uint8"), (4, "uint8"), (3, "uint16"), (1, "uint8"), (2, "float64"), (5, "int32")]
)
def test_shows_images_of_many_band_counts_and_data_types(laptop: TestClient, bands: int, dtype: str):
    values = np.arange(bands * 2500).reshape(bands, 50, 50).astype(dtype)
    if bands == 4:
        values[3] = 255  # GDAL interprets the fourth band as alpha
    dataset = keep(laptop, world(values, 10, 40, 11, 41), kind="image")
    assert tile_at(laptop, dataset, 10.5, 40.5, 9)[3] == 255
    found = value_at(laptop, dataset, 10.505, 40.495)
    assert found[:1] == [float(values[0, 25, 25])]


def test_shows_an_image_with_a_palette_in_its_colours(laptop: TestClient):
    with rasterio.MemoryFile() as memory:
        profile = {"driver": "GTiff", "count": 1, "height": 10, "width": 10, "dtype": "uint8", "crs": "EPSG:4326"}
        transform = rasterio.transform.from_bounds(10, 40, 11, 41, 10, 10)
        with rasterio.open(memory, "w", transform=transform, photometric="palette", **profile) as dataset:
            dataset.write(np.full((1, 10, 10), 3, np.uint8))
            dataset.write_colormap(1, {3: (10, 200, 30, 255)})
        kept = keep(laptop, memory.read(), kind="image")
    assert tile_at(laptop, kept, 10.5, 40.5, 9) == (10, 200, 30, 255)


def test_accepts_jpeg_2000(laptop: TestClient, tmp_path: Path):
    dataset = keep(laptop, jpeg2000(tmp_path), kind="image")
    assert dataset["files"]["original"]["media_type"] == "image/jp2"
    assert dataset["files"]["display"]["media_type"] == "image/tiff"
    west, south, east, north = dataset["bounds"]
    assert value_at(laptop, dataset, (west + east) / 2, (south + north) / 2)[0] == pytest.approx(20_100, abs=202)


@pytest.mark.parametrize(
    ("image", "bounds", "place"),
    [
        (world(np.ones((1, 20, 40), np.float32), 170, -10, 190, 0), (170, -10, -170, 0), (-175, -5)),
        (world(np.ones((1, 18, 36), np.float32), -180, -90, 180, 90), (-180, -90, 180, 90), (33, 60)),
        (world(np.ones((1, 18, 36), np.float32), 0, -90, 360, 90), (-180, -90, 180, 90), (-33, 60)),
        (
            world(np.ones((1, 50, 50), np.float32), -3e6, -3e6, 3e6, 3e6, "EPSG:3413"),
            (-180, 52.2, 180, 90),
            (120, 85),
        ),
        (
            world(np.ones((1, 50, 50), np.float32), 300_000, 1e6, 1_000_000, 1.5e6, "EPSG:32660"),
            (175, 9.04, -178.4, 13.6),
            (-179, 11),
        ),
    ],
    ids=["degrees", "globe", "globe from 0", "pole", "utm"],
)
def test_locates_images_at_the_antimeridian_and_the_poles(laptop: TestClient, image: bytes, bounds, place):
    dataset = keep(laptop, image, kind="image")
    assert dataset["bounds"] == pytest.approx(bounds, abs=0.25)
    assert value_at(laptop, dataset, *place) == [1.0]
    if abs(place[1]) < 85:
        assert tile_at(laptop, dataset, *place, 6)[3] == 255
    footprint = shapely.geometry.shape(dataset["footprint"])
    assert footprint.is_valid
    assert footprint.intersects(shapely.Point(place))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("west", "east"), [(10, 12), (179, -179)])
def test_shows_a_picture_between_its_corners(laptop: TestClient, kind: str, west: float, east: float):
    dataset = keep(laptop, picture(kind=kind), kind="image", west=west, south=40, east=east, north=41)
    assert dataset["bounds"] == [west, 40, east, 41]
    red = tile_at(laptop, dataset, west + 0.5, 40.5, 9)
    blue = tile_at(laptop, dataset, east - 0.5, 40.5, 9)
    assert (red[0] > 200, red[2] < 60) == (True, True)
    assert (blue[2] > 200, blue[0] < 60) == (True, True)
    assert tile_at(laptop, dataset, west - 0.5 if west < 170 else 178.5, 40.5, 9)[3] == 0
    assert value_at(laptop, dataset, east - 0.5, 40.5)[2] > 200
    moved = laptop.patch(
        f"/api/v1/datasets/{dataset['id']}", json={"west": 20, "south": 50, "east": 22, "north": 51, "name": "moved"}
    )
    assert moved.status_code == 200, moved.text
    assert (moved.json()["bounds"], moved.json()["name"]) == ([20, 50, 22, 51], "moved")
    assert tile_at(laptop, dataset, 20.5, 50.5, 9)[0] > 200
    assert tile_at(laptop, dataset, west + 0.5, 40.5, 9)[3] == 0


def test_moving_a_picture_leaves_no_old_files(laptop: TestClient, database: Database, tmp_path: Path):
    dataset = keep(laptop, picture(), kind="image", west=1, south=1, east=2, north=2)
    for west in (10, 1):
        laptop.patch(f"/api/v1/datasets/{dataset['id']}", json={"west": west, "south": 1, "east": 12, "north": 2})
    assert len(list((tmp_path / "store" / "datasets").rglob("*.*"))) == 2
    with database.transaction() as session:
        assert session.scalars(select(OrphanFile.key)).all() == []
    assert tile_at(laptop, dataset, 2, 1.5, 9)[3] == 255


@pytest.mark.parametrize("kind", ["GeoJSON", "GPKG", "ESRI Shapefile", "KML"])
def test_vector_files_become_features_with_attributes(laptop: TestClient, tmp_path: Path, kind: str):
    if kind == "ESRI Shapefile":
        content = shapefile(tmp_path / "shp")
    else:
        crs = "EPSG:32609" if kind == "GPKG" else "EPSG:4326"
        content = vectors(tmp_path / f"lakes.{kind.lower()}", kind, crs).read_bytes()
    dataset = keep(laptop, content, kind="vector")
    west, south, east, north = dataset["bounds"]
    assert -127.6 < west < east < -127.1
    assert 50.9 < south < north < 51.7
    answer = laptop.get(f"/api/v1/datasets/{dataset['id']}/features")
    assert answer.headers["content-type"] == "application/geo+json"
    features = answer.json()["features"]
    assert len(features) == 2
    assert dataset["details"]["shown"] == {"features": 2, "of": 2, "simplified": False}
    names = [{name.lower(): value for name, value in each["properties"].items()} for each in features]
    assert names[0]["name"] == "Élan"
    if kind != "KML":
        assert [each["depth"] for each in names] == [None, 12.5]
    assert [features[0]["geometry"]["type"], features[0]["layer"]] == ["Polygon", "lakes"]
    found = shapely.geometry.shape(features[0]["geometry"])
    assert found.bounds[0] == pytest.approx(west, abs=1e-6)


def test_names_a_layer_without_a_name_after_its_file(laptop: TestClient):
    dataset = keep(laptop, geojson(feature(shapely.Point(1, 1))), kind="vector")
    assert [layer["name"] for layer in dataset["details"]["layers"]] == ["a file"]


def test_shows_all_layers_of_a_file(laptop: TestClient, tmp_path: Path):
    path = vectors(tmp_path / "two.gpkg", "GPKG")
    vectors(path, "GPKG", layer="rivers", append=True)
    dataset = keep(laptop, path.read_bytes(), kind="vector")
    assert [layer["name"] for layer in dataset["details"]["layers"]] == ["lakes", "rivers"]
    features = laptop.get(f"/api/v1/datasets/{dataset['id']}/features").json()["features"]
    assert [each["layer"] for each in features] == ["lakes", "lakes", "rivers", "rivers"]


def test_simplifies_geometries_too_large_for_the_page(laptop: TestClient):
    angles = np.linspace(0, 2 * np.pi, 500_000)
    ring = shapely.Polygon(np.column_stack([10 + np.cos(angles), 40 + np.sin(angles)]))
    content = geojson(feature(ring, name="round"))
    dataset = keep(laptop, content, kind="vector")
    assert dataset["details"]["shown"] == {"features": 1, "of": 1, "simplified": True}
    (shown,) = laptop.get(f"/api/v1/datasets/{dataset['id']}/features").json()["features"]
    found = shapely.geometry.shape(shown["geometry"])
    assert shapely.get_num_coordinates(found) <= 400_000
    assert found.symmetric_difference(ring).area < 1e-3
    assert laptop.get(f"/api/v1/datasets/{dataset['id']}/files/original").content == content


def test_counts_features_beyond_the_limit_of_the_page(laptop: TestClient):
    points = [feature(shapely.Point(number % 300 / 10, number // 300 / 10)) for number in range(21_000)]
    dataset = keep(laptop, geojson(*points), kind="vector")
    assert dataset["details"]["shown"] == {"features": 20_000, "of": 21_000, "simplified": False}
    assert dataset["bounds"] == pytest.approx([0, 0, 29.9, 6.9])


def test_features_on_both_sides_of_the_antimeridian_have_a_narrow_box(laptop: TestClient):
    content = geojson(feature(shapely.Point(179, 1)), feature(shapely.Point(-178, 2)))
    assert keep(laptop, content, kind="vector")["bounds"] == pytest.approx([179, 1, -178, 2])


def test_stores_and_moves_points(laptop: TestClient):
    dataset = keep(laptop, kind="point", longitude=-123.4, latitude=48.4)
    assert dataset["footprint"] == {"type": "Point", "coordinates": [-123.4, 48.4]}
    assert dataset["files"] == {}
    moved = laptop.patch(f"/api/v1/datasets/{dataset['id']}", json={"longitude": 10, "latitude": 20, "creator": "Bob"})
    assert (moved.json()["bounds"], moved.json()["creator"]) == ([10, 20, 10, 20], "Bob")


def test_serves_ranges_of_a_file(laptop: TestClient):
    content = geotiff()
    path = f"/api/v1/datasets/{keep(laptop, content, kind='image')['id']}/files/original"
    whole = laptop.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    assert "a%20file.tif" in whole.headers["content-disposition"]
    size = len(content)
    for wanted, start, stop in [("0-9", 0, 10), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)]:
        part = laptop.get(path, headers={"Range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, content[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    assert laptop.get(path, headers={"Range": f"bytes={size}-"}).status_code == 416
    for ignored in ("bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=1-2"):
        assert laptop.get(path, headers={"Range": ignored}).status_code == 200
    other = laptop.get(path, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (other.status_code, len(other.content)) == (200, size)
    assert laptop.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    head = laptop.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")


def test_filters_datasets_by_area_text_kind_and_scope(client: Client):
    ann, bob = client("ann"), client("bob")
    keep(ann, kind="point", name="Victoria", longitude=-123.4, latitude=48.4, description="harbour")
    keep(ann, kind="point", name="Fiji", longitude=179, latitude=-17, creator="Élise", shared=True)
    keep(bob, kind="point", name="Vienna", longitude=16, latitude=48, shared=True)
    keep(bob, geojson(feature(shapely.box(16, 47, 17, 48))), kind="vector", name="field")

    def names(of: TestClient, query: str) -> set[str]:
        answer = of.get(f"/api/v1/datasets?{query}")
        assert answer.status_code == 200, answer.text
        return {each["name"] for each in answer.json()["datasets"]}

    assert names(ann, "") == {"Victoria", "Fiji", "Vienna"}
    assert names(ann, "scope=mine") == {"Victoria", "Fiji"}
    assert names(ann, "scope=shared") == {"Fiji", "Vienna"}
    assert names(bob, "scope=mine") == {"Vienna", "field"}
    assert names(bob, "kind=vector") == {"field"}
    assert names(ann, "bbox=-130,40,-120,50") == {"Victoria"}
    assert names(ann, "bbox=170,-20,-170,0") == {"Fiji"}
    assert names(ann, "bbox=-190,-20,-170,0") == {"Fiji"}
    assert names(ann, "bbox=-400,-85,400,85") == {"Victoria", "Fiji", "Vienna"}
    assert names(ann, "text=HARB") == {"Victoria"}
    assert names(ann, "text=%C3%89lise") == {"Fiji"}
    assert names(ann, "text=%25") == set()
    for bad in ("1,2,3", "0,50,1,40", "a,b,c,d", "0,0,0,nan", "0,-91,1,0"):
        answer = ann.get(f"/api/v1/datasets?bbox={bad}")
        assert (answer.status_code, answer.json()["field"]) == (422, "bbox")


@pytest.mark.parametrize("column", ["name", "description", "creator"])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Übersicht", "übersicht"),
        ("übersicht", "ÜBERS"),
        ("A\u0308RA", "ära"),  # a combining accent, as on macOS
        ("Straße", "STRASSE"),
        ("Αθήνας", "ΑΘΉΝΑΣ"),
        ("100 %_\\", "%_\\"),
    ],
)
def test_search_ignores_case_and_the_form_of_accents(laptop: TestClient, column: str, text: str, wanted: str):
    dataset = keep(laptop, kind="point", longitude=0, latitude=0, **{column: text})
    keep(laptop, kind="point", longitude=0, latitude=0, **{column: "other"})
    found = laptop.get("/api/v1/datasets", params={"text": wanted}).json()["datasets"]
    assert [each["id"] for each in found] == [dataset["id"]]
    laptop.patch(f"/api/v1/datasets/{dataset['id']}", json={column: "something else"})
    assert laptop.get("/api/v1/datasets", params={"text": wanted}).json()["total"] == 0


def test_pages_contain_each_dataset_once(client: Client):
    ann = client("ann")
    kept = [keep(ann, kind="point", name=f"p{number}", longitude=0, latitude=0)["name"] for number in range(7)]
    seen, address = [], "/api/v1/datasets?limit=3&bbox=-1,-1,1,1"
    while address:
        page = ann.get(address).json()
        assert page["total"] == 7
        seen += [dataset["name"] for dataset in page["datasets"]]
        address = page["next"]
    assert seen == kept[::-1]


def test_datasets_of_others_look_like_missing_ones(client: Client):
    ann, bob = client("ann"), client("bob")
    dataset = keep(ann, geotiff(), kind="image")["id"]
    calls = [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/restore"),
        ("GET", "/files/original"),
        ("GET", "/features"),
        ("GET", "/tiles/0/0/0.png"),
        ("GET", "/point?lon=0&lat=0"),
    ]
    for method, path in calls:
        unknown_id = uuid.uuid4()
        body = {"json": {"name": "x"}} if method == "PATCH" else {}
        of_ann = bob.request(method, f"/api/v1/datasets/{dataset}{path}", **body)
        missing = bob.request(method, f"/api/v1/datasets/{unknown_id}{path}", **body)
        assert of_ann.status_code == missing.status_code == 404, path
        assert of_ann.text.replace(dataset, "") == missing.text.replace(str(unknown_id), "")


def test_others_can_read_but_not_change_a_shared_dataset(client: Client):
    ann, bob = client("ann"), client("bob")
    dataset = keep(ann, kind="point", longitude=0, latitude=0)["id"]
    assert ann.patch(f"/api/v1/datasets/{dataset}", json={"shared": True}).json()["shared"] is True
    seen = bob.get(f"/api/v1/datasets/{dataset}").json()
    assert (seen["mine"], seen["owner"], seen["central"]) == (False, "ann", None)
    assert bob.patch(f"/api/v1/datasets/{dataset}", json={"name": "mine"}).status_code == 404
    assert bob.delete(f"/api/v1/datasets/{dataset}").status_code == 404
    ann.patch(f"/api/v1/datasets/{dataset}", json={"shared": False})
    assert bob.get(f"/api/v1/datasets/{dataset}").status_code == 404


def test_viewers_can_only_read(client: Client):
    viewer = client("vic", "viewer")
    assert viewer.get("/api/v1/datasets").status_code == 200
    keep(viewer, geotiff(), status=403, kind="image")


def test_restores_a_deleted_dataset_until_it_is_purged(
    client: Client, database: Database, settings: Settings, tmp_path: Path
):
    ann = client("ann")
    dataset = keep(ann, geotiff(), kind="image")["id"]
    keep(ann, kind="point", longitude=0, latitude=0, name="stays")
    store = open_store(settings.store)
    assert ann.delete(f"/api/v1/datasets/{dataset}").status_code == 204
    assert ann.get(f"/api/v1/datasets/{dataset}").status_code == 404
    assert purge(database, store, settings.restore_days) == 0
    assert client("bob").post(f"/api/v1/datasets/{dataset}/restore").status_code == 404
    assert ann.post(f"/api/v1/datasets/{dataset}/restore").status_code == 200
    assert ann.get(f"/api/v1/datasets/{dataset}/files/original").content == geotiff()
    ann.delete(f"/api/v1/datasets/{dataset}")
    with database.transaction() as session:
        earlier = Dataset.removed - timedelta(days=settings.restore_days)
        session.execute(update(Dataset).where(Dataset.id == dataset).values(removed=earlier))
    assert ann.post(f"/api/v1/datasets/{dataset}/restore").status_code == 404
    assert purge(database, store, settings.restore_days) == 1
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    assert [each["name"] for each in ann.get("/api/v1/datasets").json()["datasets"]] == ["stays"]


def test_a_repeated_upload_creates_one_dataset(client: Client):
    ann, key = client("ann"), str(uuid.uuid4())

    def send(of: TestClient, content: bytes):
        files = {"file": ("one.tif", content)}
        headers = {"Idempotency-Key": key}
        return of.post("/api/v1/datasets", data={"kind": "image", "name": "one"}, files=files, headers=headers)

    first, again = send(ann, geotiff()), send(ann, geotiff())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert send(ann, geotiff() + b"\0").status_code == 409
    other = send(client("bob"), geotiff())
    assert (other.status_code, other.json()["id"] != first.json()["id"]) == (201, True)
    ann.delete(f"/api/v1/datasets/{first.json()['id']}")
    assert send(ann, geotiff()).json()["id"] == first.json()["id"]
    assert ann.get(f"/api/v1/datasets/{first.json()['id']}").status_code == 200


def test_limits_the_stored_bytes_of_a_user(settings: Settings, database: Database, client: Client):
    content = geotiff()
    small = replace(settings, max_stored_bytes=3 * len(content))
    with database.transaction() as session:
        _, secret = create_token(session, named_user(session, "ann"), "t", ("write",), None)
    with TestClient(create_app(small), base_url=settings.public_url) as ann:
        ann.headers["Authorization"] = f"Bearer {secret}"
        first = keep(ann, content, kind="image")
        refused = keep(ann, content + b"\0" * len(content), status=413, kind="image")
        assert "your datasets use" in refused["detail"]
        ann.delete(f"/api/v1/datasets/{first['id']}")
        keep(ann, content + b"\0" * len(content), status=413, kind="image")


def test_records_changes_in_the_audit_log(client: Client, database: Database):
    ann = client("ann")
    dataset = keep(ann, kind="point", longitude=0, latitude=0)["id"]
    ann.patch(f"/api/v1/datasets/{dataset}", json={"name": "two"})
    ann.delete(f"/api/v1/datasets/{dataset}")
    ann.post(f"/api/v1/datasets/{dataset}/restore")
    with database.transaction() as session:
        done = session.scalars(select(Audit.action).where(Audit.subject == f"dataset/{dataset}").order_by(Audit.id))
        assert list(done) == ["create", "change", "remove", "restore"]
