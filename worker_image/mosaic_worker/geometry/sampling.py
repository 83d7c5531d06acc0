"""How an image gets onto a grid: copied if pixels coincide, otherwise resampled."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from rasterio.warp import Resampling

from mosaic_worker.geometry.grid import SNAP_TOLERANCE, Grid
from mosaic_worker.geometry.longitudes import near
from mosaic_worker.geometry.projection import (
    LATTICE,
    METRES_PER_DEGREE,
    Bounds,
    crs_of,
    projected,
    projected_bounds,
    projected_lattice,
    world_of,
)

Kernel = Literal["nearest", "bilinear", "cubic", "average", "max"]
RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2, "average": 1, "max": 1}
"""Radius of kernels, in pixels of the source or, on a coarser grid, of the grid."""

WIDE = 40.0
"""Degrees: wider images have no single scale, and their edges do not bound their pixels in another projection."""
SAMPLES = (0.125, 0.375, 0.625, 0.875)
"""Positions at which the scale of a grid is measured for a wide image, of its width and height."""
AROUND_TOLERANCE = 1e-3
"""Tolerance, in pixels, for columns of an image that make a whole turn around the Earth."""
COARSER = 1.1
"""Image pixels per grid pixel from which a grid counts as coarser; smaller factors come from projections."""


@dataclass(frozen=True)
class Window:
    """Pixels of a source: from left and top (inclusive) to right and bottom (exclusive)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        """Whether it contains no pixel."""
        return self.left >= self.right or self.top >= self.bottom

    def joined(self, other: "Window") -> "Window":
        """The smallest window that contains both; empty ones do not count."""
        if self.empty or other.empty:
            return other if self.empty else self
        return Window(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def clipped(self, width: int, height: int) -> "Window":
        """The part within an image."""
        return Window(max(0, self.left), max(0, self.top), min(width, self.right), min(height, self.bottom))


def coincides(image: Grid, grid: Grid) -> bool:
    """Whether pixels of the image are pixels of the grid, so that they are copied with any kernel."""
    if image.crs != grid.crs:
        return False
    side = max(image.width, image.height, grid.width, grid.height)
    if max(abs(image.xres / grid.xres - 1), abs(image.yres / grid.yres - 1)) * side > SNAP_TOLERANCE:
        return False
    columns = (image.left - grid.left) / grid.xres
    rows = (grid.top - image.top) / grid.yres
    return max(abs(columns - round(columns)), abs(rows - round(rows))) < SNAP_TOLERANCE


def tiles_exactly(image: Grid, grid: Grid, least: int) -> bool:
    """Whether each pixel of the grid is a block of at least `least` whole pixels of the image, across and down."""
    if image.crs != grid.crs:
        return False
    across, down = grid.xres / image.xres, grid.yres / image.yres
    columns, rows = (image.left - grid.left) / image.xres, (grid.top - image.top) / image.yres
    side = max(grid.width, grid.height)
    apart = [abs(across - round(across)) * side, abs(down - round(down)) * side]
    apart += [abs(columns - round(columns)), abs(rows - round(rows))]
    return min(round(across), round(down)) >= least and max(apart) < SNAP_TOLERANCE


def coarseness(image: Grid, grid: Grid) -> tuple[float, float]:
    """Image pixels per grid pixel, across and down; the same for all parts of a grid.

    Measured at the centre of the image; for wide images, the median over the whole grid.
    """
    if image.crs == grid.crs:
        return grid.xres / image.xres, grid.yres / image.yres
    found = None if is_wide(image) else _coarseness_at_centre(image, grid.crs, grid.xres, grid.yres)
    return found or _coarseness_over(grid.whole or grid.bounds, image, grid.crs, grid.xres, grid.yres)


@lru_cache(maxsize=4096)
def is_wide(image: Grid) -> bool:
    """Whether an image is too wide for a single scale."""
    crs, side = crs_of(image.crs), max(image.width * image.xres, image.height * image.yres)
    if crs.is_geographic:
        return math.degrees(side * float(crs.units_factor[1])) > WIDE
    return side * float(crs.linear_units_factor[1]) > WIDE * METRES_PER_DEGREE


@lru_cache(maxsize=4096)
def _coarseness_at_centre(image: Grid, crs: str, xres: float, yres: float) -> tuple[float, float] | None:
    """The coarseness at the centre; None if it cannot be projected."""
    x, y = image.left + image.width / 2 * image.xres, image.top - image.height / 2 * image.yres
    xs, ys = projected(image.crs, crs, np.array([x, x + image.xres, x]), np.array([y, y, y - image.yres]))
    if not np.isfinite(xs).all():
        return None
    xs = near(crs, xs, float(xs[0]))
    return xres / math.hypot(xs[1] - xs[0], ys[1] - ys[0]), yres / math.hypot(xs[2] - xs[0], ys[2] - ys[0])


@lru_cache(maxsize=4096)
def _coarseness_over(over: Bounds, image: Grid, crs: str, xres: float, yres: float) -> tuple[float, float]:
    """The median coarseness over the bounds of a grid; 1 if nothing can be projected."""
    left, bottom, right, top = over
    samples = np.array(SAMPLES)
    places = np.meshgrid(left + samples * (right - left), bottom + samples * (top - bottom))
    here_x, here_y = projected(crs, image.crs, *places)
    ratios = []
    for step_x, step_y in ((xres, 0.0), (0.0, yres)):
        other_x, other_y = projected(crs, image.crs, places[0] + step_x, places[1] - step_y)
        with np.errstate(invalid="ignore"):
            apart = np.hypot(near(image.crs, other_x - here_x, 0.0) / image.xres, (other_y - here_y) / image.yres)
        known = apart[np.isfinite(apart)]
        ratios.append(float(np.median(known)) if len(known) else 1.0)
    return ratios[0], ratios[1]


def kernel_for(image: Grid, grid: Grid, asked: Kernel | None) -> Kernel:
    """The requested kernel; by default average on coarser grids, bilinear on others."""
    if asked is not None:
        return asked
    return "average" if max(coarseness(image, grid)) > COARSER else "bilinear"


def mask_kernel_for(image: Grid, grid: Grid) -> Kernel:
    """Nearest; on a coarser grid the maximum, so that any flagged part of a pixel counts."""
    return "max" if max(coarseness(image, grid)) > COARSER else "nearest"


@dataclass(frozen=True)
class Piece:
    """A part of an image that a grid needs.

    Attributes:
        image: the image, moved by whole turns around the Earth to the grid.
        window: the part, in its pixels; it may exceed the sides of an image that goes around the Earth.
        around: columns of a whole turn around the Earth, for such an image.
    """

    image: Grid
    window: Window
    around: int | None = None

    @property
    def windows(self) -> list[Window]:
        """The windows of the file that make the part, from left to right."""
        if self.around is None:
            return [self.window]
        found, column = [], self.window.left
        while column < self.window.right:
            first = column % self.around
            count = min(self.around - first, self.window.right - column)
            found.append(Window(first, self.window.top, first + count, self.window.bottom))
            column += count
        return found


def pieces(image: Grid, grid: Grid, kernel: Kernel) -> list[Piece]:
    """The parts of an image that a grid needs: one, or both ends of an image; none if they are apart."""
    world, needed = world_of(image.crs), projected_bounds(grid.bounds, grid.crs, image.crs)
    if needed is None:
        return []
    if world is None:
        return _not_empty(Piece(image, source_window(image, grid, kernel)))
    period = world[1] - world[0]
    around = round(period / image.xres)
    reach = _reach(image, grid, kernel)[0] * image.xres
    everywhere = image.crs != grid.crs and needed[2] - needed[0] + 2 * reach >= period
    if image.width >= around and abs(period / image.xres - around) < AROUND_TOLERANCE:
        bounds = (world[0], needed[1], world[1], needed[3]) if everywhere else needed
        return _not_empty(Piece(image, _window(image, grid, kernel, bounds), around))
    if everywhere:
        middle = (image.bounds[0] + image.bounds[2]) / 2
        needed = (middle - period / 2, needed[1], middle + period / 2, needed[3])
    found = []
    for turn in _turns((image.left - reach, image.bounds[2] + reach), (needed[0], needed[2]), period):
        moved = image.moved(turn * period) if turn else image
        window = _window(moved, grid, kernel, needed).clipped(image.width, image.height)
        found += _not_empty(Piece(moved, window))
    return found


def _not_empty(piece: Piece) -> list[Piece]:
    return [] if piece.window.empty else [piece]


def source_window(image: Grid, grid: Grid, kernel: Kernel) -> Window:
    """The pixels of an image that a grid needs, with the reach of the kernel; empty if they are apart."""
    needed = projected_bounds(grid.bounds, grid.crs, image.crs)
    if needed is None:
        return Window(0, 0, 0, 0)
    return _window(image, grid, kernel, needed).clipped(image.width, image.height)


def _window(image: Grid, grid: Grid, kernel: Kernel, needed: Bounds) -> Window:
    """The pixels, also beyond the sides of the image, that a grid with bounds `needed` in its CRS needs."""
    if coincides(image, grid):
        column, row = round((grid.left - image.left) / image.xres), round((image.top - grid.top) / image.yres)
        rows = Window(0, row, image.width, row + grid.height).clipped(image.width, image.height)
        return Window(column, rows.top, column + grid.width, rows.bottom)
    left, bottom, right, top = needed
    reach_x, reach_y = _reach(image, grid, kernel)
    return Window(
        math.floor((left - image.left) / image.xres - reach_x),
        max(0, math.floor((image.top - top) / image.yres - reach_y)),
        math.ceil((right - image.left) / image.xres + reach_x),
        min(image.height, math.ceil((image.top - bottom) / image.yres + reach_y)),
    )


def _reach(image: Grid, grid: Grid, kernel: Kernel) -> tuple[float, float]:
    """Image pixels beyond the edges of a grid that a kernel needs, across and down."""
    across, down = coarseness(image, grid)
    return RADIUS[kernel] * max(1.0, across) + 1, RADIUS[kernel] * max(1.0, down) + 1


def grid_window(image: Grid, grid: Grid) -> Window:
    """The pixels of a grid that an image may touch; empty if they are apart."""
    nothing, everything = Window(0, 0, 0, 0), Window(0, 0, grid.width, grid.height)
    if image.crs != grid.crs and is_wide(image):
        return everything if _share_points(image, grid) else nothing
    bounds = projected_bounds(image.bounds, image.crs, grid.crs)
    if bounds is None:
        return nothing
    world = world_of(grid.crs)
    period = world[1] - world[0] if world else 0.0
    found = nothing
    for turn in _turns((bounds[0], bounds[2]), (grid.bounds[0], grid.bounds[2]), period) if world else (0,):
        left, bottom, right, top = bounds
        window = Window(
            math.floor((left + turn * period - grid.left) / grid.xres + SNAP_TOLERANCE),
            math.floor((grid.top - top) / grid.yres + SNAP_TOLERANCE),
            math.ceil((right + turn * period - grid.left) / grid.xres - SNAP_TOLERANCE),
            math.ceil((grid.top - bottom) / grid.yres - SNAP_TOLERANCE),
        ).clipped(grid.width, grid.height)
        found = found.joined(window)
    return found


def _share_points(image: Grid, grid: Grid) -> bool:
    """Whether a wide image contains any point of a lattice over a grid."""
    left, bottom, right, top = grid.bounds
    x, y = projected_lattice(grid.crs, image.crs, np.linspace(left, right, LATTICE), np.linspace(top, bottom, LATTICE))
    west, south, east, north = image.bounds
    x = near(image.crs, x, (west + east) / 2)
    return bool(((x >= west) & (x <= east) & (y >= south) & (y <= north)).any())


def _turns(stretch: tuple[float, float], other: tuple[float, float], period: float) -> range:
    """The whole turns around the Earth by which an interval of x touches another one."""
    return range(math.ceil((other[0] - stretch[1]) / period), math.floor((other[1] - stretch[0]) / period) + 1)


RESAMPLING = {kernel: Resampling[kernel] for kernel in RADIUS}
