"""Renders the picture of a mosaic: 8 bits, in Web Mercator for web maps."""

import io
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from affine import Affine
from PIL import Image

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import Bounds
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.mercator import Bytes, mesh_between, picture_grid
from mosaic_worker.output.png import Strip, png
from mosaic_worker.output.stretched import StretchedLevel

LARGEST_SIDE = 8192
"""Pixels: more than a screen can show."""
THUMBNAIL_SIDE = 512
STRIP_ROWS, CHUNK_COLUMNS = 512, 1024
"""Pixels that are warped together, to limit the memory."""
MOST_THREADS = 8


@dataclass(frozen=True)
class Picture:
    """A picture and its position.

    Attributes:
        png: the file.
        sample: every nth of its pixels (height, width, channels), for the thumbnail.
        palette: 256 times red, green, blue, for one channel.
        width, height: pixels.
        transform: from (column, row) to metres of EPSG:3857; x continues beyond the antimeridian.
        reduction: the factor of the overview that it was rendered from; 1 for the mosaic itself.
    """

    png: bytes
    sample: Bytes
    palette: bytes | None
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

    def thumbnail(self) -> bytes:
        """A PNG of the picture, at most 512 pixels a side."""
        if self.palette is None:
            image = Image.fromarray(self.sample, "RGBA")
        else:
            opaque = np.full(256, 255, np.uint8)
            table = np.column_stack([np.frombuffer(self.palette, np.uint8).reshape(256, 3), opaque])
            table[0, 3] = 0
            image = Image.fromarray(table[self.sample[:, :, 0]], "RGBA")
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        image.save(content, "PNG", compress_level=1)
        return content.getvalue()


def render(
    stretched: Callable[[int], StretchedLevel],
    levels: int,
    grid: Grid,
    colormap: str,
    largest_side: int = LARGEST_SIDE,
) -> Picture:
    """Render a mosaic.

    Args:
        stretched: returns a level of the mosaic in 8 bits, with one or three bands.
        levels: the number of levels: full size, half, …
        grid: the grid of the mosaic.
        colormap: for one band.
        largest_side: the maximum side, pixels; larger mosaics are rendered from an overview.
    """
    target, native = picture_grid(grid, largest_side)
    level = min(levels - 1, max(0, int(math.log2(target.xres / native) + 1e-9)))
    painter = _Painter(stretched(level), grid.reduced(2**level), target)
    colours = palette(colormap) if painter.mosaic.bands == 1 else None
    factor = max(1, max(target.width, target.height) // (2 * THUMBNAIL_SIDE))
    small: list[Bytes] = []

    def strips() -> Iterator[Strip]:
        for strip, sample in threads.map(lambda row: painter.strip(row, factor), range(0, target.height, STRIP_ROWS)):
            small.append(sample)
            yield strip

    with ThreadPoolExecutor(min(MOST_THREADS, len(os.sched_getaffinity(0)))) as threads:
        content = io.BytesIO()  # joining pieces would need twice the memory
        content.writelines(png(target.width, target.height, colours, strips()))
    sample = np.concatenate(small)
    return Picture(content.getvalue(), sample, colours, target.width, target.height, target.transform, 2**level)


@dataclass(frozen=True)
class _Painter:
    """Renders strips of a picture; thread-safe.

    Attributes:
        mosaic: the level of the mosaic.
        grid: its grid.
        target: the grid of the picture.
    """

    mosaic: StretchedLevel
    grid: Grid
    target: Grid

    def strip(self, row: int, factor: int) -> tuple[Strip, Bytes]:
        """The strip that starts at a row, and every nth of its pixels, for the thumbnail."""
        height = min(STRIP_ROWS, self.target.height - row)
        indexes = np.zeros((self.mosaic.bands, height, self.target.width), np.uint8)
        for column in range(0, self.target.width, CHUNK_COLUMNS):
            width = min(CHUNK_COLUMNS, self.target.width - column)
            mesh = mesh_between(self.target.window(column, row, width, height), self.grid)
            if not mesh.window.empty:
                indexes[:, :, column : column + width] = mesh.shown(self.mosaic.read(mesh.window))
        pixels = _channels(indexes)
        return Strip(pixels), pixels[-row % factor :: factor, ::factor]


def _channels(indexes: Bytes) -> Bytes:
    """Indexes (1, height, width) as (height, width, 1); colours (3, …) as (…, 4), transparent where any is 0."""
    if len(indexes) == 1:
        return indexes[0, :, :, np.newaxis]
    alpha = np.where((indexes > 0).all(axis=0), 255, 0).astype(np.uint8)
    pixels = np.dstack([*indexes, alpha])
    pixels[alpha == 0] = 0
    return pixels
