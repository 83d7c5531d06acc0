"""Determines the grid of a mosaic: the CRS and resolution from the request or the scenes."""

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from mosaic_crds.errors import RequestError
from mosaic_crds.spec import MosaicRequestSpec
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import projectable, projected_area
from mosaic_worker.geometry.grid import Grid, snapped, utm_crs
from mosaic_worker.geometry.longitudes import closest_turns
from mosaic_worker.geometry.projection import (
    METRES_PER_DEGREE,
    WGS84,
    Bounds,
    crs_name,
    crs_of,
    projected,
    projected_bounds,
    world_of,
)
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.sources.scenes import Found, Scene

PLURALS = {"metre": "metres", "degree": "degrees", "grad": "grads", "US survey foot": "US survey feet", "foot": "feet"}
COARSEST = 1000
"""Maximum scene pixels per mosaic pixel in degrees: coarser resolutions were meant in metres."""


def fix_grid(spec: MosaicRequestSpec, found: Found, area: BaseGeometry | None, most_pixels: int) -> Grid:
    """The snapped grid of a mosaic over the area or all scenes.

    Scenes that are subtracted only count for the default resolution, which is the coarsest of both mosaics.

    Raises:
        RequestError: the CRS or resolution cannot be used, or there would be too many pixels.
    """
    scenes = found.scenes
    images, *others = [_images(side.scenes) for side in found.sides]
    wanted = spec.grid.crs or ("source" if spec.source.kind.listed else "utm")
    own = wanted == "source"
    first = max((band.header.grid for band in scenes[0].bands.values()), key=lambda image: image.xres)
    crs = first.crs if own else _utm(area, images) if wanted == "utm" else wanted
    _check_crs(crs)
    bounds = projected_area(area, crs).bounds if area is not None else _extent(images, crs)
    asked = spec.grid.resolution
    if asked is not None:
        _check_unit(asked, crs, bounds, images)
    xres, yres = _resolution(asked, crs, sum(others, images), bounds, first if own else None)
    return _allowed(
        snapped(crs, bounds, xres, yres, anchor=(first.left, first.top) if own else (0.0, 0.0)), most_pixels
    )


def grid_over(area: BaseGeometry, wanted: str | None, resolution: float, most_pixels: int) -> Grid:
    """The grid of a mosaic whose scenes are unknown and do not affect it.

    Args:
        area: in degrees, unwrapped.
        wanted: "EPSG:n" or "utm"; None means "utm".
        resolution: in units of the CRS.
        most_pixels: the maximum.

    Raises:
        RequestError: the CRS or resolution cannot be used, or there would be too many pixels.
    """
    crs = _utm(area, ()) if wanted in {None, "utm"} else str(wanted)
    _check_crs(crs)
    bounds = projected_area(area, crs).bounds
    _check_unit(resolution, crs, bounds, ())
    return _allowed(snapped(crs, bounds, resolution, resolution), most_pixels)


def grid_notes(grid: Grid, asked: float | None, area: BaseGeometry | None) -> list[str]:
    """Notes on a grid.

    Args:
        grid: the grid of the mosaic.
        asked: the resolution in the request.
        area: in degrees.
    """
    crs, found = crs_of(grid.crs), []
    unit = _unit(grid.crs)
    if area is not None and projectable(area, grid.crs) is not area:
        found.append(f"only a part of the area can be projected to {crs_name(grid.crs)}; the rest is not in the mosaic")
    if asked is not None and not crs.is_geographic and crs.linear_units_factor[1] != 1:
        metres = asked * crs.linear_units_factor[1]
        found.append(f"the unit of {crs_name(grid.crs)} is {unit}: a resolution of {asked:g} is {metres:.3g} m")
    if asked is not None and grid.pixels == 1:
        found.append(f"the mosaic has one pixel: the area is no larger than the resolution of {asked:g} {unit}")
    return found


def _images(scenes: Sequence[Scene]) -> list[Grid]:
    return [band.header.grid for scene in scenes for band in scene.bands.values()]


def _check_crs(crs: str) -> None:
    """Check that a CRS is geographic or projected.

    Raises:
        RequestError: it is not, or PROJ does not know it.
    """
    if not (crs_of(crs).is_geographic or crs_of(crs).is_projected):
        raise RequestError(
            f"spec.grid.crs: {crs_name(crs)} is neither geographic nor projected; choose another CRS, such as utm"
        )


def _allowed(grid: Grid, most_pixels: int) -> Grid:
    """Check the size of a grid."""
    if grid.pixels > most_pixels:
        least = max(grid.xres, grid.yres) * (grid.pixels / most_pixels) ** 0.5
        raise RequestError(
            f"spec.grid.resolution: at {grid.xres:g} {_unit(grid.crs)} the mosaic would have {grid.width:,} x "
            f"{grid.height:,} pixels, but only {most_pixels:,} are allowed; use {_rounded_up(least)} or more, or a "
            "smaller area"
        )
    return grid


