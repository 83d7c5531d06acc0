"""The plan step: resolves scenes, determines the grid, divides the work, and refuses invalid requests early."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from mosaic_crds.request import MosaicRequest
from mosaic_crds.source_kinds import SOURCE_KINDS
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_crds.status import MOST_RANGES
from pydantic import TypeAdapter
from shapely.geometry import mapping

from mosaic_worker.composites import METHODS
from mosaic_worker.geometry.area import projected_area, requested_area
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.geometry.tiling import block_side, equal_ranges, sides_for, tile_side, tiles_of
from mosaic_worker.plan.bands import band_names, bands_size, composed_bands
from mosaic_worker.plan.checks import area_warnings, check_calibration, check_packing
from mosaic_worker.plan.clearness import measured
from mosaic_worker.plan.estimate import composing_seconds, estimate, expected_reading, tile_work
from mosaic_worker.plan.feathering import check_feather
from mosaic_worker.plan.gridding import fix_grid, grid_notes
from mosaic_worker.plan.harmonising import harmonised
from mosaic_worker.plan.mask_notes import mask_warnings
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.notes import plan_notes
from mosaic_worker.plan.seam_work import seam_seconds
from mosaic_worker.plan.sides import planned_sides, side_notes, subtracted
from mosaic_worker.plan.stored import kept_plan, write_plan
from mosaic_worker.product import product_of
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.client import is_certain
from mosaic_worker.sources.readers.detection import check_detector
from mosaic_worker.sources.resolve import MOST_SCENES, resolve
from mosaic_worker.sources.scenes import Found, Scene
from mosaic_worker.store import Store
from mosaic_worker.version import code_digest, code_version

RANGES_PER_WORKER = 4
"""More ranges than workers, so that a slow one delays less."""

LARGEST_RANGE = 6
"""The maximum work of a range, relative to the minimum: more workers can be added later, and a retry repeats less."""

SHARES = 4
"""A mosaic is not shared if so many of its size do not fit, because it would evict all others."""

_SCENES = TypeAdapter(list[Scene])
_KINDS = {kind.field for kind in SOURCE_KINDS}
"""The fields of spec.source that planning resolves to scenes."""


@dataclass(frozen=True)
class Limits:
    """The limits of an installation.

    Attributes:
        pixels: the maximum pixels of a mosaic.
        scenes: the maximum scenes of a search.
        range_seconds: the minimum work of a range, core-seconds, because starting a pod takes time; 0 for ranges
            of any work.
        shared_bytes: the size of the tiles that requests share; 0 for none.
    """

    pixels: int = 2_500_000_000
    scenes: int = MOST_SCENES
    range_seconds: int = 0
    shared_bytes: int = 0


def plan_step(request: MosaicRequest, uid: str, store: Store, gate: Gate, limits: Limits, parallelism: int) -> Plan:
    """The plan of a request: the existing one, or a new one, written create-only.

    Args:
        request: the request.
        uid: the uid of the request.
        store: the store.
        gate: what may be read.
        limits: the limits of the installation.
        parallelism: the maximum number of workers.

    Raises:
        RequestError: the request or its sources are invalid.
        PassingError: a source or the store did not respond.
    """
    plan = kept_plan(uid, store)
    if plan is not None:
        return plan
    found = resolve(request.spec, input_bands(request.spec), gate, limits.scenes)
    plan = make_plan(request, uid, found, limits, RANGES_PER_WORKER * parallelism, gate)
    if plan.detects_clouds:
        check_detector()
    return write_plan(harmonised(plan, request.spec, gate), store)


def input_bands(spec: MosaicRequestSpec) -> tuple[str, ...]:
    """The canonical names of the bands that are read of each scene."""
    return METHODS[spec.composite.method].bands_to_read(product_of(spec.product).input_bands)


def request_uid(request: MosaicRequest, found: Found) -> str:
    """A uid for a request outside Kubernetes: 16 hexadecimal digits.

    They are a digest of the request without spec.execution, the identities of its inputs, and the version of the code.
    """
    asked = request.spec.model_dump_json(by_alias=True, exclude={"execution": True, "source": _KINDS, "minus": True})
    inputs = "\n".join(_SCENES.dump_json(list(side.scenes)).decode() for side in found.sides)
    return hashlib.sha256(f"{asked}\n{inputs}\n{code_digest()}".encode()).hexdigest()[:16]


def make_plan(
    request: MosaicRequest, uid: str, found: Found, limits: Limits, ranges: int, gate: Gate | None = None
) -> Plan:
    """Plan a mosaic from the request, the headers of its scenes and, if the request needs it, pixels of its scenes.

    Args:
        request: the request.
        uid: its uid.
        found: the scenes, and notes on them.
        limits: the limits of the installation.
        ranges: the wanted number of ranges. With `limits.range_seconds`, there are fewer if there is less work, and
            more if there is much.
        gate: what may be read; None to read no pixels, as for an estimate.

    Raises:
        RequestError: the request is invalid, or pixels cannot be read.
        PassingError: a server did not respond.
    """
    spec, scenes = request.spec, [scene for side in found.sides for scene in side.scenes]
    product, method = product_of(spec.product), METHODS[spec.composite.method]
    compared = method.compares_scenes or found.subtracted is not None or spec.composite.harmonise != "none"
    calibrated = check_calibration(product, scenes, compared=compared)
    if spec.output.dtype == "int16":
        check_packing(product, scenes)
    area = requested_area(spec.area)
    grid = fix_grid(spec, found, area, limits.pixels)
    check_feather(spec.composite.feather, grid)
    outline = None if area is None or not (spec.area and spec.area.geometry) else projected_area(area, grid.crs)
    found, clear = measured(spec, found, grid, outline, gate)
    sides = planned_sides(found, grid, spec.composite, clear)
    ordered = tuple(planned for side in sides for planned in side)
    images = [(band.header.grid, band.header.blocks) for planned in ordered for band in planned.scene.bands.values()]
    block = block_side(images, grid)
    side = tile_side(grid, block, max(max(coarseness(image, grid)) for image, _ in images))
    bands = band_names(product, spec.composite, difference=spec.minus is not None)
    block, side = sides_for(len(bands), block, side)
    readings = [expected_reading(each, grid, method.most_observations(spec.composite)) for each in sides]
    work = [sum(map(partial(tile_work, tile), sides, readings)) for tile in tiles_of(grid, side)]
    size, composing = (
        bands_size(product, bands),
        composing_seconds(method, len(composed_bands(product, spec.composite))),
    )
    expected = estimate(grid, sides, size, spec.grid.resampling, readings, composing)
    more = seam_seconds(spec.composite, grid, sides, spec.grid.resampling, block, side)
    expected = replace(expected, core_seconds=round(expected.core_seconds + more, 1))
    if limits.range_seconds:
        ranges = _ranges_of_pods(expected.core_seconds / limits.range_seconds, ranges)
    return Plan(
        code=code_version(),
        uid=uid,
        name=request.metadata.name,
        namespace=request.metadata.namespace,
        product=spec.product,
        composite=spec.composite,
        output=spec.output,
        resampling=spec.grid.resampling,
        grid=grid,
        block=block,
        tile_side=side,
        ranges=tuple(equal_ranges(work, min(ranges, MOST_RANGES))),
        scenes=ordered,
        area=None if outline is None else dict(mapping(outline)),
        calibrated=calibrated,
        estimate=expected,
        warnings=(
            *side_notes(found),
            *grid_notes(grid, spec.grid.resolution, area),
            *area_warnings(grid, area, sum(each.outside + len(each.scenes) for each in found.sides) - len(ordered)),
            *mask_warnings([item.scene.mask for item in ordered if item.scene.mask], spec.composite),
            *plan_notes(product, scenes),
        ),
        on_unreadable=spec.source.on_unreadable,
        unreadable=tuple(scene for each in found.sides for scene in each.unreadable),
        subtracted=subtracted(found, sides),
        shared=SHARES * expected.bytes <= limits.shared_bytes and _is_pinned(item.scene for item in ordered),
    )


def _ranges_of_pods(most: float, wanted: int) -> int:
    """The number of ranges if each is a pod.

    Args:
        most: the number of ranges with the minimum work.
        wanted: the number for the workers that the request has now. It may get more workers later, so a range has at
            most LARGEST_RANGE times the minimum work.
    """
    return max(1, int(min(max(wanted, most / LARGEST_RANGE), most)))


def _is_pinned(scenes: Iterable[Scene]) -> bool:
    """Whether the identities of all files that are read change whenever their contents do."""
    return all(is_certain(file.header.identity) for scene in scenes for file in scene.files)
