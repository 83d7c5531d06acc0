"""Finds where the pixels of a grid are in an image: by PROJ at the nodes of a mesh, and interpolated between them.

Where the mesh bends too much it gets more nodes; near poles, and where a projection is cut, each pixel is a node.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.env import env_ctx_if_needed
from rasterio.errors import CRSError
from rasterio.warp import transform

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import near
from mosaic_worker.geometry.projection import Floats, crs_of, projected, projected_lattice
from mosaic_worker.geometry.sampling import Window

Positions = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Columns and rows in an image, each (height, width): 0 is the centre of its first pixel, `NOWHERE` is outside."""

NOWHERE = -1e9
"""The position of pixels that cannot be projected: outside all images."""
TOLERANCE = 1e-3
"""Maximum error of interpolated positions, pixels of the image."""
STEPS = (64, 16, 4)
"""Pixels between nodes: the first step with which the mesh is within the tolerance is used."""
SMALLEST = 64
"""Side of the largest part of a grid, pixels, in which each pixel is a node."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a grid with evenly spaced nodes, from its first to its last pixel.

    Attributes:
        rows, columns: the part.
        x, y: positions of the nodes in the image, (rows, columns) of nodes; NaN for nodes that cannot be projected.
    """

    rows: slice
    columns: slice
    x: Floats
    y: Floats

    def areas(self) -> Floats:
        """The area of a pixel between each four nodes, pixels of the image."""
        width, height = (side.stop - side.start - 1 for side in (self.columns, self.rows))
        if not (width and height):
            return np.empty(0)
        (across_x, across_y), (down_x, down_y) = (
            [np.diff(axis, axis=along)[: self.x.shape[0] - 1, : self.x.shape[1] - 1] for axis in (self.x, self.y)]
            for along in (1, 0)
        )
        pixels = width / (self.x.shape[1] - 1) * height / (self.x.shape[0] - 1)
        found: Floats = np.abs(across_x * down_y - across_y * down_x) / pixels
        return found[np.isfinite(found)]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Maps the pixels of a grid to an image.

    Attributes:
        size: width and height of the grid, pixels.
        extent: width and height of the image, pixels.
        patches: the parts of the grid.
    """

    size: tuple[int, int]
    extent: tuple[int, int]
    patches: tuple[Patch, ...]

    @property
    def window(self) -> Window:
        """The pixels of the image that contain positions; empty if there are none."""
        found = Window(0, 0, 0, 0)
        for patch in self.patches:
            placed = np.isfinite(patch.x)
            if placed.any():
                x, y = patch.x[placed], patch.y[placed]
                left, top, right, bottom = (math.floor(edge + 0.5) for edge in (x.min(), y.min(), x.max(), y.max()))
                found = found.joined(Window(left, top, right + 1, bottom + 1).clipped(*self.extent))
        return found

    @property
    def reduction(self) -> float:
        """How many pixels of the image a pixel of the grid is wide: the median over the grid; 1 if unknown."""
        areas = np.concatenate([patch.areas() for patch in self.patches])
        return float(np.sqrt(np.median(areas))) if areas.size else 1.0

    def reduced(self, factor: int) -> "Mesh":
        """The mesh to an overview of the image."""
        patches = [
            replace(patch, x=(patch.x + 0.5) / factor - 0.5, y=(patch.y + 0.5) / factor - 0.5) for patch in self.patches
        ]
        return Mesh(self.size, (-(-self.extent[0] // factor), -(-self.extent[1] // factor)), tuple(patches))

    def positions(self, left: int = 0, top: int = 0) -> Positions:
        """The positions of all pixels, relative to a pixel of the image.

        Rounding to float32 adds to the error.
        """
        found = np.empty(self.size[::-1], np.float32), np.empty(self.size[::-1], np.float32)
        for patch in self.patches:
            for axis, nodes, start in zip(found, (patch.x, patch.y), (left, top), strict=True):
                _interpolate(nodes - start, axis[patch.rows, patch.columns])
        return found


def mesh_between(grid: Grid, image: Grid, tolerance: float = TOLERANCE) -> Mesh:
    """The mesh from a grid to an image; it depends only on the arguments.

    Args:
        grid: the grid whose pixels are placed.
        image: the image. If its x goes around the Earth, positions are at most half a turn from its middle.
        tolerance: the maximum error, pixels of the image.
    """
    patches = [_straight(grid, image)] if grid.crs == image.crs else _patches(grid, image, tolerance, 0, 0)
    return Mesh((grid.width, grid.height), (image.width, image.height), tuple(patches))


@lru_cache(maxsize=2)  # for the bands of a scene, and for the scenes of an orbit, which share their pixels
def positions(grid: Grid, image: Grid) -> Positions:
    """The positions of the pixels of a grid in an image, as read-only arrays; see `mesh_between`."""
    found = mesh_between(grid, image).positions()
    for axis in found:
        axis.setflags(write=False)
    return found


def _straight(grid: Grid, image: Grid) -> Patch:
    """The patch of a grid in the CRS of the image; around the Earth, it is moved by whole turns."""
    here, there = (each.left + each.width / 2 * each.xres for each in (grid, image))
    moved = grid.moved(float(near(grid.crs, np.array([here]), there)[0]) - here)
    xs, ys = np.meshgrid(*_centres(moved, np.array([0, grid.width - 1]), np.array([0, grid.height - 1])))
    return Patch(slice(0, grid.height), slice(0, grid.width), *_in_image(xs, ys, image))


def _patches(grid: Grid, image: Grid, tolerance: float, column: int, row: int) -> Iterator[Patch]:
    """A patch with the widest step within the tolerance; without one, those of the quarters of the grid.

    Args:
        grid: the grid, a part of the grid of the mesh.
        image: the image.
        tolerance: see `mesh_between`.
        column: the first column of the part.
        row: its first row.
    """
    rows, columns = slice(row, row + grid.height), slice(column, column + grid.width)
    for step in STEPS:
        nodes = _nodes(grid, image.crs, step)
        if nodes is None:
            break
        x, y = _in_image(_near(nodes[0], image), nodes[1], image)
        if _bend(x) <= tolerance and _bend(y) <= tolerance:
            yield Patch(rows, columns, x, y)
            return
    if max(grid.width, grid.height) <= SMALLEST:
        xs, ys = _all_places(grid, image.crs)
        x, y = _in_image(_near(xs, image), ys, image)
        placed = np.isfinite(x) & np.isfinite(y)
        yield Patch(rows, columns, np.where(placed, x, np.nan), np.where(placed, y, np.nan))
        return
    for top, bottom in ((0, -(-grid.height // 2)), (-(-grid.height // 2), grid.height)):
        for left, right in ((0, -(-grid.width // 2)), (-(-grid.width // 2), grid.width)):
            if top < bottom and left < right:
                quarter = grid.window(left, top, right - left, bottom - top)
                yield from _patches(quarter, image, tolerance, column + left, row + top)


@lru_cache(maxsize=16)
def _nodes(grid: Grid, crs: str, step: int) -> tuple[Floats, Floats] | None:
    """X and y of nodes, from the first to the last pixel; None if one cannot be projected.

    At least five each way: with fewer, `_bend` sees nothing where the curvature changes its sign.
    """
    count_x, count_y = (max(5, -(-(side - 1) // step) + 1) for side in (grid.width, grid.height))
    places = _centres(grid, np.linspace(0, grid.width - 1, count_x), np.linspace(0, grid.height - 1, count_y))
    points = np.meshgrid(*places)
    try:
        with env_ctx_if_needed():
            found = transform(crs_of(grid.crs), crs_of(crs), *(axis.ravel().tolist() for axis in points))
    except (CPLE_BaseError, CRSError):
        return None
    x, y = (np.array(axis).reshape(count_y, count_x) for axis in found[:2])
    return x, y


def _all_places(grid: Grid, crs: str) -> tuple[Floats, Floats]:
    """X and y of all pixels; infinite if they cannot be projected."""
    xs, ys = _centres(grid, np.arange(grid.width), np.arange(grid.height))
    if min(grid.width, grid.height) > 1:
        return projected_lattice(grid.crs, crs, xs, ys)
    return projected(grid.crs, crs, *np.meshgrid(xs, ys))


def _centres(grid: Grid, columns: NDArray[Any], rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """X of the centres of columns, and y of the centres of rows."""
    return grid.left + (columns + 0.5) * grid.xres, grid.top - (rows + 0.5) * grid.yres


def _near(xs: Floats, image: Grid) -> Floats:
    """X in the CRS of an image, at most half a turn from its middle."""
    return near(image.crs, xs, image.left + image.width / 2 * image.xres)


def _in_image(xs: Floats, ys: Floats, image: Grid) -> tuple[Floats, Floats]:
    """Columns and rows of places in the CRS of an image."""
    return (xs - image.left) / image.xres - 0.5, (image.top - ys) / image.yres - 0.5


def _bend(nodes: Floats) -> float:
    """How far nodes are at most from the middle of their neighbours, across and down together.

    This is the error of a mesh with twice the step. That of the mesh itself is about a quarter of it.
    """
    with np.errstate(invalid="ignore"):
        return sum(float(np.abs(np.diff(nodes, 2, axis)).max()) / 2 for axis in (0, 1))


def _interpolate(nodes: Floats, found: NDArray[np.float32]) -> None:
    """Write the linear interpolation of nodes, from the first to the last."""
    if nodes.shape == found.shape:
        found[:] = np.where(np.isnan(nodes), NOWHERE, nodes)
        return
    (left, right_share), (upper, lower_share) = (
        _neighbours(side, count) for side, count in zip(found.shape[::-1], nodes.shape[::-1], strict=True)
    )
    if nodes.shape == (2, 2):  # straight, so it is exact
        across = nodes[0, 0] + right_share * (nodes[0, 1] - nodes[0, 0])
        down = lower_share * (nodes[1, 0] - nodes[0, 0])
        np.add(across, down[:, np.newaxis], out=found, casting="same_kind")
        return
    rows = nodes[:, left] + right_share * (nodes[:, left + 1] - nodes[:, left])
    found[:] = rows.astype(np.float32)[upper]
    change = np.diff(rows, axis=0).astype(np.float32)[upper]
    change *= lower_share.astype(np.float32)[:, np.newaxis]
    found += change


def _neighbours(pixels: int, nodes: int) -> tuple[NDArray[np.intp], Floats]:
    """For each pixel, the node before it, and the share of the next one."""
    places = np.linspace(0, nodes - 1, pixels) if pixels > 1 else np.zeros(1)
    before = np.minimum(places.astype(np.intp), nodes - 2)
    return before, places - before
