"""The picture of a mosaic: 8 bits, in Web Mercator, so that it lies straight on a web map."""

import io
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.warp import Resampling, reproject, transform
from rasterio.windows import Window

from mosaic_worker.geometry.grid import Bounds, Grid, crs_of, projected_bounds
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.png import Strip, png

WEB_MERCATOR = "EPSG:3857"
EARTH_RADIUS = 6378137.0
"""Of the sphere of EPSG:3857, metres."""
LARGEST_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""85.051 degrees, where Web Mercator is cut so that it is square."""
LARGEST_SIDE = 8192
"""Pixels; beyond what a screen can use, the COG is what one looks at."""
THUMBNAIL_SIDE = 512
STRIP_ROWS, CHUNK_COLUMNS = 512, 1024
"""Pixels that are warped at once, which bounds the memory."""
MOST_THREADS = 8
CACHE_BYTES = 128 * 2**20
"""For decoded blocks of the mosaic."""
OPEN_PARTS = 16
"""Parts of the mosaic that GDAL holds open at once, each with a megabyte of buffers."""
CACHE_ROWS = 32
"""Rows stretched at once, which stay in a core's cache."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture and where it lies.

    Attributes:
        png: the file.
        thumbnail: a PNG of it, at most 512 pixels a side.
        width, height: pixels.
        transform: from (column, row) to metres of EPSG:3857; beyond the antimeridian x goes on.
        reduction: how many pixels of the mosaic a side were one when the picture was made; 1 for the mosaic itself.
    """

    png: bytes
    thumbnail: bytes
    width: int
    height: int
    transform: Affine
    reduction: int

    @property
    def bounds(self) -> Bounds:
        """The outer edges, metres of EPSG:3857."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return (left, bottom, right, top)


def render(
    path_of_level: Callable[[int], str],
    levels: int,
    grid: Grid,
    stretch: Sequence[tuple[float, float]],
    colormap: str,
    largest_side: int = LARGEST_SIDE,
) -> Picture:
    """Colour a mosaic.

    Args:
        path_of_level: gives what GDAL opens for a level of the mosaic; one band is coloured, of three a colour picture
            is made.
        levels: how many there are: full size, half, …
        grid: the mosaic's pixels.
        stretch: for each of these bands the values that get the first and the last colour; values beyond get the same.
        colormap: for one band.
        largest_side: pixels; a larger mosaic is taken from an overview.
    """
    target, native = _target(grid, largest_side)
    level = min(levels - 1, max(0, int(math.log2(target.xres / native) + 1e-9)))
    colours = palette(colormap) if len(stretch) == 1 else None
    factor = max(1, max(target.width, target.height) // (2 * THUMBNAIL_SIDE))
    small: list[Bytes] = []

    def strips() -> Iterator[Strip]:
        for strip, sample in threads.map(lambda row: painter.strip(row, factor), range(0, target.height, STRIP_ROWS)):
            small.append(sample)
            yield strip

    with (
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_MAX_DATASET_POOL_SIZE=OPEN_PARTS),
        warnings.catch_warnings(),  # around the threads: those that rasterio puts around each warp are not safe in them
        _quietly_opened(path_of_level(level)) as mosaic,
        ThreadPoolExecutor(min(MOST_THREADS, len(os.sched_getaffinity(0)))) as threads,
    ):
        painter = _Painter(mosaic, Lock(), grid.reduced(2**level), target, stretch)
        content = io.BytesIO()  # joining pieces would hold all of them twice
        content.writelines(png(target.width, target.height, colours, strips()))
    thumbnail = _thumbnail(np.concatenate(small), colours)
    return Picture(content.getvalue(), thumbnail, target.width, target.height, target.transform, 2**level)


def _quietly_opened(path: str) -> rasterio.io.DatasetReader:
    """Open an image whose place is known from elsewhere."""
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    return rasterio.open(path)


@dataclass(frozen=True)
class _Painter:
    """Makes strips of a picture, in any thread.

    Attributes:
        mosaic: the level that is shown, open once, so that each block is decoded once.
        reading: held while it is read, which GDAL allows to one thread at a time.
        grid: of that level.
        target: the picture's grid.
        stretch: for each band.
    """

    mosaic: rasterio.io.DatasetReader
    reading: Lock
    grid: Grid
    target: Grid
    stretch: Sequence[tuple[float, float]]

    def strip(self, row: int, factor: int) -> tuple[Strip, Bytes]:
        """The strip that starts at a row, and every so many pixels of it, for a thumbnail."""
        height = min(STRIP_ROWS, self.target.height - row)
        indexes = np.zeros((len(self.stretch), height, self.target.width), np.uint8)
        for column in range(0, self.target.width, CHUNK_COLUMNS):
            width = min(CHUNK_COLUMNS, self.target.width - column)
            indexes[:, :, column : column + width] = self._chunk(self.target.window(column, row, width, height))
        pixels = _channels(indexes)
        return Strip(pixels), pixels[-row % factor :: factor, ::factor]

    def _chunk(self, chunk: Grid) -> Bytes:
        window = _source_window(chunk, self.grid)
        if window is None:
            return np.zeros((len(self.stretch), chunk.height, chunk.width), np.uint8)
        part = self.grid.window(window.col_off, window.row_off, window.width, window.height)
        with self.reading:
            values = _values(self.mosaic, window, len(self.stretch))
        return _warped(stretch_to_bytes(values, self.stretch), part, chunk)


