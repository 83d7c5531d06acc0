"""Renders the picture of a mosaic: 8 bits, in Web Mercator for web maps."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from affine import Affine
from PIL import Image

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import Bounds
from mosaic_worker.output.mercator import Bytes, picture_grid, picture_mesh, shown
from mosaic_worker.output.palettes import Palette
from mosaic_worker.output.png import Strip, png
from mosaic_worker.output.stretched import StretchedLevel

LARGEST_SIDE = 8192
"""Pixels: more than a screen can show."""
THUMBNAIL_SIDE = 512
STRIP_ROWS, CHUNK_COLUMNS = 512, 1024
"""Pixels that are warped together, to limit the memory."""
MOST_PAINTERS = 8
"""Threads that render the picture, at most."""


@dataclass(frozen=True)
class Picture:
    """The position of a picture.

    Attributes:
        width, height: pixels.
        transform: from (column, row) to metres of EPSG:3857; x continues beyond the antimeridian.
        reduction: the factor of the overview that it is rendered from; 1 for the mosaic itself.
    """

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


@dataclass(frozen=True)
class Rendering:
    """A picture whose strips are being rendered in threads.

    Attributes:
        picture: its position.
        palette: the colours of one channel; None for four channels.
        strips: the strips from the top, each with every nth of its pixels (height, width, channels), for the thumbnail.
    """

    picture: Picture
    palette: Palette | None
    strips: Sequence[Future[tuple[Strip, Bytes]]]

    def png(self) -> Iterator[bytes]:
        """The bytes of the picture, piece by piece, as they are rendered."""
        strips = (strip.result()[0] for strip in self.strips)
        width, height, palette = self.picture.width, self.picture.height, self.palette
        return (
            png(width, height, None, strips)
            if palette is None
            else png(width, height, palette.colours, strips, palette.opacity)
        )

    def thumbnail(self) -> bytes:
        """A PNG of the picture, at most 512 pixels a side."""
        sample = np.concatenate([strip.result()[1] for strip in self.strips])
        mixable = True
        if self.palette is not None:
            sample, mixable = self.palette.table[sample[:, :, 0]], self.palette.mixable
        image = Image.fromarray(sample, "RGBA")
        kernel = Image.Resampling.LANCZOS if mixable else Image.Resampling.NEAREST
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), kernel)
        return b"".join(png(image.width, image.height, None, [Strip(np.asarray(image))]))


def render(
    stretched: Callable[[int], StretchedLevel],
    levels: int,
    grid: Grid,
    palette: Palette,
    threads: Executor,
    largest_side: int = LARGEST_SIDE,
) -> Rendering:
    """Start to render a mosaic.

    Args:
        stretched: returns a level of the mosaic in 8 bits, with one or three bands.
        levels: the number of levels: full size, half, …
        grid: the grid of the mosaic.
        palette: the colours of one band.
        threads: render the strips.
        largest_side: the maximum side, pixels; larger mosaics are rendered from an overview.
    """
    target, native = picture_grid(grid, largest_side)
    level = min(levels - 1, max(0, int(math.log2(target.xres / native) + 1e-9)))
    painter = _Painter(stretched(level), grid.reduced(2**level), target)
    factor = max(1, max(target.width, target.height) // (2 * THUMBNAIL_SIDE))
    return Rendering(
        Picture(target.width, target.height, target.transform, 2**level),
        palette if painter.mosaic.bands == 1 else None,
        [threads.submit(painter.strip, row, factor) for row in range(0, target.height, STRIP_ROWS)],
    )


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
        meshes = {}
        for column in range(0, self.target.width, CHUNK_COLUMNS):
            width = min(CHUNK_COLUMNS, self.target.width - column)
            mesh = picture_mesh(self.target.window(column, row, width, height), self.grid)
            if not mesh.window.empty:
                meshes[column] = mesh
        self.mosaic.prepare(mesh.window for mesh in meshes.values())
        for column, mesh in meshes.items():
            indexes[:, :, column : column + CHUNK_COLUMNS] = shown(mesh, self.mosaic.read(mesh.window))
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
