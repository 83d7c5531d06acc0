"""How an image is brought onto a grid: copied where pixels coincide, resampled where they do not."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rasterio.warp import Resampling, transform

from mosaic_worker.grid import SNAP_TOLERANCE, Bounds, Grid, crs_of, projected_bounds
from mosaic_worker.scenes import Header

Kernel = Literal["nearest", "bilinear", "cubic", "average", "max"]
RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2, "average": 1, "max": 1}
"""Reach of a kernel, in pixels of the source or, on a coarser grid, of the grid."""

COARSER = 1.1
"""From so many pixels of an image in one of the grid the grid counts as coarser; less is what map projections do."""


@dataclass(frozen=True)
class Window:
    """Pixels of a source: first column and row (inclusive), last ones (exclusive)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.left >= self.right or self.top >= self.bottom

    def clipped(self, width: int, height: int) -> "Window":
        """The part within an image."""
        return Window(max(0, self.left), max(0, self.top), min(width, self.right), min(height, self.bottom))


def header_grid(header: Header) -> Grid:
    """The grid of an image's own pixels."""
    return Grid(header.crs, header.left, header.top, header.xres, header.yres, header.width, header.height)


def coincides(header: Header, grid: Grid) -> bool:
    """Whether the image's pixels are pixels of the grid, so that they are copied whatever the kernel."""
    if header.crs != grid.crs:
        return False
    side = max(header.width, header.height, grid.width, grid.height)
    if max(abs(header.xres / grid.xres - 1), abs(header.yres / grid.yres - 1)) * side > SNAP_TOLERANCE:
        return False
    columns = (header.left - grid.left) / grid.xres
    rows = (grid.top - header.top) / grid.yres
    return max(abs(columns - round(columns)), abs(rows - round(rows))) < SNAP_TOLERANCE


@lru_cache(maxsize=4096)
def coarseness(header: Header, grid: Grid) -> tuple[float, float]:
    """How many pixels of the image, across and down, a pixel of the grid is wide; measured at the image's centre."""
    if header.crs == grid.crs:
        return grid.xres / header.xres, grid.yres / header.yres
    x, y = header.left + header.width / 2 * header.xres, header.top - header.height / 2 * header.yres
    xs, ys = transform(crs_of(header.crs), crs_of(grid.crs), [x, x + header.xres, x], [y, y, y - header.yres])
    across = math.hypot(xs[1] - xs[0], ys[1] - ys[0])
    down = math.hypot(xs[2] - xs[0], ys[2] - ys[0])
    return grid.xres / across, grid.yres / down


def kernel_for(header: Header, grid: Grid, asked: Kernel | None) -> Kernel:
    """The kernel that was asked for, else average onto a coarser grid and bilinear onto others."""
    if asked is not None:
        return asked
    return "average" if max(coarseness(header, grid)) > COARSER else "bilinear"


def mask_kernel_for(header: Header, grid: Grid) -> Kernel:
    """Nearest, or "any flagged" onto a coarser grid: half a cloud in a pixel is a cloud."""
    return "max" if max(coarseness(header, grid)) > COARSER else "nearest"


def source_window(header: Header, grid: Grid, kernel: Kernel) -> Window:
    """The pixels of an image that a grid needs with a kernel's reach; empty where they are apart."""
    left, bottom, right, top = _bounds_in(grid, header)
    reach_x = RADIUS[kernel] * max(1.0, coarseness(header, grid)[0]) + 1
    reach_y = RADIUS[kernel] * max(1.0, coarseness(header, grid)[1]) + 1
    return Window(
        math.floor((left - header.left) / header.xres - reach_x),
        math.floor((header.top - top) / header.yres - reach_y),
        math.ceil((right - header.left) / header.xres + reach_x),
        math.ceil((header.top - bottom) / header.yres + reach_y),
    ).clipped(header.width, header.height)


def grid_window(header: Header, grid: Grid) -> Window:
    """The pixels of a grid that an image may touch, clipped to the grid; empty where they are apart."""
    left, bottom, right, top = _bounds_in(header_grid(header), grid)
    return Window(
        math.floor((left - grid.left) / grid.xres + SNAP_TOLERANCE),
        math.floor((grid.top - top) / grid.yres + SNAP_TOLERANCE),
        math.ceil((right - grid.left) / grid.xres - SNAP_TOLERANCE),
        math.ceil((grid.top - bottom) / grid.yres - SNAP_TOLERANCE),
    ).clipped(grid.width, grid.height)


def _bounds_in(of: Grid, other: Grid | Header) -> Bounds:
    return projected_bounds(of.bounds, of.crs, other.crs)


RESAMPLING = {
    "nearest": Resampling.nearest,
    "bilinear": Resampling.bilinear,
    "cubic": Resampling.cubic,
    "average": Resampling.average,
    "max": Resampling.max,
}
