"""The grid of pixels that a mosaic is computed on."""

import math
from dataclasses import dataclass, field, replace

from affine import Affine

from mosaic_worker.geometry.projection import Bounds

SNAP_TOLERANCE = 1e-6
"""Tolerance of edges on grid lines, pixels."""


@dataclass(frozen=True)
class Grid:
    """Rectangular pixels in a CRS, rows from north to south.

    Attributes:
        crs: "EPSG:n" or WKT.
        left, top: the outer corner of the upper left pixel, in units of the CRS.
        xres, yres: the size of a pixel, in units of the CRS; both positive.
        width, height: in pixels.
        whole: the edges of the grid that this is a part of; None if it is not a part.
    """

    crs: str
    left: float
    top: float
    xres: float
    yres: float
    width: int
    height: int
    whole: Bounds | None = field(default=None, compare=False, repr=False)

    @property
    def transform(self) -> Affine:
        """From (column, row) to (x, y)."""
        return Affine(self.xres, 0, self.left, 0, -self.yres, self.top)

    @property
    def bounds(self) -> Bounds:
        """The outer edges."""
        return (self.left, self.top - self.height * self.yres, self.left + self.width * self.xres, self.top)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def corners(self) -> "Grid":
        """A grid whose pixels have their centres at the corners of these: one more across and down."""
        left, top = self.left - self.xres / 2, self.top + self.yres / 2
        return Grid(self.crs, left, top, self.xres, self.yres, self.width + 1, self.height + 1)

    def reduced(self, factor: int) -> "Grid":
        """The grid of an overview: pixels are `factor` times as wide and high, from the same corner."""
        width, height = -(-self.width // factor), -(-self.height // factor)
        return Grid(self.crs, self.left, self.top, self.xres * factor, self.yres * factor, width, height)

    def window(self, column: int, row: int, width: int, height: int) -> "Grid":
        """A part of the grid that starts at a pixel; it may extend beyond the edges."""
        left, top = self.left + column * self.xres, self.top - row * self.yres
        return Grid(self.crs, left, top, self.xres, self.yres, width, height, self.whole or self.bounds)

    def moved(self, distance: float) -> "Grid":
        """The grid moved to the right, in units of the CRS."""
        return replace(self, left=self.left + distance)


def snapped(crs: str, bounds: Bounds, xres: float, yres: float, anchor: tuple[float, float] = (0.0, 0.0)) -> Grid:
    """The smallest grid that covers bounds, with grid lines at whole pixels from an anchor.

    Grids of one resolution with the anchor at the origin share their lines, so neighbouring mosaics line up.
    """
    left = _snap_down((bounds[0] - anchor[0]) / xres)
    right = _snap_up((bounds[2] - anchor[0]) / xres)
    bottom = _snap_down((bounds[1] - anchor[1]) / yres)
    top = _snap_up((bounds[3] - anchor[1]) / yres)
    width, height = max(1, right - left), max(1, top - bottom)
    return Grid(crs, anchor[0] + left * xres, anchor[1] + top * yres, xres, yres, width, height)


def _snap_down(position: float) -> int:
    return math.floor(position + SNAP_TOLERANCE)


def _snap_up(position: float) -> int:
    return math.ceil(position - SNAP_TOLERANCE)


def utm_crs(longitude: float, latitude: float) -> str:
    """The UTM zone of a place as "EPSG:n"; polar stereographic (UPS) beyond 84 degrees north and 80 south."""
    if latitude > 84:
        return "EPSG:32661"
    if latitude < -80:
        return "EPSG:32761"
    zone = int((longitude + 180) % 360 // 6) + 1
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"
