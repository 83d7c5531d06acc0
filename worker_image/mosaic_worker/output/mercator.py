"""Web Mercator for the picture: its grid, and the pixel of the mosaic for each of its pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_longitudes, near
from mosaic_worker.geometry.projection import (
    MERCATOR_LATITUDE,
    WGS84,
    Bounds,
    crs_of,
    places_in,
    projected,
    projected_bounds,
)
from mosaic_worker.geometry.sampling import Window

WEB_MERCATOR = "EPSG:3857"
EARTH_RADIUS = 6378137.0
"""The sphere of EPSG:3857, metres."""
CELLS = (64, 8, 1)
"""Sides of the cells, in pixels, in which positions are interpolated from the corners: the largest that are exact.
Smaller cells are needed where the projection is curved or discontinuous."""
TOLERANCE = 0.05
"""Maximum error in the middle of a cell, pixels of the mosaic."""

Bytes = NDArray[np.uint8]


def picture_grid(grid: Grid, largest_side: int) -> tuple[Grid, float]:
    """The grid of a picture, and the resolution with as many pixels on the diagonal as in the mosaic, metres.

    Args:
        grid: the grid of the mosaic.
        largest_side: the maximum side of the picture, pixels.
    """
    left, bottom, right, top = _bounds_of(grid)
    native = math.hypot(right - left, top - bottom) / math.hypot(grid.width, grid.height)
    resolution = max(native, max(right - left, top - bottom) / largest_side)
    width = max(1, round((right - left) / resolution))
    height = max(1, round((top - bottom) / resolution))
    return Grid(WEB_MERCATOR, left, top, resolution, resolution, width, height), native


@dataclass(frozen=True, eq=False)
class Mesh:
    """Maps a piece of the picture to pixels of the mosaic (nearest neighbours).

    Attributes:
        size: width and height of the piece, pixels.
        extent: width and height of the mosaic, pixels.
        boxes: cells of the piece (cells, 4): left, top, right, bottom.
        corners: their corners in the mosaic (cells, 4, 2): upper left, lower left, lower right, upper right; each as
            column, row.
    """

    size: tuple[int, int]
    extent: tuple[int, int]
    boxes: NDArray[np.int64]
    corners: NDArray[np.float64]

    @cached_property
    def window(self) -> Window:
        """The pixels of the mosaic; empty if there are none."""
        if not len(self.boxes):
            return Window(0, 0, 0, 0)
        left, top = np.floor(self.corners.min(axis=(0, 1))).astype(int) - 1
        right, bottom = np.ceil(self.corners.max(axis=(0, 1))).astype(int) + 1
        return Window(int(left), int(top), int(right), int(bottom)).clipped(*self.extent)

    def reduced(self, factor: int) -> "Mesh":
        """The mesh to an overview of the mosaic."""
        width, height = (-(-side // factor) for side in self.extent)
        return Mesh(self.size, (width, height), self.boxes, self.corners / factor)

    def shown(self, pixels: Bytes) -> Bytes:
        """The piece, uint8 (bands, height, width), from the pixels of the window; 0 outside."""
        flat = (self.corners - (self.window.left, self.window.top)).reshape(len(self.corners), 8)
        cells = [(tuple(box), tuple(places)) for box, places in zip(self.boxes.tolist(), flat.tolist(), strict=True)]
        found = np.zeros((len(pixels), self.size[1], self.size[0]), np.uint8)
        for band, of_mosaic in zip(found, pixels, strict=True):
            image = Image.fromarray(of_mosaic)
            band[:] = np.asarray(image.transform(self.size, Image.Transform.MESH, cells, Image.Resampling.NEAREST))
        return found


def mesh_between(piece: Grid, mosaic: Grid) -> Mesh:
    """The mesh from a piece of a picture to a mosaic."""
    boxes, corners = _cells(piece, mosaic, CELLS)
    return Mesh((piece.width, piece.height), (mosaic.width, mosaic.height), boxes, corners)


def _cells(piece: Grid, mosaic: Grid, sides: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The boxes and corners of a `Mesh`: cells of the first side; of the next ones where these are not exact."""
    side, *smaller = sides
    columns = np.append(np.arange(0, piece.width, side), piece.width)
    rows = np.append(np.arange(0, piece.height, side), piece.height)
    places = _places(piece, mosaic, _with_middles(columns), _with_middles(rows))
    corners = np.stack([places[:-1:2, :-1:2], places[2::2, :-1:2], places[2::2, 2::2], places[:-1:2, 2::2]], axis=2)
    middles = places[1::2, 1::2]
    with np.errstate(invalid="ignore"):
        exact = np.abs(corners.mean(axis=2) - middles).max(axis=2) <= TOLERANCE  # False if a position is infinite
    if not smaller:
        corners[~exact] = middles[~exact][:, np.newaxis]
        exact = np.isfinite(middles).all(axis=2)
    boxes = np.stack([*np.meshgrid(columns[:-1], rows[:-1]), *np.meshgrid(columns[1:], rows[1:])], axis=2)
    found = [(boxes[exact], corners[exact])]
    if smaller:
        for left, top, right, bottom in boxes[~exact].tolist():
            part = piece.window(left, top, right - left, bottom - top)
            their_boxes, their_corners = _cells(part, mosaic, smaller)
            found.append((their_boxes + np.array([left, top, left, top]), their_corners))
    return np.concatenate([one for one, _ in found]), np.concatenate([other for _, other in found])


