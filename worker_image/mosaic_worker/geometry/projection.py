"""Projects coordinates from one coordinate reference system (CRS) to another.

Only this module calls GDAL and PROJ for coordinates, and it handles their errors: points that cannot be projected
become infinite, and bounds without such points None. A CRS that cannot be used is refused with the reason of PROJ.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError, CPLE_NotSupportedError
from rasterio.crs import CRS
from rasterio.env import env_ctx_if_needed
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform, transform_bounds

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in units of a CRS."""
Floats = NDArray[np.float64]

WGS84 = "EPSG:4326"
EDGE_POINTS = 21
"""Points on each edge that are projected for bounds."""
_STEPS, _ZEROS = np.linspace(0, 1, EDGE_POINTS), np.zeros(EDGE_POINTS)
_AROUND_X = np.concatenate([_STEPS, _ZEROS + 1, _STEPS[::-1], _ZEROS])
_AROUND_Y = np.concatenate([_ZEROS, _STEPS, _ZEROS + 1, _STEPS[::-1]])
LATTICE = 129
"""Rows and columns of points for bounds that can only be projected in part."""
EVERYWHERE = 1e10
"""No projected coordinate is larger, in any unit."""
CYLINDRICAL = frozenset({"merc", "webmerc", "eqc", "cea", "mill"})
"""PROJ names of projections in which x is a linear function of longitude."""
METRES_PER_DEGREE = 111_320.0
"""At the equator; within a percent along a meridian."""
MERCATOR_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""85.051 degrees, the limit of the square of Web Mercator."""
LONGEST_REASON = 200
"""Maximum characters of a message of PROJ."""


@lru_cache(maxsize=256)
def crs_of(text: str) -> CRS:
    """The CRS of "EPSG:n" or WKT.

    Raises:
        RequestError: PROJ does not know it.
    """
    try:
        with rasterio.Env():
            return CRS.from_user_input(text)
    except (CRSError, CPLE_BaseError):
        raise RequestError(f"spec.grid.crs: unknown coordinate reference system {text}") from None


def crs_name(text: str) -> str:
    """A short name of a CRS for messages: "EPSG:n", or the name in its WKT."""
    return _named(text).strip() or "the CRS of the file"


def _named(text: str) -> str:
    if not text.endswith("]"):
        return f" {text}"
    name = text.partition('"')[2].partition('"')[0]
    return "" if name in {"", "unknown", "unnamed"} else f' "{name}"'


@contextmanager
def projecting(source: str, target: str) -> Iterator[None]:
    """Convert errors of GDAL and PROJ to RequestError."""
    try:
        with rasterio.Env():
            yield
    except (CPLE_BaseError, CRSError, RasterioError) as error:
        names = f"{crs_name(source)} cannot be projected to {crs_name(target)}"
        raise RequestError(f"{names}: {reason_of(error)}") from None


def reason_of(error: Exception) -> str:
    """The message of GDAL or PROJ, on one line and shortened."""
    text = " ".join(str(error).split()).removeprefix("PROJ: ")
    if "Cannot find coordinate operations" in text:
        text = "PROJ has no operation between them"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def projected(source: str, target: str, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """Project points of any shape; infinite if they cannot be projected."""
    found = places_in(source, target, xs.ravel().tolist(), ys.ravel().tolist())
    x, y = (np.asarray(values, dtype=np.float64).reshape(xs.shape) for values in found)
    lost = ~(np.isfinite(x) & np.isfinite(y))
    x[lost] = y[lost] = np.inf
    return x, y


def places_in(source: str, target: str, xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Project points; infinite if they cannot be projected.

    GDAL refuses a whole call with one such point, so halves are tried until it is found.
    """
    try:
        with env_ctx_if_needed():
            return _halved(crs_of(source), crs_of(target), xs, ys)
    except CPLE_NotSupportedError:
        return [math.inf] * len(xs), [math.inf] * len(xs)


