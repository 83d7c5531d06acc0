"""The picture of a mosaic: 8 bits, in Web Mercator, so that it lies straight on a web map."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import Resampling, reproject, transform
from rasterio.windows import Window

from mosaic_worker.geometry.grid import Bounds, Grid, crs_of, projected_bounds
from mosaic_worker.output.colormaps import palette

WEB_MERCATOR = "EPSG:3857"
EARTH_RADIUS = 6378137.0
"""Of the sphere of EPSG:3857, metres."""
LARGEST_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""85.051 degrees, where Web Mercator is cut so that it is square."""
LARGEST_SIDE = 8192
"""Pixels; beyond what a screen can use, the COG is what one looks at."""
THUMBNAIL_SIDE = 512
CHUNK = 1024
"""Pixels a side that are warped at once, which bounds the memory."""
COMPRESSION = 6

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture and where it lies.

    Attributes:
        png: the file.
        width, height: pixels.
        transform: from (column, row) to metres of EPSG:3857; beyond the antimeridian x goes on.
        reduction: how many pixels of the mosaic a side were one when the picture was made; 1 for the mosaic itself.
    """

    png: bytes
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
    path: str, grid: Grid, stretch: Sequence[tuple[float, float]], colormap: str, largest_side: int = LARGEST_SIDE
) -> Picture:
    """Colour a mosaic.

    Args:
        path: the COG; one band is coloured, of three a colour picture is made.
        grid: its pixels.
        stretch: for each of these bands the values that get the first and the last colour; values beyond get the same.
        colormap: for one band.
        largest_side: pixels; a larger mosaic is taken from an overview.
    """
    target, native = _target(grid, largest_side)
    level = max(0, int(math.log2(target.xres / native) + 1e-9))
    with rasterio.open(path) as mosaic:
        level = min(level, len(mosaic.overviews(1)))
    options = {} if level == 0 else {"overview_level": level - 1}
    indexes = np.zeros((len(stretch), target.height, target.width), np.uint8)
    with rasterio.open(path, **options) as mosaic:
        reduced = grid.reduced(2**level)
        for row, column, chunk in _chunks(target):
            window = _source_window(chunk, reduced)
            if window is None:
                continue
            part = reduced.window(window.col_off, window.row_off, window.width, window.height)
            stretched = stretch_to_bytes(_values(mosaic, window, len(stretch)), stretch)
            indexes[:, row : row + chunk.height, column : column + chunk.width] = _warped(stretched, part, chunk)
    return Picture(_png(indexes, colormap), target.width, target.height, target.transform, 2**level)


def stretch_to_bytes(values: NDArray[np.float32], stretch: Sequence[tuple[float, float]]) -> Bytes:
    """Values (bands, height, width) as 1 to 255 between the limits of their band, clamped; 0 where there is no data."""
    found = np.zeros(values.shape, np.uint8)
    for band, (lower, upper) in enumerate(stretch):
        valid = ~np.isnan(values[band])
        if upper > lower:
            share = (values[band][valid].astype(np.float64) - lower) / (upper - lower)
            found[band][valid] = 1 + np.rint(np.clip(share, 0, 1) * 254).astype(np.uint8)
        else:
            found[band][valid] = 128
    return found


def thumbnail(picture: Picture) -> bytes:
    """A PNG of a picture, at most 512 pixels a side."""
    with Image.open(io.BytesIO(picture.png)) as opened:
        factor = max(1, max(opened.size) // (2 * THUMBNAIL_SIDE))
        small = opened.resize((-(-opened.width // factor), -(-opened.height // factor)), Image.Resampling.NEAREST)
    colours = small.convert("RGBA")
    colours.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    colours.save(content, "PNG", compress_level=COMPRESSION)
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


def _chunks(target: Grid) -> Iterator[tuple[int, int, Grid]]:
    for row in range(0, target.height, CHUNK):
        for column in range(0, target.width, CHUNK):
            width, height = min(CHUNK, target.width - column), min(CHUNK, target.height - row)
            yield row, column, target.window(column, row, width, height)


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


def _png(indexes: Bytes, colormap: str) -> bytes:
    """Palette indexes (1, height, width), or colours (3, height, width), as a PNG that is transparent at 0."""
    bands, height, width = indexes.shape
    content = io.BytesIO()
    if bands == 1:
        image = Image.frombytes("P", (width, height), indexes.tobytes())
        image.putpalette(palette(colormap))
        image.save(content, "PNG", transparency=0, compress_level=COMPRESSION)
    else:
        alpha = np.where((indexes > 0).all(axis=0), 255, 0).astype(np.uint8)
        pixels = np.dstack([*indexes, alpha])
        pixels[alpha == 0] = 0
        Image.frombytes("RGBA", (width, height), pixels.tobytes()).save(content, "PNG", compress_level=COMPRESSION)
    return content.getvalue()
