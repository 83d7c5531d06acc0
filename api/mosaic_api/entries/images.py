"""Images, in the child process: looked at, and made into the Cloud Optimized GeoTIFF that tiles are read from."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import WGS84, cut_at_antimeridian
from mosaic_worker.sources.opening import open_raster, raster_environment
from PIL import Image, ImageOps
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.shutil import copy
from rasterio.transform import from_bounds
from rasterio.warp import transform
from shapely.geometry import Polygon, box, mapping

from mosaic_api.entries.boxes import Box, box_around
from mosaic_api.entries.job import Outcome

MOST_BANDS = 100
MOST_PICTURE_PIXELS = 200_000_000
"""Of a PNG or JPEG, which is decoded whole."""
LARGEST_SHOWN_BLOCK = 4 * 2**20
"""Bytes of a decoded block of what is shown."""
LOOKED_AT = 1024
"""Pixels a side, of the overview that statistics are taken from."""
STRIP_ROWS = 256
"""Of a picture that are converted at once; a whole one in four bands would take its memory several times."""
OUTLINE_STEPS = 32
"""In which each side of an image is followed; fewer than 90 degrees apart, so that longitudes stay continuous."""
MERCATOR_LATITUDE = 85.06
"""Where web maps end."""
_COG = {
    "driver": "COG",
    "COMPRESS": "ZSTD",
    "LEVEL": "1",
    "PREDICTOR": "YES",
    "BIGTIFF": "IF_SAFER",
}


def take_image(path: str, max_pixels: int, most_bytes: int, display: str | None) -> Outcome:
    """Look at a georeferenced image, and write what is shown of it.

    Args:
        path: of the file.
        max_pixels: that it may have.
        most_bytes: of the pixels of what is shown, before they are compressed.
        display: path of the COG to write; none if None.

    Raises:
        RequestError: it cannot be used.
    """
    with raster_environment():
        image = open_raster(path, "file")
        try:
            dataset = image.dataset
            _check(dataset, max_pixels)
            outcome = _outcome(dataset)
            if display is not None:
                _check_display(dataset, most_bytes)
                _write_cog(dataset, display)
        finally:
            image.close()
    return outcome


def take_picture(path: str, driver: str, corners: Box, display: str) -> Outcome:
    """Place an ordinary picture by its corners, as web maps do: straight in Mercator's projection.

    Raises:
        RequestError: it cannot be used.
    """
    Image.MAX_IMAGE_PIXELS = None  # in this process; opening reads the size alone, which is bounded here
    try:
        with Image.open(path, formats=[driver]) as opened:
            if opened.width * opened.height > MOST_PICTURE_PIXELS:
                raise RequestError(
                    f"file: the picture has {opened.width} x {opened.height} pixels; at most "
                    f"{MOST_PICTURE_PIXELS:,} are taken of a PNG or JPEG, so send a GeoTIFF, or a smaller one"
                )
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"file: the picture cannot be read ({error}); it is damaged") from None
    width, height = picture.size
    crs = mercator_around(corners)
    xs, ys = transform(
        CRS.from_string(WGS84), crs, [corners.west, corners.unwrapped_east], [corners.south, corners.north]
    )
    placed = from_bounds(xs[0], ys[0], xs[1], ys[1], width, height)
    plain = Path(display).with_suffix(".plain.tif")
    with raster_environment():
        profile = {"driver": "GTiff", "width": width, "height": height, "count": 4, "dtype": "uint8"}
        profile |= {"compress": "ZSTD", "zstd_level": 1, "tiled": True, "blockxsize": 256, "blockysize": 256}
        with rasterio.open(plain, "w", crs=crs, transform=placed, photometric="RGB", alpha="YES", **profile) as made:
            for top in range(0, height, STRIP_ROWS):
                strip = picture.crop((0, top, width, min(top + STRIP_ROWS, height))).convert("RGBA")
                rows = ((top, top + strip.height), (0, width))
                made.write(np.moveaxis(np.asarray(strip), 2, 0), window=rows)
        with rasterio.open(plain) as dataset:
            _write_cog(dataset, display)
            details = _details(dataset) | {"placed": True}
    plain.unlink()
    return Outcome(corners, corners.outline, details)


def mercator_around(corners: Box) -> CRS:
    """Web Mercator, or where the corners lie on both sides of the antimeridian the same with its cut elsewhere."""
    if not corners.crosses:
        return CRS.from_epsg(3857)
    middle = (corners.west + corners.unwrapped_east) / 2
    return CRS.from_string(f"+proj=merc +a=6378137 +b=6378137 +lon_0={middle} +units=m +no_defs")


def _check(dataset: DatasetReader, max_pixels: int) -> None:
    pixels = dataset.width * dataset.height
    if pixels > max_pixels:
        raise RequestError(
            f"file: the image has {dataset.width} x {dataset.height} pixels; at most {max_pixels:,} are taken here"
        )
    if dataset.count > MOST_BANDS:
        raise RequestError(f"file: the image has {dataset.count} bands; at most {MOST_BANDS} are taken")
    if dataset.crs is None or dataset.transform == Affine.identity():
        raise RequestError(
            "file: the image does not say where it is; save it with its coordinate system (such as gdalwarp does), or "
            "send it as PNG or JPEG with its corners"
        )
    if any(kind.startswith("complex") for kind in dataset.dtypes):
        raise RequestError("file: the image has complex numbers, of which no picture is made; send their magnitude")
    if len(set(dataset.dtypes)) > 1:
        raise RequestError("file: the image's bands are of several types; save them as one")


def _check_display(dataset: DatasetReader, most_bytes: int) -> None:
    """Refuse an image before hours and gigabytes go into what is shown of it; a small file may repeat one tile."""
    size = dataset.width * dataset.height * _pixel_bytes(dataset) * 4 // 3  # with overviews
    if size > most_bytes:
        raise RequestError(
            f"file: the image has {dataset.width} x {dataset.height} pixels in {dataset.count} bands, together "
            f"{size / 2**30:.1f} GiB; at most {most_bytes / 2**30:.1f} GiB are shown here, so send it in parts"
        )


def _pixel_bytes(dataset: DatasetReader) -> int:
    """Bytes of a pixel in all bands."""
    return sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)


def _block_side(dataset: DatasetReader) -> int:
    """Pixels a side of a block of what is shown; each dataset that is kept open holds a decoded one with all bands."""
    return next((side for side in (256, 128) if side**2 * _pixel_bytes(dataset) <= LARGEST_SHOWN_BLOCK), 64)


def _write_cog(dataset: DatasetReader, display: str) -> None:
    """As GDAL writes it: overviews whose numbers may be classes are not averaged."""
    whole = np.issubdtype(np.dtype(dataset.dtypes[0]), np.integer)
    resampling = "NEAREST" if whole and dataset.count < 3 else "AVERAGE"
    copy(dataset, display, OVERVIEW_RESAMPLING=resampling, BLOCKSIZE=str(_block_side(dataset)), **_COG)


def _outcome(dataset: DatasetReader) -> Outcome:
    outline = _outline(dataset)
    west, south, east, north = outline.bounds
    return Outcome(box_around(west, south, east, north), dict(mapping(cut_at_antimeridian(outline))), _details(dataset))


def _outline(dataset: DatasetReader) -> Polygon:
    """The outline in degrees, its longitudes continuous.

    Raises:
        RequestError: its place is not on the globe.
    """
    steps = np.linspace(0, 1, OUTLINE_STEPS, endpoint=False)
    columns = np.concatenate([steps, np.ones_like(steps), 1 - steps, np.zeros_like(steps)]) * dataset.width
    rows = np.concatenate([np.zeros_like(steps), steps, np.ones_like(steps), 1 - steps]) * dataset.height
    xs, ys = dataset.transform @ (columns, rows)
    longitudes, latitudes = map(np.asarray, transform(dataset.crs, CRS.from_string(WGS84), xs, ys))
    there = np.isfinite(longitudes) & np.isfinite(latitudes) & (np.abs(latitudes) <= 90.001)
    if there.sum() < 4:
        raise RequestError("file: the image's place is nowhere on the globe; check its coordinate system")
    longitudes, latitudes = np.unwrap(longitudes[there], period=360), np.clip(latitudes[there], -90, 90)
    south, north = float(latitudes.min()), float(latitudes.max())
    pole = _pole_inside(dataset)
    if pole is not None:
        return box(-180, -90 if pole < 0 else south, 180, 90 if pole > 0 else north)
    if longitudes.max() - longitudes.min() >= 360:
        return box(-180, south, 180, north)
    turns = np.floor(((longitudes.max() + longitudes.min()) / 2 + 180) / 360)
    outline = Polygon(np.column_stack([longitudes - 360 * turns, latitudes]))
    if outline.is_valid and outline.area > 0:
        return outline
    return box(*outline.bounds)


def _pole_inside(dataset: DatasetReader) -> int | None:
    """Which pole lies within the image: 90, -90 or None."""
    if dataset.crs.is_geographic:
        return None
    for pole in (90, -90):
        try:
            xs, ys = transform(CRS.from_string(WGS84), dataset.crs, [0.0], [float(pole)])
        except rasterio.errors.RasterioError:
            continue
        if np.isfinite([xs[0], ys[0]]).all():
            column, row = ~dataset.transform @ (xs[0], ys[0])
            if 0 < column < dataset.width and 0 < row < dataset.height:
                return pole
    return None


def _details(dataset: DatasetReader) -> dict[str, Any]:
    """What is shown of an image: its size, and its bands with their statistics."""
    shrink = max(1.0, dataset.width / LOOKED_AT, dataset.height / LOOKED_AT)
    shape = (max(1, round(dataset.height / shrink)), max(1, round(dataset.width / shrink)))
    numbers = [
        number for number, kind in enumerate(dataset.colorinterp, 1) if kind is not ColorInterp.alpha
    ] or dataset.indexes
    return {
        "width": dataset.width,
        "height": dataset.height,
        "crs": dataset.crs.to_string()[:200],
        "resolution": [abs(dataset.transform.a), abs(dataset.transform.e)],
        "palette": ColorInterp.palette in dataset.colorinterp,
        "bands": [_band(dataset, number, shape) for number in numbers],
    }


def _band(dataset: DatasetReader, number: int, shape: tuple[int, int]) -> dict[str, Any]:
    """A band; its statistics are those of an overview, and its stretch leaves 2 % out at each end."""
    described: dict[str, Any] = {
        "number": number,
        "name": _clean(dataset.descriptions[number - 1] or f"band {number}"),
        "type": dataset.dtypes[number - 1],
    }
    masked = MaskFlags.all_valid not in dataset.mask_flag_enums[number - 1]
    values = dataset.read(number, out_shape=shape, masked=masked)
    values = values.compressed() if masked else values.ravel()
    values = values[np.isfinite(values)].astype(float)
    if values.size == 0:
        return described
    limits = (0.0, 255.0) if described["type"] == "uint8" else tuple(map(float, np.percentile(values, (2, 98))))
    return described | {
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean()),
        "stretch": list(limits),
    }


def _clean(text: str) -> str:
    """A name out of a file, as a table and a page can hold it."""
    return "".join(letter for letter in text if letter.isprintable())[:100]