def _halved(source: CRS, target: CRS, xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    try:
        found = transform(source, target, xs, ys)
        return list(found[0]), list(found[1])
    except CPLE_NotSupportedError:
        raise
    except (CPLE_BaseError, CRSError):
        if len(xs) == 1:
            return [math.inf], [math.inf]
    half = len(xs) // 2
    (x, y), (more_x, more_y) = (
        _halved(source, target, xs[part], ys[part]) for part in (slice(None, half), slice(half, None))
    )
    return [*x, *more_x], [*y, *more_y]


@lru_cache(maxsize=4096)
def projected_bounds(bounds: Bounds, source: str, target: str) -> Bounds | None:
    """Project bounds, or the part that can be projected; None if there is no such part.

    If the bounds cross the antimeridian, right exceeds 180 degrees, or the range of a cylindrical projection.
    """
    if source == target:
        return bounds
    found: Bounds = (math.inf, math.inf, math.inf, math.inf)
    with rasterio.Env(), suppress(CPLE_BaseError, CRSError):
        x, y = projected(source, target, *_outline(bounds))
        if np.isfinite(x).all() and (world_of(target) is not None or not _jumps(x, y)):
            found = transform_bounds(crs_of(source), crs_of(target), *bounds, densify_pts=EDGE_POINTS)
    if not all(map(math.isfinite, found)):
        return _bounds_of_part(bounds, source, target)
    world = world_of(target)
    return found if world is None else _continuous(found, x, world[1] - world[0], crs_of(target).is_geographic)


def _jumps(x: Floats, y: Floats) -> bool:
    """Whether neighbours on edges are so far apart that the target CRS is cut between them."""
    return bool(np.hypot(np.diff(x), np.diff(y)).max() > max(np.ptp(x), np.ptp(y)) / 2)


def _continuous(found: Bounds, edges: Floats, period: float, degrees: bool) -> Bounds:
    """Bounds with continuous x, from those of GDAL and x along their edges."""
    left, bottom, right, top = found
    if left > right:
        return left, bottom, right + period, top
    if right - left > period / 2 and not degrees:
        around = np.unwrap(edges, period=period)
        if abs(around[-1] - around[0]) < period / 2:
            return float(around.min()), bottom, float(around.max()), top
    return found


@lru_cache(maxsize=4096)
def why_nowhere(bounds: Bounds, text: str) -> str | None:
    """Why nothing within bounds can be projected to longitude and latitude, as a clause; None if something can."""
    try:
        crs = crs_of(text)
    except RequestError:
        return "PROJ does not know its coordinate reference system"
    found = f"its coordinate reference system{_named(text)}"
    if not (crs.is_geographic or crs.is_projected):
        return f"{found} is neither geographic nor projected; assign the right one with gdal_edit.py -a_srs"
    left, bottom, right, top = bounds
    (x,), _ = places_in(text, WGS84, [(left + right) / 2], [(bottom + top) / 2])
    if math.isfinite(x) or projected_bounds(bounds, text, WGS84) is not None:
        return None
    return f"{found} cannot be projected to {WGS84}: PROJ returns no longitude and latitude for any point"


def _outline(bounds: Bounds) -> tuple[Floats, Floats]:
    """Points around bounds."""
    left, bottom, right, top = bounds
    return left + _AROUND_X * (right - left), bottom + _AROUND_Y * (top - bottom)


def _bounds_of_part(bounds: Bounds, source: str, target: str) -> Bounds | None:
    """Bounds of the projectable points of a lattice, enlarged by the distance of neighbours."""
    left, bottom, right, top = bounds
    xs, ys = np.linspace(left, right, LATTICE), np.linspace(top, bottom, LATTICE)
    x, y = projected_lattice(source, target, xs, ys)
    there = np.isfinite(x)
    if not there.any():
        return None
    apart_x, apart_y = _apart(x), _apart(y)
    south, north = float(y[there].min()) - apart_y, float(y[there].max()) + apart_y
    if crs_of(target).is_geographic:
        quarter = math.pi / 2 / crs_of(target).units_factor[1]
        south, north = max(south, -quarter), min(north, quarter)
    world = world_of(target)
    if world is None:
        return float(x[there].min()) - apart_x, south, float(x[there].max()) + apart_x, north
    west, east = _hull_around(x[there], world[1] - world[0])
    if east - west + 2 * apart_x >= world[1] - world[0]:
        return world[0], south, world[1], north
    return west - apart_x, south, east + apart_x, north


def _apart(lattice: Floats) -> float:
    """The median distance of neighbours."""
    with np.errstate(invalid="ignore"):
        steps = np.concatenate([np.abs(np.diff(lattice, axis=axis)).ravel() for axis in (0, 1)])
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else 0.0


def projected_lattice(source: str, target: str, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """Project a regular lattice, (rows, columns), with ascending xs and descending ys; infinite if not projectable.

    GDAL warps an image of the lattice, in which points that cannot be projected are missing without an error.
    """
    across, down = (xs[-1] - xs[0]) / (len(xs) - 1), (ys[0] - ys[-1]) / (len(ys) - 1)
    lattice = Affine(across, 0, xs[0] - across / 2, 0, -down, ys[0] + down / 2)
    anywhere = Affine(2 * EVERYWHERE, 0, -EVERYWHERE, 0, -2 * EVERYWHERE, EVERYWHERE)
    one: dict[str, Any] = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8", "nodata": 0}
    there = np.zeros((len(ys), len(xs)), np.bool_)
    with suppress(CPLE_BaseError, RasterioError), rasterio.Env(), MemoryFile() as memory:
        with memory.open(crs=crs_of(target), transform=anywhere, **one) as dataset:
            dataset.write(np.ones((1, 1), np.uint8), 1)
        size = {"width": len(xs), "height": len(ys)}
        with (
            memory.open() as dataset,
            WarpedVRT(dataset, crs=crs_of(source), transform=lattice, tolerance=1e-9, **size) as warped,
        ):
            there = warped.read(1) > 0
    x, y = np.full(there.shape, np.inf), np.full(there.shape, np.inf)
    points_x, points_y = np.meshgrid(xs, ys)
    x[there], y[there] = projected(source, target, points_x[there], points_y[there])
    return x, y


def _hull_around(xs: Floats, period: float) -> tuple[float, float]:
    """The shortest interval on a circle that contains all places; its end may exceed the period."""
    places = np.sort(xs)
    gaps = np.append(np.diff(places), places[0] + period - places[-1])
    widest = int(np.argmax(gaps))
    if widest == len(places) - 1:
        return float(places[0]), float(places[-1])
    return float(places[widest + 1]), float(places[widest]) + period


@lru_cache(maxsize=256)
def world_of(text: str) -> tuple[float, float] | None:
    """The range of x that PROJ returns for a CRS in which x goes evenly around the Earth; None for other CRSs.

    Those are geographic CRSs and cylindrical projections. Files and grids may exceed the range.
    """
    crs = crs_of(text)
    if crs.is_geographic:
        half = round(math.pi / crs.units_factor[1], 9)
        return -half, half
    parts = proj_parts(crs)
    if parts.get("proj") not in CYLINDRICAL:
        return None
    geographic = proj_text({name: parts[name] for name in _DATUM if name in parts} | {"proj": "longlat"})
    middle = float(str(parts.get("lon_0", 0)))
    eastwards = [middle, middle + 90 if middle <= 0 else middle - 90]
    (x, quarter), _ = places_in(geographic, text, eastwards, [0.0, 0.0])
    half = 2 * abs(quarter - x)
    return (x - half, x + half) if math.isfinite(half) else None


def is_mercator(text: str) -> bool:
    """Whether a CRS is a Mercator projection, such as Web Mercator."""
    return proj_parts(crs_of(text)).get("proj") in {"merc", "webmerc"}


_DATUM = ("a", "b", "rf", "R", "ellps", "datum", "towgs84", "nadgrids", "pm")


def proj_parts(crs: CRS) -> dict[str, object]:
    """The parameters of the PROJ string of a CRS; empty if it has none."""
    try:
        with rasterio.Env():
            return dict(crs.to_dict(projjson=False))
    except (CRSError, CPLE_BaseError):
        return {}


def proj_text(parts: dict[str, object]) -> str:
    """The PROJ string of parameters."""
    return " ".join(f"+{name}" if value is True else f"+{name}={value!s}" for name, value in parts.items())
