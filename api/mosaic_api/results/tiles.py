"""Tiles of a web map from a mosaic's COG, with the colours of its picture: nearest pixels, stretched to 8 bits."""

import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.mesh import Mesh
from mosaic_worker.geometry.projection import Bounds
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.output.mercator import EARTH_RADIUS, WEB_MERCATOR, picture_grid, picture_mesh, shown
from mosaic_worker.output.palettes import Palette, colormap_palette
from mosaic_worker.output.stretched import Bytes, stretch_to_bytes
from mosaic_worker.output.tone import LINEAR, Tone
from PIL import Image

from mosaic_api.results.open_cogs import OpenCogs
from mosaic_api.results.published import PublishedMosaic
from mosaic_api.web.problems import Invalid

SIDE = 256
"""Width and height of a tile in pixels."""
MOST_ZOOM = 24
WORLD = 2 * math.pi * EARTH_RADIUS
"""Width of the Web Mercator square in metres."""
MOST_READ = 2048 * 2048
"""Maximum pixels of a mosaic for one tile."""
NEAREST_LIMITS = 1e-30
"""Minimum difference of a stretch's limits that float32 can express."""
PAINTER = "2"
"""Change it if tiles change, so that browsers load them again."""


@dataclass(frozen=True)
class Look:
    """The colours of values: a colormap for one band, the limits of each band, and the tone curve of three.

    The colours of classes need no colormap.
    """

    colormap: str | None
    limits: tuple[tuple[float, float], ...]
    tone: Tone = LINEAR


@dataclass(frozen=True)
class TileAddress:
    """Column and row of a map tile from the north west at a zoom level."""

    z: int
    x: int
    y: int

    @property
    def grid(self) -> Grid:
        """The pixels of the tile.

        Raises:
            Invalid: there is no such tile.
        """
        for field, number in (("x", self.x), ("y", self.y)):
            if number >= 1 << self.z:
                raise Invalid(f"{field} is {number}; at zoom {self.z} it is at most {(1 << self.z) - 1}", field)
        side = WORLD / (1 << self.z)
        left, top = self.x * side - WORLD / 2, WORLD / 2 - self.y * side
        return Grid(WEB_MERCATOR, left, top, side / SIDE, side / SIDE, SIDE, SIDE)


def look_of(mosaic: PublishedMosaic, colormap: str | None, minimum: float | None, maximum: float | None) -> Look:
    """The colours of a mosaic: those of its picture, unless the caller chooses others.

    Raises:
        Invalid: the minimum is not less than the maximum, or the mosaic has the colours of its classes.
    """
    if mosaic.classes:
        given = {"colormap": colormap, "minimum": minimum, "maximum": maximum}
        named = next((name for name, value in given.items() if value is not None), None)
        if named is not None:
            raise Invalid(f"{named} is {given[named]}; a classified mosaic has the colours of its classes", named)
        return Look(None, tuple(mosaic.stretch))
    limits = []
    for own_minimum, own_maximum in mosaic.stretch:
        lower = own_minimum if minimum is None else minimum
        upper = own_maximum if maximum is None else maximum
        if (minimum, maximum) != (None, None) and upper - lower < NEAREST_LIMITS:
            raise Invalid(
                f"minimum is {lower:g} and maximum is {upper:g}; the maximum must be greater than the minimum",
                "minimum" if maximum is None else "maximum",
            )
        limits.append((lower, upper))
    return Look(colormap or mosaic.colormap, tuple(limits), mosaic.tone)


def etag_of(mosaic: PublishedMosaic, place: TileAddress, look: Look) -> str:
    """The ETag of a tile; published mosaics never change."""
    content = f"{PAINTER} {mosaic.results.uid} {place} {look}"
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def tile(cogs: OpenCogs, mosaic: PublishedMosaic, place: TileAddress, look: Look) -> bytes:
    """A tile as PNG, transparent where there is no data.

    Raises:
        Invalid: there is no such tile.
        NotFound: the mosaic's files are missing.
    """
    piece = place.grid
    pixels = np.zeros((len(mosaic.shown), SIDE, SIDE), np.uint8)
    for part in _parts(piece, bounds_of(mosaic.grid)):
        within = piece.window(part.left, part.top, part.right - part.left, part.bottom - part.top)
        found = _painted(cogs, mosaic, within, look)
        if found is not None:
            pixels[:, part.top : part.bottom, part.left : part.right] = found
    return coloured(pixels, mosaic.palette if look.colormap is None else colormap_palette(look.colormap))


def _parts(piece: Grid, bounds: Bounds) -> Iterator[Window]:
    """The parts of a tile within bounds, which may exceed 180 degrees on either side."""
    left, bottom, right, top = bounds
    for turn in (-WORLD, 0.0, WORLD):
        part = Window(
            math.floor((left + turn - piece.left) / piece.xres),
            math.floor((piece.top - top) / piece.yres),
            math.ceil((right + turn - piece.left) / piece.xres),
            math.ceil((piece.top - bottom) / piece.yres),
        ).clipped(piece.width, piece.height)
        if not part.empty:
            yield part


def _painted(cogs: OpenCogs, mosaic: PublishedMosaic, piece: Grid, look: Look) -> Bytes | None:
    """A part of a tile in 8 bits (bands, height, width); None outside the mosaic."""
    mesh = picture_mesh(piece, mosaic.grid)
    if mesh.window.empty:
        return None
    level = min(level_of(mesh), cogs.overviews(mosaic.key))
    mesh = mesh.reduced(1 << level)
    stored = cogs.read(mosaic.key, level, mosaic.shown, mesh.window)
    return shown(mesh, stretch_to_bytes(mosaic.values(stored, mosaic.shown), look.limits, look.tone))


@lru_cache(maxsize=1000)
def bounds_of(grid: Grid) -> Bounds:
    """Bounds of a mosaic in Web Mercator, continuous across the antimeridian."""
    return picture_grid(grid, SIDE)[0].bounds


def level_of(mesh: Mesh) -> int:
    """The coarsest level whose pixels are not larger than those of a part of a tile.

    If no level suits the whole part, as at a pole, a coarser one limits what is read.
    """
    window = mesh.window
    least = math.sqrt(max(1, (window.right - window.left) * (window.bottom - window.top)) / MOST_READ)
    return max(math.floor(math.log2(max(mesh.reduction, 1)) + 1e-3), math.ceil(math.log2(max(least, 1))))


def coloured(pixels: Bytes, palette: Palette) -> bytes:
    """A PNG of 8-bit pixels (bands, height, width): one band with a palette, three as colours; 0 is no data."""
    if not pixels.any():
        return empty() if pixels.shape[1:] == (SIDE, SIDE) else png(Image.new("RGBA", pixels.shape[:0:-1]))
    if len(pixels) == 1:
        image = Image.fromarray(pixels[0])
        image.putpalette(palette.colours)
        return png(image, transparency=palette.opacity)
    alpha = np.where((pixels > 0).all(axis=0), 255, 0).astype(np.uint8)
    channels = np.dstack([*pixels, alpha])
    channels[alpha == 0] = 0
    return png(Image.fromarray(channels, "RGBA"))


@cache
def empty() -> bytes:
    """A tile without data."""
    image = Image.new("P", (SIDE, SIDE))
    image.putpalette(bytes(3))
    return png(image, transparency=0)


def png(image: Image.Image, **options: int | bytes) -> bytes:
    """An image as PNG, compressed fast rather than well."""
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1, **options)
    return content.getvalue()
