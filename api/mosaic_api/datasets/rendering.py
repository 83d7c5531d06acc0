"""Tiles and values of images, read from their display copies."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from affine import Affine
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, places_in
from mosaic_worker.output.colormaps import palette
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from mosaic_api.database import Dataset
from mosaic_api.datasets.reader.bands import nodata_of
from mosaic_api.results.open_cogs import OpenCogs
from mosaic_api.results.tiles import SIDE, WORLD, TileAddress, empty, png
from mosaic_api.web.problems import NotFound

USUAL_COLORMAP = "viridis"
_ENDLESS_MERCATOR = CRS.from_string("+proj=merc +a=6378137 +b=6378137 +units=m +over +no_defs")
_WEB_MERCATOR = CRS.from_epsg(3857)


def tile(
    cogs: OpenCogs,
    dataset: Dataset,
    place: TileAddress,
    colormap: str | None,
    limits: tuple[float, float] | None,
) -> bytes:
    """A tile of a web map as PNG, 256 pixels, transparent where there is no data.

    Without a colormap (for one band) or limits (values of the first and the last colour), it has the image's own.

    Raises:
        Invalid: there is no such tile.
        NotFound: the file is missing, or is not an image.
    """
    bands = dataset.details.get("bands", [])
    shown = bands[:3] if len(bands) >= 3 else bands[:1]
    key = _key(dataset)
    stored, alpha = _read(cogs, key, [band["number"] for band in shown], place.grid)
    if not alpha.any():
        return empty()
    if len(shown) == 1 and dataset.details.get("palette"):
        with cogs.taken(key) as raster:
            colours = raster.colormap(1)
        return png(_by_palette(stored[0], alpha > 0, colours))
    values = [_calibrated(numbers, band) for numbers, band in zip(stored, shown, strict=True)]
    if len(shown) == 1:
        lower, upper = limits or dataset.details.get("limits") or shown[0].get("stretch", (0, 1))
        chosen = colormap or dataset.details.get("colormap") or USUAL_COLORMAP
        indexed = Image.fromarray(np.where(alpha > 0, _stretched(values[0], lower, upper, 1), 0).astype(np.uint8))
        indexed.putpalette(palette(chosen))
        return png(indexed, transparency=0)
    stretches = [limits or band.get("stretch", (0, 1)) for band in shown]
    channels = [_stretched(value, lower, upper, 0) for value, (lower, upper) in zip(values, stretches, strict=True)]
    return png(Image.fromarray(np.dstack([*channels, alpha])))


def values_at(cogs: OpenCogs, dataset: Dataset, longitude: float, latitude: float) -> list[dict[str, Any]]:
    """Name and calibrated value of each band at a point; the value is None if there is no data.

    Raises:
        NotFound: the file is missing, or is not an image.
    """
    bands = dataset.details.get("bands", [])
    with cogs.taken(_key(dataset)) as raster:
        stored = _pixel(raster, [band["number"] for band in bands], longitude, latitude)
    values = [_calibrated(number, band) for number, band in zip(stored, bands, strict=True)]
    return [
        {"name": band["name"], "value": float(value) if np.isfinite(value) else None}
        for band, value in zip(bands, values, strict=True)
    ]


def _pixel(raster: DatasetReader, numbers: Sequence[int], longitude: float, latitude: float) -> NDArray[np.float64]:
    """The stored numbers of bands at a point, (n,); NaN if there is no data."""
    nothing = np.full(len(numbers), np.nan)
    (x,), (y,) = places_in(WGS84, raster.crs.to_wkt(), [longitude], [latitude])
    if not (math.isfinite(x) and math.isfinite(y)):
        return nothing
    for turn in _near(raster):
        column, row = map(math.floor, ~raster.transform @ (x + 360 * turn, y))
        if 0 <= column < raster.width and 0 <= row < raster.height:
            window = ((row, row + 1), (column, column + 1))
            found = raster.read(list(numbers), window=window, masked=True).astype(np.float64)
            pixel: NDArray[np.float64] = np.ma.filled(found, np.nan)[:, 0, 0]
            return pixel
    return nothing


def _calibrated(stored: Any, band: dict[str, Any]) -> Any:
    """Stored numbers with the scale and offset of their band."""
    if "scale" not in band:
        return stored
    return np.asarray(stored, np.float64) * band["scale"] + band["offset"]


def _read(cogs: OpenCogs, key: str, numbers: Sequence[int], piece: Grid) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The pixels of a tile, (bands, 256, 256), and their opacity from 0 to 255, (256, 256)."""
    with cogs.taken(key) as raster:
        values = np.zeros((len(numbers), SIDE, SIDE), raster.dtypes[numbers[0] - 1])
        placed = [
            from_origin(piece.left + turn * WORLD, piece.top, piece.xres, piece.yres) for turn in _turns(raster, piece)
        ]
        levels = [_level(raster, place, numbers) for place in placed]
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    for place, level in zip(placed, levels, strict=True):
        with cogs.taken(key, level) as raster:
            found, seen = _warped(raster, place, numbers)
        values[:, seen > 0] = found[:, seen > 0]
        alpha = np.maximum(alpha, seen)
    return values, alpha


