"""Finds where the pixels of a grid are in an image: by PROJ at the nodes of a mesh, and interpolated between them.

Where the mesh bends too much it gets more nodes; near poles, and where a projection is cut, PROJ places each pixel.
"""

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

Positions = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Columns and rows in an image, each (height, width): 0 is the centre of its first pixel, `NOWHERE` no place."""

NOWHERE = -1e6
"""The position of pixels that cannot be projected: outside all images."""

TOLERANCE = 1e-3
"""Maximum error of interpolated positions, pixels of the image."""
STEPS = (64, 16, 4)
"""Pixels between nodes: the first step with which the mesh is within the tolerance is used."""
SMALLEST = 64
"""Side of the largest part of a grid, pixels, in which PROJ places each pixel."""


@lru_cache(maxsize=2)  # for the bands of a scene, and for the scenes of an orbit, which share their pixels
def positions(grid: Grid, image: Grid, tolerance: float = TOLERANCE) -> Positions:
    """The positions in an image of the centres of the pixels of a grid; they depend only on the arguments.

    Args:
        grid: the grid whose pixels are placed.
        image: the image. If its x goes around the Earth, positions are at most half a turn from its middle.
        tolerance: the maximum error, pixels of the image, in addition to the rounding to float32.

    Returns:
        Read-only arrays.
    """
    shape = (grid.height, grid.width)
    if grid.crs == image.crs:
        x = (grid.left - image.left + (np.arange(grid.width) + 0.5) * grid.xres) / image.xres - 0.5
        y = (image.top - grid.top + (np.arange(grid.height) + 0.5) * grid.yres) / image.yres - 0.5
        across = np.ascontiguousarray(np.broadcast_to(x.astype(np.float32), shape))
        down = np.ascontiguousarray(np.broadcast_to(y.astype(np.float32)[:, np.newaxis], shape))
    else:
        across, down = np.empty(shape, np.float32), np.empty(shape, np.float32)
        _place(grid, image, tolerance, across, down)
    across.setflags(write=False)
    down.setflags(write=False)
    return across, down


def _place(grid: Grid, image: Grid, tolerance: float, across: NDArray[np.float32], down: NDArray[np.float32]) -> None:
    """Write positions with the widest mesh within the tolerance; without one, those of the quarters of the grid."""
    for step in STEPS:
        nodes = _nodes(grid, image.crs, step)
        if nodes is None:
            break
        x, y = _in_image(nodes, image)
        if max(_bend(x), _bend(y)) <= tolerance:
            _interpolate(x, across)
            _interpolate(y, down)
            return
    if max(grid.width, grid.height) <= SMALLEST:
        x, y = _in_image(_all_places(grid, image.crs), image)
        there = np.isfinite(x) & np.isfinite(y)
        across[:], down[:] = np.where(there, x, NOWHERE), np.where(there, y, NOWHERE)
        return
    middle_x, middle_y = -(-grid.width // 2), -(-grid.height // 2)
    for rows in (slice(0, middle_y), slice(middle_y, grid.height)):
        for columns in (slice(0, middle_x), slice(middle_x, grid.width)):
            part = across[rows, columns], down[rows, columns]
            if part[0].size:
                quarter = grid.window(columns.start, rows.start, part[0].shape[1], part[0].shape[0])
                _place(quarter, image, tolerance, *part)


@lru_cache(maxsize=16)
def _nodes(grid: Grid, crs: str, step: int) -> tuple[Floats, Floats] | None:
    """X and y of nodes, from the first to the last pixel, at least three each way; None if one has no place."""
    count_x, count_y = (max(3, -(-(side - 1) // step) + 1) for side in (grid.width, grid.height))
    places = _places(grid, np.linspace(0, grid.width - 1, count_x), np.linspace(0, grid.height - 1, count_y))
    points = np.meshgrid(*places)
    try:
        with env_ctx_if_needed():
            found = transform(crs_of(grid.crs), crs_of(crs), *(axis.ravel().tolist() for axis in points))
    except (CPLE_BaseError, CRSError):
        return None
    x, y = (np.array(axis).reshape(count_y, count_x) for axis in found[:2])
    return x, y


def _all_places(grid: Grid, crs: str) -> tuple[Floats, Floats]:
    """X and y of all pixels; infinite if they have no place."""
    xs, ys = _places(grid, np.arange(grid.width), np.arange(grid.height))
    if min(grid.width, grid.height) > 1:
        return projected_lattice(grid.crs, crs, xs, ys)
    return projected(grid.crs, crs, *np.meshgrid(xs, ys))


def _places(grid: Grid, columns: NDArray[Any], rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """X of the centres of columns, and y of the centres of rows."""
    return grid.left + (columns + 0.5) * grid.xres, grid.top - (rows + 0.5) * grid.yres


def _in_image(places: tuple[Floats, Floats], image: Grid) -> tuple[Floats, Floats]:
    """Columns and rows of places in the CRS of an image; not finite if they have none."""
    x = near(image.crs, places[0], image.left + image.width / 2 * image.xres)
    return (x - image.left) / image.xres - 0.5, (image.top - places[1]) / image.yres - 0.5


def _bend(mesh: Floats) -> float:
    """How far nodes are at most from the middle of their neighbours, across and down together.

    This is the error of a mesh with twice the step. That of the mesh itself is about a quarter of it.
    """
    with np.errstate(invalid="ignore"):
        return sum(float(np.abs(np.diff(mesh, 2, axis)).max()) / 2 for axis in (0, 1))


def _interpolate(mesh: Floats, found: NDArray[np.float32]) -> None:
    """Write the linear interpolation of a mesh, from its first node to its last."""
    (left, right_share), (upper, lower_share) = (
        _neighbours(side, nodes) for side, nodes in zip(found.shape[::-1], mesh.shape[::-1], strict=True)
    )
    rows = mesh[:, left] + right_share * (mesh[:, left + 1] - mesh[:, left])
    found[:] = rows.astype(np.float32)[upper]
    change = np.diff(rows, axis=0).astype(np.float32)[upper]
    change *= lower_share.astype(np.float32)[:, np.newaxis]
    found += change


def _neighbours(pixels: int, nodes: int) -> tuple[NDArray[np.intp], Floats]:
    """For each pixel, the node before it, and the share of the next one."""
    places = np.linspace(0, nodes - 1, pixels) if pixels > 1 else np.zeros(1)
    before = np.minimum(places.astype(np.intp), nodes - 2)
    return before, places - before