def _rounded_up(number: float) -> str:
    """A number rounded up to two digits."""
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / step - 1e-9) * step:.2g}"


def _unit(crs: str) -> str:
    """The PROJ name of the unit of a CRS, in the plural."""
    found: str = crs_of(crs).units_factor[0]
    return PLURALS.get(found, found)


def _check_unit(resolution: float, crs: str, bounds: Bounds, images: Sequence[Grid]) -> None:
    """Refuse a resolution in degrees that was meant in metres: larger than the area, or far coarser than the scenes."""
    if not crs_of(crs).is_geographic:
        return
    unit, degrees = _unit(crs), math.degrees(crs_of(crs).units_factor[1])
    if resolution * degrees < 1:
        return
    size = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    native = max((_native(image, crs, bounds) for image in images), default=resolution)
    if resolution <= size and resolution <= COARSEST * native:
        return
    raise RequestError(
        f"spec.grid.resolution: {resolution:g} means {resolution:g} {unit} in {crs_name(crs)}, but the area is only "
        f"{size:.3g} {unit} across; {resolution:g} m are about {resolution / METRES_PER_DEGREE / degrees:.2g} {unit}"
    )


def _utm(area: BaseGeometry | None, images: Sequence[Grid]) -> str:
    """The zone of the centre of the area, or of the mean centre of the images."""
    if area is not None:
        return utm_crs(area.centroid.x, area.centroid.y)
    middles = [_middle(image) for image in dict.fromkeys(images)]
    first = middles[0][0]
    longitudes = [first + (longitude - first + 180) % 360 - 180 for longitude, _ in middles]
    return utm_crs(fmean(longitudes), fmean(latitude for _, latitude in middles))


def _middle(image: Grid) -> tuple[float, float]:
    """The longitude and latitude of the centre of an image, or of its projectable part."""
    left, bottom, right, top = image.bounds
    xs, ys = projected(image.crs, WGS84, np.array([(left + right) / 2]), np.array([(bottom + top) / 2]))
    if np.isfinite(xs[0]):
        return float(xs[0]), float(ys[0])
    west, south, east, north = projected_bounds(image.bounds, image.crs, WGS84) or (0.0, 0.0, 0.0, 0.0)
    return (west + east) / 2, (south + north) / 2


def _extent(images: Sequence[Grid], crs: str) -> Bounds:
    """The bounds of all images in a CRS; if x goes around the Earth, the shortest interval.

    Raises:
        RequestError: none can be projected.
    """
    each = [projected_bounds(image.bounds, image.crs, crs) for image in dict.fromkeys(images)]
    known = [bounds for bounds in each if bounds is not None]
    if not known:
        raise RequestError(f"spec.grid.crs: the scenes cannot be projected to {crs_name(crs)}; choose another CRS")
    world = world_of(crs)
    if world is not None:
        period = world[1] - world[0]
        turns = closest_turns([(left, right) for left, _, right, _ in known], period)
        known = [
            (left + turn * period, bottom, right + turn * period, top)
            for (left, bottom, right, top), turn in zip(known, turns, strict=True)
        ]
    lefts, bottoms, rights, tops = zip(*known, strict=True)
    left, right = min(lefts), max(rights)
    return left, min(bottoms), right if world is None else min(right, left + world[1] - world[0]), max(tops)


def _resolution(
    asked: float | None, crs: str, images: Sequence[Grid], bounds: Bounds, own: Grid | None
) -> tuple[float, float]:
    """The resolution across and down: that of the request, otherwise the coarsest native one of the bands."""
    if asked is not None:
        return asked, asked
    if own is not None and all((image.xres, image.yres) <= (own.xres, own.yres) for image in images):
        return own.xres, own.yres
    if crs_of(crs).is_geographic and any(not crs_of(image.crs).is_geographic for image in images):
        raise RequestError(f"spec.grid.resolution: the unit of {crs} is degrees; set the resolution in degrees")
    native = max(_native(image, crs, bounds) for image in images)
    return native, native


def _native(image: Grid, crs: str, bounds: Bounds) -> float:
    """The larger side of a pixel of an image in units of a CRS; unchanged if the units are the same."""
    ours, theirs = crs_of(crs), crs_of(image.crs)
    if ours.is_geographic == theirs.is_geographic and ours.units_factor[1] == theirs.units_factor[1]:
        return max(image.xres, image.yres)
    width, height = math.ceil(bounds[2] - bounds[0]), math.ceil(bounds[3] - bounds[1])
    unit = Grid(crs, bounds[0], bounds[3], 1.0, 1.0, max(1, width), max(1, height))
    across, down = coarseness(image, unit)
    return float(f"{max(1 / across, 1 / down):.3g}")
