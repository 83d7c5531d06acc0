"""Checks and warnings of planning."""

from collections.abc import Sequence

from mosaic_crds.errors import RequestError
from mosaic_crds.spelling import counted
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import LONGEST_EDGE, longest_edge
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, crs_of, projected_bounds
from mosaic_worker.plan.packing import mostly_fits
from mosaic_worker.product import Product
from mosaic_worker.sources.scenes import Scene

UTM_SPILL = 3.0
"""Degrees outside its zone from which the distortion of UTM (0.5 % and more) is worth a warning."""


def check_calibration(product: Product, scenes: Sequence[Scene], *, compared: bool) -> bool:
    """Whether the scenes are calibrated (reflectances).

    Raises:
        RequestError: the product needs reflectances, or scenes that are mixed or compared are not calibrated alike.
    """
    plain = _uncalibrated(scenes, product.input_bands)
    if product.needs_reflectance and plain:
        raise RequestError(
            f"spec.product.index: {product.title} needs reflectances, but {plain[0].id} has uncalibrated numbers; "
            "give scale and offset of its bands (Sentinel-2: scale 0.0001, offset -0.1 since baseline 04.00)"
        )
    mixed = [] if product.normalised_difference else [plain]
    mixed += [_uncalibrated(scenes, tuple(scenes[0].bands))] if compared else []
    for some in mixed:
        if some and len(some) < len(scenes):
            raise RequestError(
                f"spec.source.files.scenes: {some[0].id} has uncalibrated numbers and other scenes have reflectances; "
                "give scale and offset of its bands too"
            )
    return not plain


def check_packing(product: Product, scenes: Sequence[Scene]) -> None:
    """Refuse an expression whose values mostly do not fit int16; the packing of indices and bands always fits."""
    expression = product.expression
    if product.kind != "expression" or expression is None or product.normalised_difference:
        return
    if not mostly_fits(expression, [scene.bands for scene in scenes]):
        raise RequestError(
            "spec.output.dtype: int16 stores values of an expression from -3.2767 to 3.2767, but by the types of its "
            f"bands most values of {product.title} do not fit; use float32"
        )


def _uncalibrated(scenes: Sequence[Scene], bands: tuple[str, ...]) -> list[Scene]:
    """The scenes with numbers without a scale in any of several bands."""
    return [scene for scene in scenes if not all(scene.bands[name].calibrated for name in bands)]


def area_warnings(grid: Grid, area: BaseGeometry | None, dropped: int) -> list[str]:
    """Warnings about an area.

    Args:
        grid: the grid of the mosaic.
        area: in degrees, unwrapped.
        dropped: the number of scenes that do not touch it.
    """
    found = []
    if dropped:
        found.append(f"skipped {counted(dropped, 'scene')} outside the area")
    if area is not None and (longest := longest_edge(area)) > LONGEST_EDGE:
        found.append(
            f"an edge of the area spans {longest:.0f} degrees of longitude; if it should cross the antimeridian "
            "instead, cut the polygon there (RFC 7946, 3.1.9), or use longitudes beyond 180"
        )
    crs = crs_of(grid.crs)
    epsg = crs.to_epsg()
    if epsg is not None and epsg // 100 in {326, 327} and 1 <= epsg % 100 <= 60:
        middle = (epsg % 100) * 6 - 183
        bounds = area.bounds if area is not None else projected_bounds(grid.bounds, grid.crs, WGS84)
        west, _, east, _ = bounds or (middle, 0, middle, 0)
        spill = max(abs((west - middle + 180) % 360 - 180), abs((east - middle + 180) % 360 - 180)) - 3
        if spill > UTM_SPILL:
            found.append(f"the area reaches {spill:.0f} degrees beyond its UTM zone, where distances are distorted")
    return found
