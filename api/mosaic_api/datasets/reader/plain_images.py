"""Places ordinary pictures by their corners, and makes the file for their tiles."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.projection import WGS84
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.gdal_opening import open_gdal
from PIL import Image, ImageOps
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds
from rasterio.warp import transform

from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.reader.bands import details_of
from mosaic_api.datasets.reader.cogs import BLOCK_SIDE, PLAIN, write_cog
from mosaic_api.datasets.reader.job import Outcome

MOST_PICTURE_PIXELS = 200_000_000
"""Of a PNG or JPEG, which is decoded as a whole."""
STRIP_ROWS = 256
"""Rows that are converted in one step; a whole picture in four bands would need several times its memory."""
DEPTH_AT, KIND_AT = 24, 25
"""Offsets in a PNG: the bit depth, and the colour type."""
DEEP, GREY = 16, 0
DEEPEST = 2**16 - 1
COLOURS = 3


def take_picture(path: str, driver: str, corners: Box, display: str) -> Outcome:
    """Place a PNG or JPEG by its corners, straight in Web Mercator, and write its display copy as a COG.

    Pictures of 8 bits become red, green, blue and alpha. PNGs of 16 bits keep their samples, which may be heights.

    Raises:
        RequestError: it cannot be used.
    """
    head = _head(path, driver)
    deep = driver == "PNG" and head[DEPTH_AT] == DEEP
    plain = Path(display).with_suffix(".plain.tif")
    with raster_environment():
        if deep:
            _write_deep(path, corners, plain)
        else:
            _write_plain(_opened(path, driver, head), corners, plain)
        with rasterio.open(plain) as dataset:
            write_cog(dataset, display)
        with rasterio.open(display) as shown:
            details = details_of(shown) | {"placed": True}
    plain.unlink()
    if deep and len(details["bands"]) == COLOURS:
        details["bands"] = [band | {"stretch": [0.0, DEEPEST]} for band in details["bands"]]
    return Outcome(corners, corners.outline, details)


def mercator_around(corners: Box) -> CRS:
    """Web Mercator; around the antimeridian, the same with another central meridian."""
    if not corners.crosses:
        return CRS.from_epsg(3857)
    middle = (corners.west + corners.unwrapped_east) / 2
    return CRS.from_string(f"+proj=merc +a=6378137 +b=6378137 +lon_0={middle} +units=m +no_defs")


def _head(path: str, driver: str) -> bytes:
    """The first bytes of a picture; refuse one that is too large or damaged."""
    Image.MAX_IMAGE_PIXELS = None  # for this process: opening only reads the size, which is checked here
    with _explained(), Image.open(path, formats=[driver]) as opened:
        width, height = opened.size
    if width * height > MOST_PICTURE_PIXELS:
        raise RequestError(
            f"file: the picture has {width} x {height} pixels; at most {MOST_PICTURE_PIXELS:,} are allowed in PNG and "
            "JPEG; upload a GeoTIFF, or a smaller one"
        )
    with Path(path).open("rb") as file:
        return file.read(KIND_AT + 1)


def _opened(path: str, driver: str, head: bytes) -> Image.Image:
    """A picture of 8 bits, rotated as its EXIF data say."""
    with _explained(), Image.open(path, formats=[driver]) as opened:
        depth = head[DEPTH_AT] if driver == "PNG" and head[KIND_AT] == GREY else 8
        if 1 < depth < 8 and "transparency" in opened.info:  # Pillow scales the samples to 8 bits, but not this one
            opened.info["transparency"] = opened.info["transparency"] * 255 // (2**depth - 1)
        picture = ImageOps.exif_transpose(opened)
        picture.load()
    return picture


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"file: the picture cannot be read ({error}); it is damaged") from None


def _write_plain(picture: Image.Image, corners: Box, plain: Path) -> None:
    width, height = picture.size
    profile = _profile(corners, width, height) | {"count": 4, "dtype": "uint8", "photometric": "RGB", "alpha": "YES"}
    with rasterio.open(plain, "w", **profile) as made:
        for top in range(0, height, STRIP_ROWS):
            strip = picture.crop((0, top, width, min(top + STRIP_ROWS, height))).convert("RGBA")
            made.write(np.moveaxis(np.asarray(strip), 2, 0), window=_rows(top, strip.height, width))


def _write_deep(path: str, corners: Box, plain: Path) -> None:
    """Write the samples of a PNG of 16 bits, which Pillow would clip to 8; with a mask if it has transparency."""
    image = open_gdal(path, "file")
    try:
        dataset = image.dataset
        shown = [number for number, kind in enumerate(dataset.colorinterp, 1) if kind is not ColorInterp.alpha]
        masked = len(shown) < dataset.count or dataset.nodata is not None
        profile = _profile(corners, dataset.width, dataset.height) | {"count": len(shown), "dtype": "uint16"}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(plain, "w", photometric="MINISBLACK", alpha="NO", **profile) as made,
        ):
            for top in range(0, dataset.height, STRIP_ROWS):
                rows = _rows(top, min(STRIP_ROWS, dataset.height - top), dataset.width)
                made.write(dataset.read(shown, window=rows), window=rows)
                if masked:
                    made.write_mask(dataset.dataset_mask(window=rows) > 0, window=rows)
    finally:
        image.close()


def _profile(corners: Box, width: int, height: int) -> dict[str, object]:
    """The profile of an image between corners."""
    crs = mercator_around(corners)
    xs, ys = transform(
        CRS.from_string(WGS84), crs, [corners.west, corners.unwrapped_east], [corners.south, corners.north]
    )
    placed: Affine = from_bounds(xs[0], ys[0], xs[1], ys[1], width, height)
    size = {"width": width, "height": height, "blockxsize": BLOCK_SIDE, "blockysize": BLOCK_SIDE}
    return PLAIN | size | {"crs": crs, "transform": placed}


def _rows(top: int, count: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (top, top + count), (0, width)