def _with_middles(edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Edges and the middles between them."""
    found = np.empty(2 * len(edges) - 1)
    found[::2], found[1::2] = edges, (edges[:-1] + edges[1:]) / 2
    return found


def _places(piece: Grid, mosaic: Grid, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions of a piece in the mosaic: (rows, columns, 2), column and row; infinite if there is none."""
    xs, ys = np.meshgrid(piece.left + columns * piece.xres, piece.top - rows * piece.yres)
    found = places_in(piece.crs, mosaic.crs, xs.ravel().tolist(), ys.ravel().tolist())
    x, y = (np.asarray(values).reshape(xs.shape) for values in found)
    x = near(mosaic.crs, x, mosaic.left + mosaic.width * mosaic.xres / 2)
    return np.stack([(x - mosaic.left) / mosaic.xres, (mosaic.top - y) / mosaic.yres], axis=2)


def _bounds_of(grid: Grid) -> Bounds:
    """The bounds of the mosaic in Web Mercator, continuous across the antimeridian."""
    steps = np.linspace(0, 1, 65)
    columns = np.concatenate([steps, steps, np.zeros(65), np.ones(65)]) * grid.width
    rows = np.concatenate([np.zeros(65), np.ones(65), steps, steps]) * grid.height
    xs, ys = grid.left + columns * grid.xres, grid.top - rows * grid.yres
    longitudes, latitudes = projected(grid.crs, WGS84, xs, ys)
    if not np.isfinite(longitudes).all():
        west, south, east, north = projected_bounds(grid.bounds, grid.crs, WGS84) or (-180.0, -90.0, 180.0, 90.0)
        longitudes, latitudes = np.array([west, east]), np.array([south, north])
    elif holds_pole(grid):
        longitudes = np.array([-180.0, 180.0])
        latitudes = np.append(latitudes, math.copysign(MERCATOR_LATITUDE, latitudes.mean()))
    else:
        longitudes = continuous_longitudes(grid.crs, xs, longitudes)
    latitudes = np.clip(latitudes, -MERCATOR_LATITUDE, MERCATOR_LATITUDE)
    x = EARTH_RADIUS * np.radians(longitudes)
    y = EARTH_RADIUS * np.arcsinh(np.tan(np.radians(latitudes)))
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def holds_pole(grid: Grid) -> bool:
    """Whether a projected grid contains a pole. In degrees, all longitudes of a pole are at the edge of a grid."""
    if crs_of(grid.crs).is_geographic:
        return False
    xs, ys = places_in(WGS84, grid.crs, [0.0, 0.0], [90.0, -90.0])
    left, bottom, right, top = grid.bounds
    return any(left < x < right and bottom < y < top for x, y in zip(xs, ys, strict=True))
