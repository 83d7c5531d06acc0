"""The grid of pixels that a mosaic is computed on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from affine import Affine
from mosaic_crds.errors import RequestError
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform, transform_bounds

Bounds = tuple[float, float, float, float]
"""left, bottom, right, top in units of a CRS."""

SNAP_TOLERANCE = 1e-6
"""Of a pixel: an edge this near to a grid line is on it."""


@dataclass(frozen=True)
class Grid:
    """Square-cornered pixels in a CRS, rows from north to south.

    Attributes:
        crs: "EPSG:n" or WKT.
        left, top: the outer corner of the upper left pixel, in units of the CRS.
        xres, yres: the size of a pixel, in units of the CRS; both positive.
        width, height: in pixels.
    """

    crs: str
    left: float
    top: float
    xres: float
    yres: float
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        """From (column, row) to (x, y)."""
        return Affine(self.xres, 0, self.left, 0, -self.yres, self.top)

    @property
    def bounds(self) -> Bounds:
        """The outer edges."""
        return (self.left, self.top - self.height * self.yres, self.left + self.width * self.xres, self.top)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def reduced(self, factor: int) -> "Grid":
        """The grid of an overview: pixels so many times as wide and high, from the same corner."""
        width, height = -(-self.width // factor), -(-self.height // factor)
        return Grid(self.crs, self.left, self.top, self.xres * factor, self.yres * factor, width, height)

    def window(self, column: int, row: int, width: int, height: int) -> "Grid":
        """The part of the grid, or of its continuation beyond the edges, that starts at a pixel."""
        return Grid(
            self.crs,
            self.left + column * self.xres,
            self.top - row * self.yres,
            self.xres,
            self.yres,
            width,
            height,
        )


@lru_cache(maxsize=256)
def crs_of(text: str) -> CRS:
    """The CRS that "EPSG:n" or WKT names.

    Raises:
        RequestError: PROJ knows no such CRS.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError:
        raise RequestError(f"spec.grid.crs: PROJ knows no coordinate reference system {text}") from None


def snapped(crs: str, bounds: Bounds, xres: float, yres: float, anchor: tuple[float, float] = (0.0, 0.0)) -> Grid:
    """The smallest grid that covers bounds and whose lines are whole pixels away from an anchor.

    With the anchor at the origin grids of one resolution share their lines, so neighbouring requests line up.
    """
    left = _snap_down((bounds[0] - anchor[0]) / xres)
    right = _snap_up((bounds[2] - anchor[0]) / xres)
    bottom = _snap_down((bounds[1] - anchor[1]) / yres)
    top = _snap_up((bounds[3] - anchor[1]) / yres)
    return Grid(
        crs,
        anchor[0] + left * xres,
        anchor[1] + top * yres,
        xres,
        yres,
        max(1, right - left),
        max(1, top - bottom),
    )


def _snap_down(position: float) -> int:
    return math.floor(position + SNAP_TOLERANCE)


def _snap_up(position: float) -> int:
    return math.ceil(position - SNAP_TOLERANCE)


def projected_bounds(bounds: Bounds, source: str, target: str) -> Bounds:
    """Bounds in another CRS, with edges followed at 21 points each.

    Raises:
        RequestError: the bounds have no place in the target CRS.
    """
    if source == target:
        return bounds
    try:
        found: Bounds = transform_bounds(crs_of(source), crs_of(target), *bounds, densify_pts=21)
    except CRSError as error:
        raise RequestError(f"spec.grid.crs: {source} cannot be transformed to {target} ({error})") from None
    if not all(math.isfinite(edge) for edge in found):
        raise RequestError(f"spec.grid.crs: the area has no place in {target}; choose another CRS, such as utm")
    if found[0] > found[2]:  # degrees, on both sides of the antimeridian
        return (-180.0, found[1], 180.0, found[3])
    return found


def places_in(source: str, target: str, xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Places of a CRS in another one; infinite where that has none for them.

    Of these GDAL may give infinity or an error for all that are asked together, so that halves are asked again.
    """
    try:
        found: tuple[list[float], list[float]] = transform(crs_of(source), crs_of(target), xs, ys)
        return found
    except CPLE_BaseError:
        if len(xs) == 1:
            return [math.inf], [math.inf]
    half = len(xs) // 2
    (x, y), (more_x, more_y) = (
        places_in(source, target, xs[part], ys[part]) for part in (slice(None, half), slice(half, None))
    )
    return [*x, *more_x], [*y, *more_y]


def projected_middle(grid: Grid, target: str) -> tuple[float, float]:
    """The middle of a grid in another CRS."""
    left, bottom, right, top = grid.bounds
    xs, ys = transform(crs_of(grid.crs), crs_of(target), [(left + right) / 2], [(bottom + top) / 2])
    return xs[0], ys[0]


def utm_crs(longitude: float, latitude: float) -> str:
    """The UTM zone of a place as "EPSG:n"; beyond 84 degrees north and 80 south the polar stereographic ones (UPS)."""
    if latitude > 84:
        return "EPSG:32661"
    if latitude < -80:
        return "EPSG:32761"
    zone = int((longitude + 180) % 360 // 6) + 1
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"
