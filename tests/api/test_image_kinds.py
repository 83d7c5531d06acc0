"""Images of all kinds show their values, and no data as no data, compared with numpy."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from fastapi.testclient import TestClient
from mosaic_api.database import Dataset
from mosaic_api.datasets import rendering
from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.reader.images import take_image
from mosaic_api.datasets.reader.plain_images import take_picture
from mosaic_api.results.open_cogs import OpenCogs
from mosaic_api.results.tiles import TileAddress
from mosaic_crds.errors import RequestError
from mosaic_worker.store.directory import DirectoryStore
from numpy.typing import NDArray
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, Resampling
from rasterio.shutil import copy
from rasterio.transform import from_bounds
from test_datasets import keep, value_at

from support.api.dataset_files import geotiff, world

SIDE = 20
WEST, SOUTH, EAST, NORTH = 10.0, 40.0, 11.0, 41.0
COUNT = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
SEEN = COUNT >= 100
"""Pixels with data: all but the first 5 rows."""


@dataclass(frozen=True)
class Shown:
    """An image as the page receives it, without a server."""

    datasets: OpenCogs
    dataset: Dataset

    @property
    def bands(self) -> list[dict[str, Any]]:
        return self.dataset.details["bands"]

    def has(self, expected: NDArray[Any]) -> bool:
        """Whether the values under the pointer equal `expected` (bands, 20, 20), NaN for no data. Checks every third
        pixel.
        """
        rows = [[self.at(column, row) for column in range(0, SIDE, 3)] for row in range(0, SIDE, 3)]
        found = np.moveaxis(np.array(rows, float), 2, 0)
        return found.shape[0] == len(expected) and np.allclose(
            found, expected[:, ::3, ::3].astype(float), rtol=1e-12, atol=0, equal_nan=True
        )

    def at(self, column: int, row: int) -> list[float | None]:
        """The values under the pointer at the centre of a pixel."""
        place = WEST + (column + 0.5) / SIDE, NORTH - (row + 0.5) / SIDE
        return [band["value"] for band in rendering.values_at(self.datasets, self.dataset, *place)]

    def colours(self) -> NDArray[np.uint8]:
        """The colours at the centres of all pixels, (20, 20, 4)."""
        found = np.zeros((SIDE, SIDE, 4), np.uint8)
        for row in range(SIDE):
            for column in range(SIDE):
                found[row, column] = self.colour(WEST + (column + 0.5) / SIDE, NORTH - (row + 0.5) / SIDE)
        return found

    def colour(self, longitude: float, latitude: float, zoom: int = 9) -> NDArray[np.uint8]:
        world = 1 << zoom
        x = (longitude + 180) / 360 * world
        y = (1 - np.arcsinh(np.tan(np.radians(latitude))) / np.pi) / 2 * world
        return self.tile(zoom, int(x), int(y))[int(y % 1 * 256), int(x % 1 * 256)]

    def tile(self, zoom: int, x: int, y: int) -> NDArray[np.uint8]:
        key = (zoom, x, y)
        if key not in self._tiles:
            content = rendering.tile(self.datasets, self.dataset, TileAddress(*key), None, None)
            with rasterio.MemoryFile(content) as memory, Image.open(memory) as picture:
                self._tiles[key] = np.asarray(picture.convert("RGBA"))
        return self._tiles[key]

    @property
    def _tiles(self) -> dict[tuple[int, int, int], NDArray[np.uint8]]:
        return self.dataset.__dict__.setdefault("tiles of the test", {})


@pytest.fixture
def show(tmp_path: Path) -> Callable[..., Shown]:
    """A function that reads an image like an upload and opens its display copy."""

    def shown(content: bytes, suffix: str = ".tif", corners: Box | None = None) -> Shown:
        path, display = tmp_path / f"original{suffix}", tmp_path / "display.tif"
        path.write_bytes(content)
        if corners is None:
            outcome = take_image(str(path), 10**9, 10**10, str(display))
        else:
            outcome = take_picture(str(path), "PNG", corners, str(display))
        dataset = Dataset(
            kind="image",
            files={"original": {"key": "original"}, "display": {"key": "display.tif"}},
            details=outcome.details,
        )
        return Shown(OpenCogs(DirectoryStore(tmp_path)), dataset)

    return shown


def image(values: NDArray[Any], **profile: Any) -> bytes:
    """A GeoTIFF at the location of the tests."""
    return geotiff(values, "EPSG:4326", from_bounds(WEST, SOUTH, EAST, NORTH, SIDE, SIDE), **profile)


def edited(tmp_path: Path, content: bytes, edit: Callable[[Any], None]) -> bytes:
    """A GeoTIFF with changed metadata or mask."""
    path = tmp_path / "edited.tif"
    path.write_bytes(content)
    with rasterio.open(path, "r+") as dataset:
        edit(dataset)
    return path.read_bytes()


def with_alpha(values: NDArray[Any], alpha: NDArray[Any], **profile: Any) -> bytes:
    """A GeoTIFF whose last band is alpha."""
    bands = np.concatenate([values, alpha[None].astype(values.dtype)])
    count, height, width = bands.shape
    made = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    place = {"crs": "EPSG:4326", "transform": from_bounds(WEST, SOUTH, EAST, NORTH, width, height)}
    with rasterio.MemoryFile() as memory:
        with rasterio.open(memory, "w", **made, **place, **profile) as dataset:
            dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
            dataset.write(bands)
        return memory.read()


def alpha_of(dtype: str) -> NDArray[Any]:
    return np.where(SEEN, np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1, 0)


@pytest.mark.parametrize(
    ("bits", "dtype"),
    [(1, "uint8"), (2, "uint8"), (4, "uint8"), (7, "uint8"), (12, "uint16"), (15, "uint16"), (24, "uint32")],
)
def test_shows_samples_of_unusual_bit_depths(show: Callable[..., Shown], bits: int, dtype: str):
    values = (COUNT * 37 % 2**bits).astype(dtype)[None]
    shown = show(image(values, nbits=bits))
    assert shown.has(values)
    assert (shown.colours()[..., 3] == 255).all()


def test_shows_floats_of_16_bits(show: Callable[..., Shown]):
    values = (COUNT / 8).astype(np.float32)[None]
    assert show(image(values, nbits=16)).has(values)


@pytest.mark.parametrize("bits", [1, 4, 12, 15])
def test_shows_jpeg_2000_of_unusual_bit_depths(show: Callable[..., Shown], tmp_path: Path, bits: int):
    values = (COUNT * 83 % 2**bits).astype(np.uint16 if bits > 8 else np.uint8)[None]
    with rasterio.MemoryFile(image(values)) as memory, memory.open() as dataset:
        copy(dataset, tmp_path / "made.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", NBITS=str(bits))
    assert show((tmp_path / "made.jp2").read_bytes(), ".jp2").has(values)


def test_accepts_jpeg_2000_of_15_bits_over_rest(laptop: TestClient, tmp_path: Path):
    """Like the files of Sentinel-2, with overviews in their wavelets."""
    values = (np.arange(2000 * 2000) % 2**15).astype(np.uint16).reshape(1, 2000, 2000)
    with rasterio.MemoryFile(world(values, 10, 40, 11, 41)) as memory, memory.open() as dataset:
        copy(dataset, tmp_path / "made.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", NBITS="15")
    kept = keep(laptop, (tmp_path / "made.jp2").read_bytes(), kind="image")
    assert value_at(laptop, kept, 10 + 700.5 / 2000, 41 - 1100.5 / 2000) == [float(values[0, 1100, 700])]


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_shows_each_data_type_only_at_its_location(show: Callable[..., Shown], dtype: str):
    values = (COUNT - (100 if dtype.startswith(("int", "float")) else 0)).astype(dtype)[None]
    shown = show(image(values))
    assert shown.has(values)
    assert (shown.colours()[..., 3] == 255).all()
    assert shown.colour(EAST + 0.2, SOUTH + 0.5)[3] == 0  # outside the image, in the same tile


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64", "float32", "float64"]
)
def test_the_nodata_value_of_each_data_type_is_no_data(show: Callable[..., Shown], dtype: str):
    values = np.where(SEEN, COUNT % 50, 99).astype(dtype)[None]
    shown = show(image(values, nodata=99))
    expected = np.where(SEEN, values.astype(float), np.nan)
    assert shown.has(expected)
    assert np.array_equal(shown.colours()[..., 3], np.where(SEEN, 255, 0))
    assert shown.bands[0]["maximum"] == 49


def test_nan_is_no_data_with_and_without_a_nodata_value(show: Callable[..., Shown]):
    values = np.where(SEEN, COUNT, np.nan).astype(np.float32)[None]
    for profile in ({}, {"nodata": np.nan}, {"nodata": -9999}):
        shown = show(image(values, **profile))
        assert shown.has(values)
        assert np.array_equal(shown.colours()[..., 3], np.where(SEEN, 255, 0))
        assert (shown.bands[0]["minimum"], shown.bands[0]["maximum"]) == (100, 399)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("nodata", [None, 7])
def test_alpha_masks_all_bands_in_addition_to_a_nodata_value(
    show: Callable[..., Shown], count: int, dtype: str, nodata: float | None
):
    values = np.stack([(COUNT + band) % 200 for band in range(count)]).astype(dtype)
    shown = show(with_alpha(values, alpha_of(dtype), nodata=nodata))
    valid = SEEN & (values != nodata) if nodata is not None else np.broadcast_to(SEEN, values.shape)
    assert len(shown.bands) == count
    assert shown.has(np.where(valid, values.astype(float), np.nan))
    any_valid = valid[: 3 if count >= 3 else 1].any(axis=0)
    assert np.array_equal(shown.colours()[..., 3], np.where(any_valid, 255, 0))
    assert [band["minimum"] for band in shown.bands] == [values[band][valid[band]].min() for band in range(count)]


def test_alpha_of_255_in_16_bits_is_opaque(show: Callable[..., Shown]):
    values = np.stack([COUNT] * 3).astype(np.uint16)
    colours = show(with_alpha(values, np.where(SEEN, 255, 0))).colours()
    assert np.array_equal(colours[..., 3], np.where(SEEN, 255, 0))


def test_keeps_partly_transparent_colours(show: Callable[..., Shown]):
    values = np.full((3, SIDE, SIDE), 90, np.uint8)
    colours = show(with_alpha(values, np.full((SIDE, SIDE), 128), photometric="RGB")).colours()
    assert np.array_equal(colours, np.broadcast_to([90, 90, 90, 128], colours.shape))


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("nodata", [None, 150])
def test_applies_the_mask_of_a_file_in_addition_to_a_nodata_value(
    show: Callable[..., Shown], tmp_path: Path, count: int, dtype: str, nodata: float | None
):
    values = np.stack([COUNT % 200] * count).astype(dtype)
    content = image(values, nodata=nodata, photometric="MINISBLACK", alpha="NO")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        content = edited(tmp_path, content, lambda dataset: dataset.write_mask(SEEN))
    shown = show(content)
    valid = SEEN & (values[0] != (-1 if nodata is None else nodata))
    assert shown.has(np.where(valid, values.astype(float), np.nan))
    assert np.array_equal(shown.colours()[..., 3], np.where(valid, 255, 0))


def test_overviews_do_not_average_no_data_into_values(show: Callable[..., Shown], tmp_path: Path):
    """The overviews in the file average the colours behind alpha."""
    values = np.full((4, 2000, 2000), 1000, np.uint16)
    alpha = np.zeros((2000, 2000), np.uint16)
    alpha[::2, ::2] = 65535
    values[:, alpha == 0] = 60_000
    content = with_alpha(values, alpha, tiled=True)
    shown = show(edited(tmp_path, content, lambda made: made.build_overviews([2, 4, 8], Resampling.average)))
    assert (shown.bands[0]["minimum"], shown.bands[0]["maximum"]) == (1000, 1000)


def test_applies_scale_and_offset_to_values_statistics_and_colours(show: Callable[..., Shown], tmp_path: Path):
    values = np.stack([COUNT, COUNT[::-1]]).astype(np.int16)
    values[:, ~SEEN] = -1

    def calibrate(dataset: Any) -> None:
        dataset.scales, dataset.offsets = (0.1, -2), (-5, 300)

    shown = show(edited(tmp_path, image(values, nodata=-1), calibrate))
    expected = np.where(SEEN, np.stack([values[0] * 0.1 - 5, values[1] * -2.0 + 300]), np.nan)
    assert shown.has(expected)
    for band, described in enumerate(shown.bands):
        valid = expected[band][SEEN]
        assert (described["minimum"], described["maximum"]) == pytest.approx((valid.min(), valid.max()))
        assert described["mean"] == pytest.approx(valid.mean())
        assert described["stretch"] == pytest.approx(list(np.percentile(valid, (2, 98))))
    shown.dataset.details |= {"limits": [-5, 34.9], "colormap": "Greys"}
    grey = shown.colours()[..., 0].astype(int)
    assert (np.diff(grey[5:, 0]) < 0).all()  # greater values are darker


def test_stretches_colours_over_the_valid_values_of_a_band(show: Callable[..., Shown]):
    values = np.where(SEEN, 10 + COUNT % 3, 255).astype(np.uint8)[None]
    shown = show(image(values, nodata=255))
    assert shown.bands[0]["stretch"] == [10, 12]
    assert len(np.unique(shown.colours()[SEEN], axis=0)) == 3


def test_an_image_of_one_value_is_not_black(show: Callable[..., Shown]):
    for count in (1, 3):
        colours = show(image(np.full((count, SIDE, SIDE), 2000, np.uint16))).colours()
        assert (colours[..., :3].max(axis=2) > 60).all()


def test_a_palette_hides_no_data(show: Callable[..., Shown]):
    table = {0: (5, 6, 7, 255), 1: (10, 200, 30, 255), 2: (1, 2, 3, 255)}
    values = (COUNT % 3).astype(np.uint8)[None]
    made = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "dtype": "uint8", "crs": "EPSG:4326"}
    for bits in (2, 8):
        with rasterio.MemoryFile() as memory:
            place = from_bounds(WEST, SOUTH, EAST, NORTH, SIDE, SIDE)
            with rasterio.open(
                memory, "w", transform=place, photometric="palette", nbits=bits, nodata=2, **made
            ) as dataset:
                dataset.write(values)
                dataset.write_colormap(1, table)
            colours = show(memory.read()).colours()
        expected = np.array([table[0], table[1], (0, 0, 0, 0)])[values[0]]
        assert np.array_equal(colours[..., 3], expected[..., 3])
        assert np.array_equal(colours[values[0] < 2], expected[values[0] < 2])


@pytest.mark.parametrize(("space", "count"), [("YCBCR", 3), ("CMYK", 4)])
def test_converts_other_colour_spaces_to_rgb(show: Callable[..., Shown], space: str, count: int):
    values = np.zeros((count, SIDE, SIDE), np.uint8)
    values[0] = 200
    compress = {"compress": "JPEG", "JPEG_QUALITY": 100} if space == "YCBCR" else {}
    colours = show(image(values, photometric=space, **compress)).colours()
    expected = [200, 0, 0, 255] if space == "YCBCR" else [55, 255, 255, 255]  # cyan removes red
    assert np.abs(colours.astype(int) - expected).max() <= 4


def png(values: NDArray[Any], bits: int, kind: int, transparent: bytes = b"") -> bytes:
    """A PNG with the samples (height, width, samples)."""
    height, width, _ = values.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b""
    for row in values.reshape(height, -1):
        if bits == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        else:
            rows += b"\0" + np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tRNS", transparent) if transparent else b"",
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
CORNERS = Box(WEST, SOUTH, EAST, NORTH)
BOTH = np.where(np.arange(SIDE) < SIDE // 2, 0, 1)
"""Two halves of a row."""


def halves(picture: Shown) -> tuple[list[int], list[int]]:
    """The colours of the left and the right half of a picture."""
    left, right = picture.colour(WEST + 0.25, 40.5), picture.colour(EAST - 0.25, 40.5)
    return left.tolist(), right.tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [True, False])
def test_stretches_a_grey_png_of_few_bits_over_all_greys(show: Callable[..., Shown], bits: int, transparent: bool):
    most = 2**bits - 1
    values = np.broadcast_to(BOTH * most, (SIDE, SIDE))[..., None]
    hidden = struct.pack(">H", most) if transparent else b""
    left, right = halves(show(png(values, bits, GREY, hidden), ".png", CORNERS))
    assert left == [0, 0, 0, 255]
    assert right == ([255, 255, 255, 255] if not transparent else [*right[:3], 0])


def test_keeps_the_values_of_a_grey_png_of_16_bits(show: Callable[..., Shown]):
    values = np.broadcast_to(np.where(BOTH, 2700, 300), (SIDE, SIDE))[..., None]
    picture = show(png(values, 16, GREY), ".png", CORNERS)
    assert [picture.at(2, 10), picture.at(15, 10)] == [[300.0], [2700.0]]
    left, right = halves(picture)
    assert left != right
    hidden = show(png(values, 16, GREY, struct.pack(">H", 300)), ".png", CORNERS)
    assert [hidden.at(2, 10), hidden.at(15, 10)] == [[None], [2700.0]]
    assert [colour[3] for colour in halves(hidden)] == [0, 255]


@pytest.mark.parametrize("alpha", [True, False])
def test_keeps_the_values_and_colours_of_a_colour_png_of_16_bits(show: Callable[..., Shown], alpha: bool):
    pixel = np.array([30_000, 20_000, 10_000] + [65_535] * alpha)
    values = np.broadcast_to(pixel, (SIDE, SIDE, len(pixel))).copy()
    if alpha:
        values[:, : SIDE // 2, 3] = 0
    picture = show(png(values, 16, RGB_ALPHA if alpha else RGB), ".png", CORNERS)
    left, right = halves(picture)
    assert picture.at(15, 10) == [30_000.0, 20_000.0, 10_000.0]
    assert np.abs(np.array(right) - [117, 78, 39, 255]).max() <= 1  # each divided by 257
    assert left[3] == (0 if alpha else 255)


def _gcps(dataset: Any) -> None:
    corners = [(0, 0, WEST, NORTH), (0, SIDE, EAST, NORTH), (SIDE, 0, WEST, SOUTH)]
    dataset.gcps = ([GroundControlPoint(*corner) for corner in corners], rasterio.crs.CRS.from_epsg(4326))


NOWHERE: dict[str, Any] = {"crs": None, "transform": rasterio.Affine.identity()}
LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("profile", "edit", "reason"),
    [
        (NOWHERE, None, "has no georeference; save it with its coordinate system"),
        (NOWHERE | {"crs": "EPSG:4326"}, None, "has no georeference; save it"),
        (NOWHERE, _gcps, "is only placed by ground control points"),
        ({"crs": None}, None, "has a geotransform but no coordinate reference system"),
        (
            {"crs": LOCAL},
            None,
            "cannot be located: its coordinate reference system is neither geographic nor projected",
        ),
    ],
    ids=["nothing", "crs", "gcps", "transform", "engineering"],
)
def test_the_error_gives_the_reason_why_an_image_cannot_be_located(
    show: Callable[..., Shown], tmp_path: Path, profile: dict[str, Any], edit: Any, reason: str
):
    place = {"crs": "EPSG:4326", "transform": from_bounds(WEST, SOUTH, EAST, NORTH, SIDE, SIDE)}
    content = geotiff(COUNT.astype(np.float32)[None], **place | profile)
    if edit is not None:
        content = edited(tmp_path, content, edit)
    with pytest.raises(RequestError, match=reason):
        show(content)


def test_locates_the_disk_of_a_geostationary_satellite(show: Callable[..., Shown]):
    """The corners of its image are not on the globe."""
    disk = "+proj=geos +h=35785831 +lon_0=-75 +sweep=x +datum=WGS84"
    place = from_bounds(-5.5e6, -5.5e6, 5.5e6, 5.5e6, 200, 200)
    shown = show(geotiff(np.ones((1, 200, 200), np.float32), disk, place))
    assert [band["value"] for band in rendering.values_at(shown.datasets, shown.dataset, -75, 0)] == [1.0]
    assert shown.colour(-75, 0, 3)[3] == 255


@pytest.mark.parametrize("turns", [-2, -1, 1, 2])
def test_normalizes_longitudes_beyond_one_turn_of_the_globe(show: Callable[..., Shown], turns: int):
    there = from_bounds(WEST + 360 * turns, SOUTH, EAST + 360 * turns, NORTH, SIDE, SIDE)
    shown = show(geotiff(COUNT[np.newaxis].astype("int16"), "EPSG:4326", there))
    assert shown.has(COUNT[np.newaxis])
    assert (shown.colours()[..., 3] == 255).all()


@pytest.mark.parametrize("crs", ["EPSG:4978", "EPSG:5773"])
def test_refuses_an_image_without_a_geographic_or_projected_crs(show: Callable[..., Shown], crs: str):
    with pytest.raises(RequestError, match="cannot be located: its coordinate reference system is neither geographic"):
        show(geotiff(COUNT[np.newaxis].astype("int16"), crs))


def test_reports_a_damaged_image(laptop: TestClient):
    values = np.random.default_rng(0).integers(0, 2**16, (1, 500, 500), np.uint16)
    content = world(values, 10, 40, 11, 41)
    refused = keep(laptop, content[: len(content) // 2], 422, kind="image")
    assert "damaged or incomplete" in refused["detail"]
