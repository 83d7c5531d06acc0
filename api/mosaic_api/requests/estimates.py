"""Estimates of a request: size, time and scenes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mosaic_crds.request import MosaicRequest
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_worker.composites import METHODS
from mosaic_worker.geometry.area import requested_area
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import BLOCK, sides_for, tile_side, tiles_of
from mosaic_worker.plan.bands import band_names, bands_size, composed_bands
from mosaic_worker.plan.estimate import COMPRESSED, DECODE_SECONDS, composing_seconds, product_seconds
from mosaic_worker.plan.feathering import check_feather
from mosaic_worker.plan.gridding import grid_over
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.product import product_of
from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.items.coverage import covered, gap
from mosaic_worker.sources.kinds.registry import sources_of
from mosaic_worker.sources.resolve import MOST_SCENES, resolve
from mosaic_worker.sources.scenes import NoScenesError

from mosaic_api.requests.crud import validated
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Invalid
from mosaic_api.web.schemas import ApiModel

NAME = "estimate"


class Estimate(ApiModel):
    """The size and cost of a mosaic."""

    width: int
    height: int
    resolution: float
    """In units of the CRS."""
    crs: str
    megapixels: float
    limit_megapixels: float
    """The limit of this installation."""
    tiles: int
    scenes: int | None
    """null if it is unknown."""
    core_seconds: float
    seconds: float
    """The approximate time until it is ready."""
    bytes: int
    """The size of the COG."""
    warnings: list[str]


class SceneCount(ApiModel):
    """The scenes of a source in an area."""

    count: int
    first: datetime | None = None
    """The time of the first acquisition, if times are known."""
    last: datetime | None = None
    least_cloud: float | None = None
    """In percent, if cloud cover is known."""
    most_cloud: float | None = None
    message: str | None = None
    """A message for the user."""


def quick(settings: Settings, spec: Mapping[str, Any], scenes: int | None) -> Estimate:
    """Estimate from the area, the resolution and, if it is known, the number of scenes alone.

    Raises:
        RequestError: the spec is invalid, or the mosaic is too large.
        Invalid: the size is only known from the files.
    """
    asked = validated(settings, NAME, spec).spec
    product = product_of(asked.product)
    area = requested_area(asked.area)
    if area is None or asked.grid.crs == "source" or (asked.source.kind.listed and asked.grid.crs is None):
        raise Invalid("the size is only known from the files; run a full estimate", "spec.source")
    resolution, warnings = _resolution(settings, asked)
    grid = grid_over(area, asked.grid.crs, resolution, settings.max_pixels)
    check_feather(asked.composite.feather, grid)
    megapixels, bands = grid.pixels / 1e6, len(input_bands(asked))
    names = band_names(product, asked.composite, difference=asked.minus is not None)
    composing = composing_seconds(METHODS[asked.composite.method], len(composed_bands(product, asked.composite)))
    read = _read(asked, scenes or 1) * (2 if asked.composite.feather else 1)
    reading = megapixels * read * (DECODE_SECONDS["other"] * bands + composing)
    core_seconds = len(asked.sources) * product_seconds(grid.pixels, bands_size(product, names)) + reading
    _, side = sides_for(len(names), BLOCK, tile_side(grid, BLOCK))
    tiles = len(tiles_of(grid, side))
    size = round(COMPRESSED * 4 * bands_size(product, names) * grid.pixels)
    found = _estimate(settings, asked, grid, tiles, scenes, core_seconds, size, warnings)
    return found.model_copy(update={"core_seconds": _rounded(core_seconds)})


def whole(settings: Settings, request: MosaicRequest, budget: Budget) -> Estimate:
    """Estimate from the scenes, whose headers are read.

    Raises:
        RequestError: the request, or one of its files, cannot work.
        PassingError: a server did not answer.
    """
    limits = Limits(settings.max_pixels)
    found = resolve(request.spec, input_bands(request.spec), replace(settings.gate, budget=budget), limits.scenes)
    plan = make_plan(request, NAME, found, limits, ranges=1)
    cost, tiles, scenes = plan.estimate, len(plan.tiles), len(plan.scenes)
    return _estimate(settings, request.spec, plan.grid, tiles, scenes, cost.core_seconds, cost.bytes, plan.warnings)


def scenes_of(settings: Settings, spec: MosaicRequestSpec, budget: Budget) -> SceneCount:
    """The scenes that the sources of a spec have in its area; opens no files.

    Raises:
        RequestError: the search is refused, or finds too many.
        PassingError: a server did not answer.
    """
    area = requested_area(spec.area)
    sources = sources_of(spec, replace(settings.gate, budget=budget))
    try:
        sides = [source.previews(area, MOST_SCENES) for source in sources]
    except NoScenesError as error:
        return SceneCount(count=0, message=str(error))
    found = [scene for side in sides for scene in side]
    times = [scene.datetime for scene in found if scene.datetime is not None]
    covers = [scene.cloud_cover for scene in found if scene.cloud_cover is not None]
    gaps = [gap([covered(scene.footprint, None, area) for scene in side], area) if area else None for side in sides]
    message = gaps[0] or next((f"minus: {other}" for other in gaps[1:] if other), None)
    return SceneCount(
        count=len(found),
        first=min(times, default=None),
        last=max(times, default=None),
        least_cloud=min(covers, default=None),
        most_cloud=max(covers, default=None),
        message=message,
    )


def _read(spec: MosaicRequestSpec, scenes: int) -> int:
    """The number of scenes that are read; with masks, whose clouds are unknown here, all."""
    most = METHODS[spec.composite.method].most_observations(spec.composite)
    return scenes if most is None or spec.composite.mask else min(scenes, most * len(spec.sources))


def _resolution(settings: Settings, spec: MosaicRequestSpec) -> tuple[float, tuple[str, ...]]:
    """The requested resolution, or that of the bands if it is known without their files; and warnings."""
    if spec.grid.resolution is not None:
        return spec.grid.resolution, ()
    metres = None
    if spec.grid.crs in {None, "utm"}:
        known = [source.resolution(input_bands(spec)) for source in sources_of(spec, settings.gate)]
        metres = None if None in known else max(each for each in known if each is not None)
    if metres is None:
        raise Invalid(
            "the resolution is only known from the files; set it, or run a full estimate", "spec.grid.resolution"
        )
    return metres, (f"using the native resolution of the bands, {metres:g} m",)


def _estimate(
    settings: Settings,
    spec: MosaicRequestSpec,
    grid: Grid,
    tiles: int,
    scenes: int | None,
    core_seconds: float,
    size: int,
    warnings: Sequence[str],
) -> Estimate:
    """The estimate. The work runs on one core for each pod, or on the cores of this machine."""
    cores = spec.execution.parallelism if settings.cluster else len(os.sched_getaffinity(0))
    return Estimate(
        width=grid.width,
        height=grid.height,
        resolution=max(grid.xres, grid.yres),
        crs=grid.crs,
        megapixels=round(grid.pixels / 1e6, 3),
        limit_megapixels=round(settings.max_pixels / 1e6, 3),
        tiles=tiles,
        scenes=scenes,
        core_seconds=core_seconds,
        seconds=_rounded(core_seconds / cores),
        bytes=size,
        warnings=list(warnings),
    )


def _rounded(seconds: float) -> float:
    """Round to three digits, which is more than an estimate knows."""
    return float(f"{seconds:.3g}")
