"""How an image is brought onto a grid: copied where pixels coincide, resampled where they do not."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rasterio.warp import Resampling, transform

from mosaic_worker.geometry.grid import SNAP_TOLERANCE, Bounds, Grid, crs_of, projected_bounds

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


def coincides(image: Grid, grid: Grid) -> bool:
    """Whether the image's pixels are pixels of the grid, so that they are copied whatever the kernel."""
    if image.crs != grid.crs:
        return False
    side = max(image.width, image.height, grid.width, grid.height)
    if max(abs(image.xres / grid.xres - 1), abs(image.yres / grid.yres - 1)) * side > SNAP_TOLERANCE:
        return False
    columns = (image.left - grid.left) / grid.xres
    rows = (grid.top - image.top) / grid.yres
    return max(abs(columns - round(columns)), abs(rows - round(rows))) < SNAP_TOLERANCE


def tiles_exactly(image: Grid, grid: Grid, least: int) -> bool:
    """Whether each pixel of the grid is a block of whole pixels of the image, at least so many across and down."""
    if image.crs != grid.crs:
        return False
    across, down = grid.xres / image.xres, grid.yres / image.yres
    columns, rows = (image.left - grid.left) / image.xres, (grid.top - image.top) / image.yres
    side = max(grid.width, grid.height)
    apart = [abs(across - round(across)) * side, abs(down - round(down)) * side]
    apart += [abs(columns - round(columns)), abs(rows - round(rows))]
    return min(round(across), round(down)) >= least and max(apart) < SNAP_TOLERANCE


@lru_cache(maxsize=4096)
def coarseness(image: Grid, grid: Grid) -> tuple[float, float]:
    """How many pixels of the image, across and down, a pixel of the grid is wide; measured at the image's centre."""
    if image.crs == grid.crs:
        return grid.xres / image.xres, grid.yres / image.yres
    x, y = image.left + image.width / 2 * image.xres, image.top - image.height / 2 * image.yres
    xs, ys = transform(crs_of(image.crs), crs_of(grid.crs), [x, x + image.xres, x], [y, y, y - image.yres])
    across = math.hypot(xs[1] - xs[0], ys[1] - ys[0])
    down = math.hypot(xs[2] - xs[0], ys[2] - ys[0])
    return grid.xres / across, grid.yres / down


def kernel_for(image: Grid, grid: Grid, asked: Kernel | None) -> Kernel:
    """The kernel that was asked for, else average onto a coarser grid and bilinear onto others."""
    if asked is not None:
        return asked
    return "average" if max(coarseness(image, grid)) > COARSER else "bilinear"


def mask_kernel_for(image: Grid, grid: Grid) -> Kernel:
    """Nearest, or "any flagged" onto a coarser grid: half a cloud in a pixel is a cloud."""
    return "max" if max(coarseness(image, grid)) > COARSER else "nearest"


def source_window(image: Grid, grid: Grid, kernel: Kernel) -> Window:
    """The pixels of an image that a grid needs, with a kernel's reach where they do not coincide; empty where apart."""
    if coincides(image, grid):
        column, row = round((grid.left - image.left) / image.xres), round((image.top - grid.top) / image.yres)
        return Window(column, row, column + grid.width, row + grid.height).clipped(image.width, image.height)
    left, bottom, right, top = _bounds_in(grid, image)
    reach_x = RADIUS[kernel] * max(1.0, coarseness(image, grid)[0]) + 1
    reach_y = RADIUS[kernel] * max(1.0, coarseness(image, grid)[1]) + 1
    return Window(
        math.floor((left - image.left) / image.xres - reach_x),
        math.floor((image.top - top) / image.yres - reach_y),
        math.ceil((right - image.left) / image.xres + reach_x),
        math.ceil((image.top - bottom) / image.yres + reach_y),
    ).clipped(image.width, image.height)


def grid_window(image: Grid, grid: Grid) -> Window:
    """The pixels of a grid that an image may touch, clipped to the grid; empty where they are apart."""
    left, bottom, right, top = _bounds_in(image, grid)
    return Window(
        math.floor((left - grid.left) / grid.xres + SNAP_TOLERANCE),
        math.floor((grid.top - top) / grid.yres + SNAP_TOLERANCE),
        math.ceil((right - grid.left) / grid.xres - SNAP_TOLERANCE),
        math.ceil((grid.top - bottom) / grid.yres - SNAP_TOLERANCE),
    ).clipped(grid.width, grid.height)


def _bounds_in(of: Grid, other: Grid) -> Bounds:
    return projected_bounds(of.bounds, of.crs, other.crs)


RESAMPLING = {
    "nearest": Resampling.nearest,
    "bilinear": Resampling.bilinear,
    "cubic": Resampling.cubic,
    "average": Resampling.average,
    "max": Resampling.max,
}
