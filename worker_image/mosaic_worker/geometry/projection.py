"""Coordinates brought from one coordinate reference system (CRS) to another.

GDAL and PROJ are called for coordinates only here, and their errors end here: points that cannot be projected become
infinite, bounds of nothing become None, and a CRS that cannot be used at all is refused with PROJ's reason.
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
"""left, bottom, right, top in units of a CRS."""
Floats = NDArray[np.float64]

WGS84 = "EPSG:4326"
EDGE_POINTS = 21
"""Points on each edge by which bounds are projected."""
_STEPS, _ZEROS = np.linspace(0, 1, EDGE_POINTS), np.zeros(EDGE_POINTS)
_AROUND = np.array(
    [
        np.concatenate([_STEPS, _ZEROS + 1, _STEPS[::-1], _ZEROS]),
        np.concatenate([_ZEROS, _STEPS, _ZEROS + 1, _STEPS[::-1]]),
    ]
)
LATTICE = 129
"""Rows and columns of points by which bounds are projected of which only a part can be."""
EVERYWHERE = 1e10
"""Units of any CRS: no point that can be projected has larger coordinates."""
CYLINDRICAL = frozenset({"merc", "webmerc", "eqc", "cea", "mill"})
"""PROJ's names of projections in which x grows evenly with longitude, the same at each latitude."""
METRES_PER_DEGREE = 111_320.0
"""Along the equator, and within a percent along a meridian."""
MERCATOR_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""85.051 degrees, where Web Mercator is cut so that it is square."""
LONGEST_REASON = 200
"""Characters of what PROJ says."""


@lru_cache(maxsize=256)
def crs_of(text: str) -> CRS:
    """The CRS that "EPSG:n" or WKT names.

    Raises:
        RequestError: PROJ knows no such CRS.
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
    """Turn errors of GDAL and PROJ into one sentence.

    Raises:
        RequestError: GDAL or PROJ cannot do what is done inside.
    """
    try:
        with rasterio.Env():
            yield
    except (CPLE_BaseError, CRSError, RasterioError) as error:
        names = f"{crs_name(source)} cannot be projected to {crs_name(target)}"
        raise RequestError(f"{names}: {reason_of(error)}") from None


def reason_of(error: Exception) -> str:
    """What GDAL or PROJ says, on one line and shortened."""
    text = " ".join(str(error).split()).removeprefix("PROJ: ")
    if "Cannot find coordinate operations" in text:
        text = "PROJ knows no operation between them"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def projected(source: str, target: str, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """Points of a CRS in another one, of any shape; infinite where they cannot be projected."""
    found = places_in(source, target, xs.ravel().tolist(), ys.ravel().tolist())
    x, y = (np.asarray(values, dtype=np.float64).reshape(xs.shape) for values in found)
    lost = ~(np.isfinite(x) & np.isfinite(y))
    x[lost] = y[lost] = np.inf
    return x, y


def places_in(source: str, target: str, xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Points of a CRS in another one; infinite where they cannot be projected.

    One such point makes GDAL refuse all of a call, so halves are tried until it is found.
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
    """Bounds in another CRS, or those of the part that can be projected; None if there is no such part.

    Longitudes are continuous: right is beyond 180 degrees, and beyond the half world of a cylindrical projection, where
    the bounds cross the antimeridian.
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
    """Whether neighbours on edges are so far apart that the target must be cut between them."""
    return bool(np.hypot(np.diff(x), np.diff(y)).max() > max(np.ptp(x), np.ptp(y)) / 2)


def _continuous(found: Bounds, edges: Floats, period: float, degrees: bool) -> Bounds:
    """Bounds whose x goes on beyond the world, of those that GDAL gives, and x of their edges once around."""
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
    """Why nothing within bounds in a CRS can be found on Earth, to follow the name of a file; None if something can."""
    try:
        crs = crs_of(text)
    except RequestError:
        return "PROJ does not know its coordinate reference system"
    found = f"its coordinate reference system{_named(text)}"
    if not (crs.is_geographic or crs.is_projected):
        return f"{found} is neither geographic nor projected; assign the one that it is in, as gdal_edit.py -a_srs does"
    left, bottom, right, top = bounds
    (x,), _ = places_in(text, WGS84, [(left + right) / 2], [(bottom + top) / 2])
    if math.isfinite(x) or projected_bounds(bounds, text, WGS84) is not None:
        return None
    return f"{found} cannot be projected to {WGS84}: PROJ finds a longitude and latitude for no point of it"


def _outline(bounds: Bounds) -> tuple[Floats, Floats]:
    """Points on the edges of bounds, once around."""
    left, bottom, right, top = bounds
    return left + _AROUND[0] * (right - left), bottom + _AROUND[1] * (top - bottom)


def _bounds_of_part(bounds: Bounds, source: str, target: str) -> Bounds | None:
    """Bounds of the points of a lattice that can be projected, widened by how far neighbours are apart."""
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
    """Points of an even lattice in another CRS, (rows, columns); infinite where they cannot be projected.

    Which can be is seen from an image of the lattice, of which GDAL leaves out the others without an error.

    Args:
        source: the CRS of the lattice.
        target: the other CRS.
        xs: x of the columns, growing.
        ys: y of the rows, falling.
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
    """The shortest stretch of a circle that holds all of several places; its end may be beyond the period."""
    places = np.sort(xs)
    gaps = np.append(np.diff(places), places[0] + period - places[-1])
    widest = int(np.argmax(gaps))
    if widest == len(places) - 1:
        return float(places[0]), float(places[-1])
    return float(places[widest + 1]), float(places[widest]) + period


@lru_cache(maxsize=256)
def world_of(text: str) -> tuple[float, float] | None:
    """The least and the greatest x of a CRS in which x runs evenly around the Earth; None of another one.

    Those are geographic CRSs and cylindrical projections. PROJ gives x between the two; files and grids go on beyond.
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
    """The names and values of PROJ's text of a CRS; none of a CRS that has no such text."""
    try:
        with rasterio.Env():
            return dict(crs.to_dict(projjson=False))
    except (CRSError, CPLE_BaseError):
        return {}


def proj_text(parts: dict[str, object]) -> str:
    """PROJ's text of a CRS."""
    return " ".join(f"+{name}" if value is True else f"+{name}={value!s}" for name, value in parts.items())
