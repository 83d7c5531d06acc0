"""What a mosaic would be, before it is asked for: its size and cost, and the scenes that there are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mosaic_crds.request import MosaicRequest
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_worker.geometry.area import requested_area
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import BLOCK, tile_side, tiles_of
from mosaic_worker.plan.estimate import COMPRESSED, DECODE_SECONDS, PRODUCT_SECONDS
from mosaic_worker.plan.gridding import grid_over
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.product import product_of
from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.items.coverage import covered, footprint, gap
from mosaic_worker.sources.resolve import items_of, resolve
from mosaic_worker.sources.scenes import NoScenesError

from mosaic_api.requests.crud import requested
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Invalid

SENTINEL2_METRES = dict.fromkeys(("blue", "green", "red", "nir"), 10.0) | dict.fromkeys(
    ("coastal", "nir09", "cirrus"), 60.0
)
"""The resolution of Sentinel-2's bands; all others have 20 m (ESA, Sentinel-2 User Handbook)."""
EARTH_DAILY_METRES = 10.0
NAME = "estimate"


@dataclass(frozen=True)
class Estimated:
    """What a mosaic would be.

    Attributes:
        grid: its pixels.
        tiles: into which it is cut.
        scenes: of which it is made; None where nobody has looked.
        core_seconds, seconds: of computing, and of waiting for it.
        bytes: of the COG.
        warnings: sentences for the user.
    """

    grid: Grid
    tiles: int
    scenes: int | None
    core_seconds: float
    seconds: float
    bytes: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class FoundScenes:
    """The scenes of a source in an area.

    Attributes:
        count: how many there are.
        first, last: when the first and the last was taken, as far as it is said.
        least_cloud, most_cloud: percent, as far as it is said.
        message: what is to be said of them, if anything is.
    """

    count: int
    first: datetime | None = None
    last: datetime | None = None
    least_cloud: float | None = None
    most_cloud: float | None = None
    message: str | None = None


def quick(settings: Settings, spec: Mapping[str, Any], scenes: int | None) -> Estimated:
    """An estimate from the area and the resolution alone.

    Args:
        settings: of this installation.
        spec: of the MosaicRequest.
        scenes: how many there are, if that is known.

    Raises:
        RequestError: the spec is not valid, or the mosaic would be too large.
        Invalid: files would have to be opened to tell.
    """
    asked = requested(settings, NAME, spec).spec
    product = product_of(asked.product)
    area = requested_area(asked.area)
    if area is None or asked.grid.crs == "source" or (asked.source.files is not None and asked.grid.crs is None):
        raise Invalid("the size of this mosaic stands in its files; estimate it as a whole", "spec.source")
    resolution, warnings = _resolution(asked)
    grid = grid_over(area, asked.grid.crs, resolution, settings.max_pixels)
    megapixels, bands = grid.pixels / 1e6, len(input_bands(asked))
    core_seconds = megapixels * (PRODUCT_SECONDS + DECODE_SECONDS["other"] * bands * (scenes or 1))
    return Estimated(
        grid=grid,
        tiles=len(tiles_of(grid, tile_side(grid, BLOCK))),
        scenes=scenes,
        core_seconds=_rounded(core_seconds),
        seconds=_rounded(core_seconds / _cores(settings, asked)),
        bytes=round(COMPRESSED * 4 * len(product.output_bands) * grid.pixels),
        warnings=warnings,
    )


def whole(settings: Settings, request: MosaicRequest, budget: Budget) -> Estimated:
    """An estimate from the scenes themselves, whose headers are read.

    Args:
        settings: of this installation.
        request: what might be asked for.
        budget: what it may take.

    Raises:
        RequestError: the request, or what it points to, cannot work.
        PassingError: a server did not answer.
    """
    limits = Limits(settings.max_pixels)
    found = resolve(request.spec, input_bands(request.spec), replace(settings.gate, budget=budget), limits.scenes)
    plan = make_plan(request, NAME, found, limits, ranges=1)
    return Estimated(
        grid=plan.grid,
        tiles=len(plan.tiles),
        scenes=len(plan.scenes),
        core_seconds=plan.estimate.core_seconds,
        seconds=_rounded(plan.estimate.core_seconds / _cores(settings, request.spec)),
        bytes=plan.estimate.bytes,
        warnings=plan.warnings,
    )


def scenes_of(settings: Settings, spec: MosaicRequestSpec, budget: Budget) -> FoundScenes:
    """The scenes that the source of a spec has in its area; no file is opened.

    Args:
        settings: of this installation.
        spec: with a source.
        budget: what it may take.

    Raises:
        RequestError: the search is refused, or finds too many.
        PassingError: a server did not answer.
    """
    if spec.source.files is not None:
        listed = spec.source.files.scenes
        return _summary(len(listed), [scene.datetime for scene in listed], [scene.cloud_cover for scene in listed])
    area = requested_area(spec.area)
    if area is None:
        raise ValueError("the contract asks for an area where scenes are searched")
    try:
        items = items_of(spec.source, area, replace(settings.gate, budget=budget))
    except NoScenesError as error:
        return FoundScenes(0, message=str(error))
    taken, clouds = [item.datetime for item in items], [item.cloud_cover for item in items]
    parts = [covered(footprint(item.item.geometry), None, area) for item in items]
    return _summary(len(items), taken, clouds, gap(parts, area))


def _summary(
    count: int, taken: Sequence[datetime | None], clouds: Sequence[float | None], message: str | None = None
) -> FoundScenes:
    times = [moment for moment in taken if moment is not None]
    covers = [cover for cover in clouds if cover is not None]
    return FoundScenes(
        count=count,
        first=min(times, default=None),
        last=max(times, default=None),
        least_cloud=min(covers, default=None),
        most_cloud=max(covers, default=None),
        message=message,
    )


def _resolution(spec: MosaicRequestSpec) -> tuple[float, tuple[str, ...]]:
    """What is asked for, or what the bands of the source are known to have; and what to say of that."""
    if spec.grid.resolution is not None:
        return spec.grid.resolution, ()
    metres = None
    if spec.grid.crs in {None, "utm"}:
        if spec.source.earth_daily is not None:
            metres = EARTH_DAILY_METRES
        elif spec.source.stac is not None and spec.source.stac.collection.startswith("sentinel-2"):
            metres = max(SENTINEL2_METRES.get(name, 20.0) for name in input_bands(spec))
    if metres is None:
        raise Invalid("the resolution stands in the files; give one, or estimate as a whole", "spec.grid.resolution")
    return metres, (f"the resolution is taken to be that of the bands, {metres:g} m",)


def _cores(settings: Settings, spec: MosaicRequestSpec) -> int:
    """How many cores work at once: one for each pod, or those of a machine like this."""
    return spec.execution.parallelism if settings.cluster else len(os.sched_getaffinity(0))


def _rounded(seconds: float) -> float:
    """To three digits, which is more than an estimate knows."""
    return float(f"{seconds:.3g}")
