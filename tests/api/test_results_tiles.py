"""Tiles, values and legends of published mosaics, compared with the values in their COGs."""

import io
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mosaic_api.context import SHOWN_SECONDS
from mosaic_api.database import Database
from mosaic_api.settings import Settings
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.stretched import stretch_to_bytes
from mosaic_worker.output.tone import Tone
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import transform

from support.api.clients import Client
from support.api.published import Published, store_of

HALF_WORLD = math.pi * 6378137


@pytest.fixture
def settings(settings: Settings, shown: dict[str, Published]) -> Settings:
    return replace(settings, store=str(store_of(shown)))


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int]:
    """The column and row of the tile at a location."""
    y = math.asinh(math.tan(math.radians(lat))) / math.pi
    return int((lon + 180) / 360 * 2**z) % 2**z, int((1 - y) / 2 * 2**z)


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def places_of(z: int, x: int, y: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centres of a tile's pixels in metres of EPSG:3857."""
    side = 2 * HALF_WORLD / 2**z
    middles = (np.arange(256) + 0.5) * side / 256
    return np.meshgrid(x * side - HALF_WORLD + middles, HALF_WORLD - y * side - middles)


def expected(mosaic: Published, z: int, x: int, y: int, level: int = 0) -> NDArray[np.float64]:
    """The values of an overview level nearest to a tile's pixels: (bands, 256, 256)."""
    values, affine = mosaic.read(level)
    xs, ys = places_of(z, x, y)
    with_crs = mosaic.item["properties"]["proj:code"]
    found = transform("EPSG:3857", with_crs, xs.ravel().tolist(), ys.ravel().tolist())
    east, north = (np.array(each).reshape(xs.shape) for each in found)
    if with_crs == "EPSG:4326":
        east = np.where(east < affine.c, east + 360, east)
    columns = np.floor((east - affine.c) / affine.a)
    rows = np.floor((north - affine.f) / affine.e)
    inside = (columns >= 0) & (columns < values.shape[2]) & (rows >= 0) & (rows < values.shape[1])
    picked = np.full((len(values), *xs.shape), np.nan)
    picked[:, inside] = values[:, rows[inside].astype(int), columns[inside].astype(int)]
    return picked


def in_colour(values: NDArray[np.float64], lower: float, upper: float, colormap: str) -> NDArray[np.uint8]:
    """The colours of values (256, 256) in a colormap."""
    table = np.frombuffer(palette(colormap), np.uint8).reshape(256, 3)
    valid = ~np.isnan(values)
    index = np.zeros(values.shape, int)
    index[valid] = 1 + np.rint(np.clip((values[valid] - lower) * 254 / (upper - lower), 0, 254))
    return np.dstack([np.where(valid[..., None], table[index], 0), np.where(valid, 255, 0)]).astype(np.uint8)


def agreeing(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """The share of equal pixels. The colour of transparent pixels is ignored."""
    same = np.abs(found.astype(int) - wanted).max(axis=2) <= 1
    return float((same | ((found[..., 3] == 0) & (wanted[..., 3] == 0))).mean())


@pytest.mark.parametrize(
    ("name", "lon", "lat", "z", "level"),
    [
        ("utm", 15.08, 45.10, 14, 0),
        ("utm", 15.1, 45.15, 15, 0),
        ("utm", 15.08, 45.10, 12, 1),
        ("utm", 15.08, 45.10, 11, 2),
        ("across", 179.999, 52.30, 14, 0),
        ("across", -179.999, 52.30, 14, 0),
        ("degrees", 179.99, 50.9, 12, 0),
        ("degrees", -179.99, 50.9, 12, 0),
        ("polar", 10.0, 78.0, 5, 0),
        ("polar", 179.0, 78.0, 5, 0),
    ],
)
def test_a_tile_shows_the_values_of_the_cog(
    client: Client,
    database: Database,
    shown: dict[str, Published],
    name: str,
    lon: float,
    lat: float,
    z: int,
    level: int,
):
    mosaic = shown[name]
    x, y = tile_at(lon, lat, z)
    answer = client("ann").get(f"/api/v1/requests/{mosaic.row(database)}/tiles/{z}/{x}/{y}.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    measured = mosaic.item["assets"]["mosaic"]["bands"][0]["statistics"]
    values = expected(mosaic, z, x, y, level)[0]
    assert not np.isnan(values).all()
    wanted = in_colour(values, measured["minimum"], measured["maximum"], "Blues")
    assert agreeing(pixels_of(answer.content), wanted) > 0.95


def test_locations_without_data_are_transparent(client: Client, database: Database, shown: dict[str, Published]):
    ann, mosaic = client("ann"), shown["utm"].row(database)
    for lon, lat in ((15.005, 45.14), (-100.0, 10.0)):
        x, y = tile_at(lon, lat, 17)
        found = pixels_of(ann.get(f"/api/v1/requests/{mosaic}/tiles/17/{x}/{y}.png").content)
        assert found.shape == (256, 256, 4)
        assert (found[..., 3] == 0).all()


def test_the_tile_of_the_world_shows_the_pole(client: Client, database: Database, shown: dict[str, Published]):
    found = pixels_of(client("ann").get(f"/api/v1/requests/{shown['polar'].row(database)}/tiles/0/0/0.png").content)
    assert (found[0, :, 3] > 0).mean() > 0.6
    assert (found[128:, :, 3] == 0).all()


@pytest.mark.parametrize("name", ["utm", "across", "degrees", "colours"])
def test_the_tile_of_the_world_shows_a_small_mosaic_as_a_few_pixels(
    client: Client, database: Database, shown: dict[str, Published], name: str
):
    mosaic = shown[name].row(database)
    answer = client("ann").get(f"/api/v1/requests/{mosaic}/tiles/0/0/0.png")
    assert answer.status_code == 200
    assert (pixels_of(answer.content)[..., 3] > 0).sum() <= 4


def test_shows_the_bands_of_the_picture_as_rgb(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["colours"]
    x, y = tile_at(15.03, 45.13, 15)
    found = pixels_of(client("ann").get(f"/api/v1/requests/{mosaic.row(database)}/tiles/15/{x}/{y}.png").content)
    values = expected(mosaic, 15, x, y)
    wanted = np.zeros((256, 256, 4), np.uint8)
    bands = {band["name"]: place for place, band in enumerate(mosaic.item["assets"]["mosaic"]["bands"])}
    assert list(bands) == ["nir", "blue", "green", "red"]
    for channel, name in enumerate(("red", "green", "blue")):
        described = mosaic.item["assets"]["mosaic"]["bands"][bands[name]]
        lower, upper = (described["statistics"][limit] for limit in ("minimum", "maximum"))
        shares = (np.nan_to_num(values[bands[name]], nan=lower) - lower) / (upper - lower)
        wanted[..., channel] = 1 + np.rint(shares * 254)
    wanted[..., 3] = np.where(np.isnan(values).any(axis=0), 0, 255)
    assert agreeing(found, wanted) > 0.95


def test_shows_scaled_values(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["int16"]
    x, y = tile_at(15.08, 45.10, 14)
    address = f"/api/v1/requests/{mosaic.row(database)}/tiles/14/{x}/{y}.png?minimum=-0.5&maximum=0.25&colormap=BrBG"
    wanted = in_colour(expected(mosaic, 14, x, y)[0], -0.5, 0.25, "BrBG")
    assert agreeing(pixels_of(client("ann").get(address).content), wanted) > 0.95


def test_a_mosaic_without_a_picture_has_the_usual_colours(
    client: Client, database: Database, shown: dict[str, Published]
):
    body = client("ann").get(f"/api/v1/requests/{shown['no-picture'].row(database)}/legend").json()
    assert (body["colormap"], body["minimum"], body["maximum"]) == ("Blues", -1, 1)


def test_a_mosaic_without_known_colours_spans_its_values(
    client: Client, database: Database, shown: dict[str, Published]
):
    mosaic = shown["no-picture"]
    properties = {name: value for name, value in mosaic.item["properties"].items() if name != "renders"}
    earlier = mosaic.row(database, name="earlier", item=mosaic.item | {"properties": properties})
    body = client("ann").get(f"/api/v1/requests/{earlier}/legend").json()
    values = mosaic.read()[0][0]
    assert (body["minimum"], body["maximum"]) == pytest.approx((np.nanmin(values), np.nanmax(values)))


def test_tiles_of_true_colour_have_the_tone_of_the_picture(
    client: Client, database: Database, shown: dict[str, Published]
):
    mosaic = shown["true-colour"]
    picture = mosaic.item["assets"]["picture"]
    assert (picture["mosaic:stretch"], picture["mosaic:gamma"], picture["mosaic:shoulder"]) == (
        [[0, 0.3]] * 3,
        1.4,
        True,
    )
    x, y = tile_at(15.08, 45.10, 14)
    address = f"/api/v1/requests/{mosaic.row(database)}"
    found = pixels_of(client("ann").get(f"{address}/tiles/14/{x}/{y}.png").content)
    values = expected(mosaic, 14, x, y)
    wanted = stretch_to_bytes(values.astype(np.float32), [(0, 0.3)] * 3, Tone(1.4, shoulder=True))
    assert agreeing(found, np.dstack([*wanted, np.where((wanted > 0).all(axis=0), 255, 0)])) > 0.95
    legend = client("ann").get(f"{address}/legend").json()
    assert (legend["gamma"], legend["shoulder"]) == (1.4, True)


@pytest.mark.parametrize(
    ("name", "column", "row"),
    [("utm", 700, 800), ("int16", 700, 800), ("colours", 1, 2), ("across", 888, 300), ("across", 310, 310)],
)
def test_a_point_has_the_exact_value_of_its_pixel(
    client: Client, database: Database, shown: dict[str, Published], name: str, column: int, row: int
):
    mosaic = shown[name]
    values, affine = mosaic.read()
    x, y = affine * (column + 0.5, row + 0.5)
    (lon,), (lat,) = transform(mosaic.item["properties"]["proj:code"], "EPSG:4326", [x], [y])
    body = client("ann").get(f"/api/v1/requests/{mosaic.row(database)}/point", params={"lon": lon, "lat": lat}).json()
    described = mosaic.item["assets"]["mosaic"]["bands"]
    assert [band["name"] for band in body["bands"]] == [band["name"] for band in described]
    for band, wanted in zip(body["bands"], values[:, row, column], strict=True):
        assert np.float32(band["value"]) == np.float32(wanted)
        assert len(repr(band["value"])) <= 13


def test_a_point_without_data_has_no_value(client: Client, database: Database, shown: dict[str, Published]):
    ann, mosaic = client("ann"), shown["utm"].row(database)
    for lon, lat in ((15.0005, 45.15), (-100, 10), (0, 90), (0, -90), (180, 0)):
        body = ann.get(f"/api/v1/requests/{mosaic}/point?lon={lon}&lat={lat}")
        assert body.json() == {"bands": [{"name": "NDSI", "value": None, "label": None}]}


def test_a_legend_has_the_colours_of_the_tiles_and_round_values(
    client: Client, database: Database, shown: dict[str, Published]
):
    body = (
        client("ann")
        .get(f"/api/v1/requests/{shown['utm'].row(database)}/legend?minimum=-0.13&maximum=0.9&colormap=viridis")
        .json()
    )
    assert (body["title"], body["colormap"], body["minimum"], body["maximum"]) == ("NDSI", "viridis", -0.13, 0.9)
    assert (len(body["colours"]), body["colours"][0], body["colours"][-1]) == (256, "#440154", "#fde725")
    assert [stop["value"] for stop in body["stops"]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert all(stop["colour"] in body["colours"] for stop in body["stops"])


def test_a_legend_of_three_bands_has_only_limits(client: Client, database: Database, shown: dict[str, Published]):
    body = client("ann").get(f"/api/v1/requests/{shown['colours'].row(database)}/legend").json()
    assert (body["colormap"], body["colours"], body["stops"]) == (None, [], [])
    assert [band["name"] for band in body["bands"]] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("tiles/3/8/0.png", "x"),
        ("tiles/3/0/8.png", "y"),
        ("tiles/25/0/0.png", "z"),
        ("tiles/3/0/0.png?colormap=../etc", "colormap"),
        ("tiles/3/0/0.png?minimum=nan", "minimum"),
        ("tiles/3/0/0.png?maximum=inf", "maximum"),
        ("tiles/3/0/0.png?minimum=1&maximum=1", "maximum"),
        ("tiles/3/0/0.png?minimum=7", "minimum"),
        ("legend?minimum=2&maximum=1", "maximum"),
        ("point?lon=181&lat=0", "lon"),
        ("point?lon=0", "lat"),
        ("files/passwd", "content"),
    ],
)
def test_names_an_invalid_parameter(
    client: Client, database: Database, shown: dict[str, Published], path: str, field: str
):
    answer = client("ann").get(f"/api/v1/requests/{shown['utm'].row(database)}/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["field"] == field


def test_browsers_cache_tiles(client: Client, database: Database, shown: dict[str, Published]):
    ann = client("ann")
    address = f"/api/v1/requests/{shown['utm'].row(database)}/tiles/10/554/366.png"
    first = ann.get(address)
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = ann.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = ann.get(f"{address}?colormap=magma", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    assert other.headers["etag"] != first.headers["etag"]


def test_does_not_show_mosaics_of_others(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["utm"].row(database, "ann")
    shared = shown["int16"].row(database, "ann", shared=True)
    bob = client("bob")
    for path in (
        "tiles/10/554/366.png",
        "point?lon=15&lat=45",
        "legend",
        "files/cog",
        "preview",
        "preview/0.png?stretch=0,1",
    ):
        assert bob.get(f"/api/v1/requests/{mosaic}/{path}").status_code == 404
        assert client().get(f"/api/v1/requests/{mosaic}/{path}").status_code == 401
    assert bob.get(f"/api/v1/requests/{shared}/legend").status_code == 200


def test_hides_a_mosaic_soon_after_sharing_ends(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["utm"].row(database, "ann", shared=True)
    bob, address = client("bob"), f"/api/v1/requests/{mosaic}/legend"
    assert bob.get(address).status_code == 200
    client("ann").patch(f"/api/v1/requests/{mosaic}", json={"shared": False})
    deadline = time.monotonic() + 2 * SHOWN_SECONDS
    while bob.get(address).status_code != 404:
        assert time.monotonic() < deadline


def test_reports_an_unpublished_mosaic(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["utm"].row(database, item=None, phase="Running")
    answer = client("ann").get(f"/api/v1/requests/{mosaic}/tiles/10/554/366.png")
    assert (answer.status_code, answer.json()["detail"]) == (404, "the mosaic utm is not published: it is running")


def test_reports_deleted_files(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["utm"].row(database, uid="0123456789abcdef")
    x, y = tile_at(15.08, 45.10, 14)
    for path in (f"tiles/14/{x}/{y}.png", "point?lon=15.08&lat=45.10", "files/cog"):
        answer = client("ann").get(f"/api/v1/requests/{mosaic}/{path}")
        assert answer.status_code == 404
        assert "no longer in the store" in answer.json()["detail"]


def test_reads_the_same_values_from_a_store_without_local_paths(shown: dict[str, Published]):
    from mosaic_api.results.open_cogs import OpenCogs
    from mosaic_worker.geometry.sampling import Window
    from mosaic_worker.store import open_store

    class RemoteStore:
        """A store whose objects have no local path."""

        def __init__(self, root: Path) -> None:
            self._store = open_store(str(root))

        def open(self, key: str) -> io.BufferedReader:
            return self._store.open(key)

        def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
            return self._store.read(key, start, stop)

    mosaic = shown["utm"]
    root = store_of(shown)
    key = f"{mosaic.key}/mosaic.tif"
    window = Window(100, 200, 500, 600)
    here, elsewhere = OpenCogs(open_store(str(root))), OpenCogs(RemoteStore(root))  # type: ignore[arg-type]
    for level, there in ((0, window), (1, Window(10, 20, 300, 310))):
        np.testing.assert_array_equal(here.read(key, level, [0], there), elsewhere.read(key, level, [0], there))
    assert here.overviews(key) == elsewhere.overviews(key) == 2
    here.close()
    elsewhere.close()