def stretch_to_bytes(values: NDArray[np.float32], stretch: Sequence[tuple[float, float]]) -> Bytes:
    """Values (bands, height, width) as 1 to 255 between the limits of their band, clamped; 0 where there is no data."""
    found = np.empty(values.shape, np.uint8)
    for band, (lower, upper) in enumerate(stretch):
        for row in range(0, values.shape[1], CACHE_ROWS):
            rows = values[band, row : row + CACHE_ROWS]
            if upper > lower:
                share = rows - np.float32(lower)
                share *= np.float32(254 / (upper - lower))
                np.rint(np.clip(share, 0, 254, out=share), out=share)
                share += 1
            else:
                share = np.where(np.isnan(rows), rows, np.float32(128))
            np.nan_to_num(share, copy=False, nan=0)
            found[band, row : row + CACHE_ROWS] = share
    return found


def _channels(indexes: Bytes) -> Bytes:
    """Indexes (1, height, width) as (height, width, 1); colours (3, …) as (…, 4), transparent where any is 0."""
    if len(indexes) == 1:
        return indexes[0, :, :, np.newaxis]
    alpha = np.where((indexes > 0).all(axis=0), 255, 0).astype(np.uint8)
    pixels = np.dstack([*indexes, alpha])
    pixels[alpha == 0] = 0
    return pixels


def _thumbnail(pixels: Bytes, colours: bytes | None) -> bytes:
    """A PNG of pixels as `_channels` gives them, at most 512 a side."""
    if colours is None:
        image = Image.fromarray(pixels, "RGBA")
    else:
        table = np.column_stack([np.frombuffer(colours, np.uint8).reshape(256, 3), np.full(256, 255, np.uint8)])
        table[0, 3] = 0
        image = Image.fromarray(table[pixels[:, :, 0]], "RGBA")
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return content.getvalue()


def _target(grid: Grid, largest_side: int) -> tuple[Grid, float]:
    """The picture's grid, and the resolution that keeps the mosaic's own number of pixels on its diagonal."""
    left, bottom, right, top = _web_mercator_bounds(grid)
    native = math.hypot(right - left, top - bottom) / math.hypot(grid.width, grid.height)
    resolution = max(native, max(right - left, top - bottom) / largest_side)
    width = max(1, round((right - left) / resolution))
    height = max(1, round((top - bottom) / resolution))
    return Grid(WEB_MERCATOR, left, top, resolution, resolution, width, height), native


def _web_mercator_bounds(grid: Grid) -> Bounds:
    """The mosaic's bounds, cut where Web Mercator ends, continuous across the antimeridian."""
    steps = np.linspace(0, 1, 65)
    columns = np.concatenate([steps, steps, np.zeros(65), np.ones(65)]) * grid.width
    rows = np.concatenate([np.zeros(65), np.ones(65), steps, steps]) * grid.height
    xs, ys = grid.left + columns * grid.xres, grid.top - rows * grid.yres
    found = transform(crs_of(grid.crs), crs_of("EPSG:4326"), xs.tolist(), ys.tolist())
    longitudes, latitudes = np.array(found[0]), np.array(found[1])
    if _holds_pole(grid):
        longitudes = np.array([-180.0, 180.0])
        latitudes = np.append(latitudes, math.copysign(LARGEST_LATITUDE, latitudes.mean()))
    elif not crs_of(grid.crs).is_geographic:
        longitudes = longitudes[0] + (longitudes - longitudes[0] + 180) % 360 - 180
    latitudes = np.clip(latitudes, -LARGEST_LATITUDE, LARGEST_LATITUDE)
    x = EARTH_RADIUS * np.radians(longitudes)
    y = EARTH_RADIUS * np.arcsinh(np.tan(np.radians(latitudes)))
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _holds_pole(grid: Grid) -> bool:
    if crs_of(grid.crs).is_geographic:
        return False
    xs, ys = transform(crs_of("EPSG:4326"), crs_of(grid.crs), [0.0, 0.0], [90.0, -90.0])
    left, bottom, right, top = grid.bounds
    return any(left < x < right and bottom < y < top for x, y in zip(xs, ys, strict=True))


def _source_window(chunk: Grid, mosaic: Grid) -> Window | None:
    """The mosaic's pixels that a chunk of the picture shows; None where there are none."""
    left, bottom, right, top = projected_bounds(chunk.bounds, chunk.crs, mosaic.crs)
    first_column = max(0, math.floor((left - mosaic.left) / mosaic.xres) - 1)
    first_row = max(0, math.floor((mosaic.top - top) / mosaic.yres) - 1)
    width = min(mosaic.width, math.ceil((right - mosaic.left) / mosaic.xres) + 1) - first_column
    height = min(mosaic.height, math.ceil((mosaic.top - bottom) / mosaic.yres) + 1) - first_row
    return Window(first_column, first_row, width, height) if width > 0 and height > 0 else None


def _values(mosaic: rasterio.io.DatasetReader, window: Window, bands: int) -> NDArray[np.float32]:
    """Values of the first bands, NaN where there is no data."""
    stored = mosaic.read(list(range(1, bands + 1)), window=window)
    if stored.dtype == np.float32:
        return np.asarray(stored)
    scales = np.array(mosaic.scales[:bands], np.float32)[:, np.newaxis, np.newaxis]
    return np.where(stored == mosaic.nodata, np.float32(np.nan), stored * scales).astype(np.float32)


def _warped(stretched: Bytes, part: Grid, chunk: Grid) -> Bytes:
    found = np.zeros((stretched.shape[0], chunk.height, chunk.width), np.uint8)
    reproject(
        stretched,
        found,
        src_transform=part.transform,
        src_crs=crs_of(part.crs),
        dst_transform=chunk.transform,
        dst_crs=crs_of(chunk.crs),
        resampling=Resampling.nearest,
        num_threads=1,
    )
    return found