def _warped(raster: DatasetReader, placed: Affine, numbers: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    options: dict[str, Any] = {"crs": _mercator(raster), "transform": placed, "width": SIDE, "height": SIDE}
    has_nodata = nodata_of(raster) is not None
    has_alpha = ColorInterp.alpha in raster.colorinterp
    with WarpedVRT(raster, add_alpha=not (has_nodata or has_alpha), **options) as warped:
        found = warped.read(list(numbers))
        if has_nodata:
            seen = warped.read_masks(list(numbers)).max(axis=0)
        else:  # GDAL's own mask only uses alpha bands of some types
            seen = _opacity(warped.read(raster.colorinterp.index(ColorInterp.alpha) + 1 if has_alpha else warped.count))
    if np.issubdtype(found.dtype, np.floating):
        seen[~np.isfinite(found).all(axis=0)] = 0
    return found, seen


def _opacity(alpha: NDArray[Any]) -> NDArray[np.uint8]:
    """An alpha band from 0 to 255; the warper's own alpha bands only have two values."""
    return alpha if alpha.dtype == np.uint8 else np.where(alpha > 0, 255, 0).astype(np.uint8)


def _mercator(raster: DatasetReader) -> CRS:
    """Web Mercator; for images in degrees, which may exceed 180, a variant without a cut."""
    return _ENDLESS_MERCATOR if raster.crs.is_geographic else _WEB_MERCATOR


def _turns(raster: DatasetReader, piece: Grid) -> list[int]:
    """The numbers of turns around the globe that move a tile onto an image."""
    if not raster.crs.is_geographic:
        return [0]
    west, east = piece.left / WORLD * 360, (piece.left + SIDE * piece.xres) / WORLD * 360
    left, right = sorted((raster.bounds.left, raster.bounds.right))
    return [turn for turn in _near(raster) if west + 360 * turn < right and east + 360 * turn > left]


def _near(raster: DatasetReader) -> range:
    """The numbers of turns around the globe that may move longitudes in [-180, 180] onto an image in degrees."""
    if not raster.crs.is_geographic:
        return range(1)
    turns = math.floor((min(raster.bounds.left, raster.bounds.right) + 180) / 360)
    return range(turns - 1, turns + 2)


def _level(raster: DatasetReader, placed: Affine, numbers: Sequence[int]) -> int:
    """The coarsest overview whose pixels are not larger than those in the middle of a tile; 0 is the full size."""
    places = [placed @ (SIDE / 2 + right, SIDE / 2 + down) for right, down in ((0, 0), (1, 0), (0, 1))]
    xs, ys = places_in(_mercator(raster).to_wkt(), raster.crs.to_wkt(), *zip(*places, strict=True))
    columns, rows = ~raster.transform @ (np.array(xs), np.array(ys))
    covered = abs((columns[1] - columns[0]) * (rows[2] - rows[0]) - (columns[2] - columns[0]) * (rows[1] - rows[0]))
    fitting = [
        number
        for number, factor in enumerate(raster.overviews(numbers[0]), 1)
        if factor**2 <= covered * 1.01 or not math.isfinite(covered)  # outside the projection, any level is cheap
    ]
    return max(fitting, default=0)


def _key(dataset: Dataset) -> str:
    """The key of an image's display copy."""
    if dataset.kind != "image":
        raise NotFound(f"the dataset {dataset.id} is not an image")
    key: str = dataset.files.get("display", dataset.files["original"])["key"]
    return key


def _stretched(values: NDArray[Any], lower: float, upper: float, first: int) -> NDArray[np.uint8]:
    """Stretch values to integers from `first` to 255."""
    span = upper - lower if upper > lower else 1.0
    share = np.clip((np.nan_to_num(values.astype(np.float64)) - lower) / span, 0, 1)
    return np.round(first + share * (255 - first)).astype(np.uint8)


def _by_palette(values: NDArray[Any], there: NDArray[np.bool_], colours: dict[int, tuple[int, ...]]) -> Image.Image:
    table = np.zeros((max(colours) + 2, 4), np.uint8)  # the last colour is for numbers beyond the palette
    for number, colour in colours.items():
        table[number] = colour
    found = table[np.clip(values, 0, len(table) - 1)]
    found[~there] = 0
    return Image.fromarray(found)
