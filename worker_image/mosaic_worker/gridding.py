"""Which pixels a mosaic has: the CRS and resolution that a request asks for, or that follow from its scenes."""

from collections.abc import Sequence
from statistics import fmean

from mosaic_crds.errors import RequestError
from mosaic_crds.spec import MosaicRequestSpec
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import WGS84, projected_area
from mosaic_worker.geometry.grid import Bounds, Grid, crs_of, projected_bounds, projected_middle, snapped, utm_crs
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.sources.scenes import Scene


def fix_grid(spec: MosaicRequestSpec, scenes: Sequence[Scene], area: BaseGeometry | None, most_pixels: int) -> Grid:
    """The grid of a mosaic: its CRS and resolution as asked for, snapped, over the area or the whole of the scenes.

    Raises:
        RequestError: the CRS or resolution cannot be used, or there would be too many pixels.
    """
    images = [band.header.grid for scene in scenes for band in scene.bands.values()]
    wanted = spec.grid.crs or ("source" if spec.source.files is not None else "utm")
    own = wanted == "source"
    first = max((band.header.grid for band in scenes[0].bands.values()), key=lambda image: image.xres)
    crs = first.crs if own else _utm(area, images) if wanted == "utm" else wanted
    crs_of(crs)
    bounds = projected_area(area, crs).bounds if area is not None else _extent(images, crs)
    xres, yres = _resolution(spec.grid.resolution, crs, images, bounds, first if own else None)
    return _allowed(
        snapped(crs, bounds, xres, yres, anchor=(first.left, first.top) if own else (0.0, 0.0)), most_pixels
    )


def grid_over(area: BaseGeometry, wanted: str | None, resolution: float, most_pixels: int) -> Grid:
    """The grid of a mosaic whose scenes are not known, and have no say in it.

    Args:
        area: in degrees, unwrapped.
        wanted: "EPSG:n", or "utm", which is also meant by None.
        resolution: in units of the CRS.
        most_pixels: that are allowed.

    Raises:
        RequestError: the CRS cannot be used, or there would be too many pixels.
    """
    crs = _utm(area, ()) if wanted in {None, "utm"} else str(wanted)
    crs_of(crs)
    return _allowed(snapped(crs, projected_area(area, crs).bounds, resolution, resolution), most_pixels)


def _allowed(grid: Grid, most_pixels: int) -> Grid:
    """A grid that is not too large."""
    if grid.pixels > most_pixels:
        least = max(grid.xres, grid.yres) * (grid.pixels / most_pixels) ** 0.5
        raise RequestError(
            f"spec.grid.resolution: at {grid.xres:g} the mosaic would have {grid.width:,} x {grid.height:,} pixels, "
            f"and {most_pixels:,} are allowed; use {least:.2g} or more, or a smaller area"
        )
    return grid


def _utm(area: BaseGeometry | None, images: Sequence[Grid]) -> str:
    """The zone of the area's middle, or of the middle of the images' middles."""
    if area is not None:
        return utm_crs(area.centroid.x, area.centroid.y)
    middles = [projected_middle(image, WGS84) for image in dict.fromkeys(images)]
    first = middles[0][0]
    longitudes = [first + (longitude - first + 180) % 360 - 180 for longitude, _ in middles]
    return utm_crs(fmean(longitudes), fmean(latitude for _, latitude in middles))


def _extent(images: Sequence[Grid], crs: str) -> Bounds:
    """The bounds of all images together, in a CRS."""
    each = [projected_bounds(image.bounds, image.crs, crs) for image in dict.fromkeys(images)]
    lefts, bottoms, rights, tops = zip(*each, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _resolution(
    asked: float | None, crs: str, images: Sequence[Grid], bounds: Bounds, own: Grid | None
) -> tuple[float, float]:
    """Across and down, in units of the CRS: as asked for, else the coarsest native one of the bands used."""
    if asked is not None:
        return asked, asked
    if own is not None and all((image.xres, image.yres) <= (own.xres, own.yres) for image in images):
        return own.xres, own.yres
    if crs_of(crs).is_geographic and any(not crs_of(image.crs).is_geographic for image in images):
        raise RequestError(
            f"spec.grid.resolution: {crs} counts in degrees, so the resolution must be given, in degrees"
        )
    native = max(_native(image, crs, bounds) for image in images)
    return native, native


def _native(image: Grid, crs: str, bounds: Bounds) -> float:
    """The larger side of an image's pixel in units of a CRS; of metres in metres as it is, without map distortion."""
    ours, theirs = crs_of(crs), crs_of(image.crs)
    if ours.is_geographic == theirs.is_geographic and ours.linear_units == theirs.linear_units:
        return max(image.xres, image.yres)
    unit = Grid(crs, bounds[0], bounds[3], 1.0, 1.0, 1, 1)
    across, down = coarseness(image, unit)
    return float(f"{max(1 / across, 1 / down):.3g}")
