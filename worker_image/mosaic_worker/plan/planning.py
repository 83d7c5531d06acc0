"""The plan step: scenes resolved, the grid fixed, the work cut; what cannot work is refused before a pixel is read."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mosaic_crds import names
from mosaic_crds.errors import RequestError
from mosaic_crds.request import MosaicRequest
from mosaic_crds.source_kinds import SOURCE_KINDS
from mosaic_crds.spec import MosaicRequestSpec
from pydantic import TypeAdapter
from shapely.geometry.base import BaseGeometry

from mosaic_worker.composites import METHODS
from mosaic_worker.geometry.area import LONGEST_EDGE, longest_edge, projected_area, requested_area
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, crs_of, projected_bounds
from mosaic_worker.geometry.sampling import Window, grid_window
from mosaic_worker.geometry.tiling import block_side, equal_ranges, tile_side, tiles_of
from mosaic_worker.plan.estimate import estimate, tile_work
from mosaic_worker.plan.gridding import fix_grid, grid_notes
from mosaic_worker.plan.model import Plan, PlannedScene, geojson
from mosaic_worker.plan.notes import plan_notes
from mosaic_worker.plan.packing import mostly_fits
from mosaic_worker.product import Product, product_of
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.masks import LEGENDS
from mosaic_worker.sources.resolve import MOST_SCENES, resolve
from mosaic_worker.sources.scenes import NOT_TOUCHED, Found, Scene
from mosaic_worker.sources.unreadable import unreadable_note
from mosaic_worker.store import Store
from mosaic_worker.store.sweeping import sweep
from mosaic_worker.version import code_digest, code_version, is_this_code

RANGES_PER_WORKER = 4
"""More ranges than workers, so that a slow one holds up less."""
UTM_SPILL = 3.0
"""Degrees beyond its zone from which UTM's distortion (scale off by 0.5 % and more) is worth a warning."""

_SCENES = TypeAdapter(list[Scene])
_KINDS = {kind.field for kind in SOURCE_KINDS}
"""Fields of spec.source that have become scenes when there is a plan."""


@dataclass(frozen=True)
class Limits:
    """What an installation allows one request.

    Attributes:
        pixels: of the mosaic.
        scenes: that a search may find.
        range_seconds: core-seconds of work that a range holds at least, where who starts a worker for it waits.
    """

    pixels: int = 2_500_000_000
    scenes: int = MOST_SCENES
    range_seconds: int = 0


class OtherCodeError(RequestError):
    """A plan was made by other code than this, which must not work from it."""


def plan_step(request: MosaicRequest, uid: str, store: Store, gate: Gate, limits: Limits, parallelism: int) -> Plan:
    """The plan of a request: the one that is written already, or a new one, written create-only.

    Args:
        request: what was asked for.
        uid: the request's identity, under which all of its work is kept.
        store: where the plan is written.
        gate: what may be read.
        limits: what the installation allows.
        parallelism: how many workers there may ever be.

    Raises:
        RequestError: the request, or what it points to, cannot work.
        PassingError: a source or the store did not answer.
    """
    plan = kept_plan(uid, store)
    if plan is not None:
        return plan
    found = resolve(request.spec, input_bands(request.spec), gate, limits.scenes)
    return write_plan(make_plan(request, uid, found, limits, RANGES_PER_WORKER * parallelism), store)


def input_bands(spec: MosaicRequestSpec) -> tuple[str, ...]:
    """The canonical names of the bands that a request needs of each scene."""
    return METHODS[spec.composite.method].bands_to_read(product_of(spec.product).input_bands)


def read_plan(uid: str, store: Store) -> Plan | None:
    """The plan that is written, if any.

    Raises:
        OtherCodeError: other code than this made it.
    """
    written = store.read(names.plan_key(uid))
    if written is None:
        return None
    made_by = json.loads(written)["code"]
    if not is_this_code(made_by):
        raise OtherCodeError(
            f"the plan of the request was made by version {made_by} and this is version {code_version()}, because the "
            "worker image changed under its tag; delete the request and apply it again"
        )
    return Plan.from_json(written)


def kept_plan(uid: str, store: Store) -> Plan | None:
    """The plan that an earlier run made, if any; what other code than this began is deleted.

    Nobody else may work on the request.
    """
    try:
        return read_plan(uid, store)
    except OtherCodeError:
        sweep(uid, store)
        return None


def write_plan(plan: Plan, store: Store) -> Plan:
    """Write a plan; give the one that counts, which is another's where that was written first."""
    while not store.create(names.plan_key(plan.uid), [plan.to_json()]):
        written = kept_plan(plan.uid, store)
        if written is not None:
            return written
    return plan


def request_uid(request: MosaicRequest, scenes: Sequence[Scene]) -> str:
    """An identity for a request outside Kubernetes: 16 hexadecimal digits that change with the mosaic.

    They digest the request without how it is executed, the identity of each input, whether unreadable inputs are
    skipped, and the version of the code.
    """
    asked = request.spec.model_dump_json(by_alias=True, exclude={"execution": True, "source": _KINDS})
    inputs = _SCENES.dump_json(list(scenes)).decode()
    return hashlib.sha256(f"{asked}\n{inputs}\n{code_digest()}".encode()).hexdigest()[:16]


def make_plan(request: MosaicRequest, uid: str, found: Found, limits: Limits, ranges: int) -> Plan:
    """Decide everything about a mosaic, from the request and its scenes' headers alone, and cut it into ranges.

    Args:
        request: what was asked for.
        uid: the request's identity.
        found: the scenes, and what is to be said of them.
        limits: what the installation allows.
        ranges: how many there are at most.

    Raises:
        RequestError: see `plan_step`.
    """
    spec, scenes = request.spec, found.scenes
    product, method = product_of(spec.product), METHODS[spec.composite.method]
    calibrated = _calibration(product, scenes, compared=method.compares_scenes)
    if spec.output.dtype == "int16":
        _check_packing(product, scenes)
    area = requested_area(spec.area)
    grid = fix_grid(spec, scenes, area, limits.pixels)
    planned = [PlannedScene(scene, _window(scene, grid)) for scene in scenes]
    touching = [item for item in planned if not item.window.empty]
    if not touching:
        raise RequestError(NOT_TOUCHED)
    order = method.order([item.scene for item in touching])
    ordered = tuple(touching[place] for place in order)
    images = [(band.header.grid, band.header.blocks) for planned in ordered for band in planned.scene.bands.values()]
    block = block_side(images, grid)
    side = tile_side(grid, block)
    until_full = method.stops_when_full(spec.composite)
    work = [tile_work(tile, ordered, until_full=until_full) for tile in tiles_of(grid, side)]
    expected = estimate(grid, ordered, len(product.output_bands), spec.grid.resampling, until_full=until_full)
    if limits.range_seconds:
        ranges = max(1, min(ranges, int(expected.core_seconds / limits.range_seconds)))
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
        ranges=tuple(equal_ranges(work, ranges)),
        scenes=ordered,
        area=geojson(projected_area(area, grid.crs)) if area is not None and spec.area and spec.area.geometry else None,
        calibrated=calibrated,
        estimate=expected,
        warnings=(
            *unreadable_note(found.unreadable, found.total),
            *found.notes,
            *grid_notes(grid, spec.grid.resolution, area),
            *_warnings(grid, area, found.outside + len(scenes) - len(touching)),
            *_mask_warnings(spec, touching),
            *plan_notes(product, scenes),
        ),
        on_unreadable=spec.source.on_unreadable,
        unreadable=found.unreadable,
    )


def _calibration(product: Product, scenes: Sequence[Scene], *, compared: bool) -> bool:
    """Whether the scenes hold reflectances; refused where that matters and they do not, or only some do.

    Scenes that are compared must all hold the same, in the bands too that are read only for that.
    """
    plain = _uncalibrated(scenes, product.input_bands)
    if product.needs_reflectance and plain:
        raise RequestError(
            f"spec.product.index: {product.title} needs reflectances, and {plain[0].id} holds uncalibrated numbers; "
            "give scale and offset of its bands (Sentinel-2: scale 0.0001, offset -0.1 since baseline 04.00)"
        )
    mixed = [] if product.normalised_difference else [plain]
    mixed += [_uncalibrated(scenes, tuple(scenes[0].bands))] if compared else []
    for some in mixed:
        if some and len(some) < len(scenes):
            raise RequestError(
                f"spec.source.files.scenes: {some[0].id} holds uncalibrated numbers and others reflectances; "
                "give scale and offset of its bands too"
            )
    return not plain


def _check_packing(product: Product, scenes: Sequence[Scene]) -> None:
    """Refuse an expression whose values mostly do not fit int16; indices and bands are packed so that they do."""
    expression = product.expression
    if product.kind != "expression" or expression is None or product.normalised_difference:
        return
    if not mostly_fits(expression, [scene.bands for scene in scenes]):
        raise RequestError(
            "spec.output.dtype: int16 holds -3.2767 to 3.2767 of an expression, and by the types of its bands most "
            f"values of {product.title} do not fit; use float32"
        )


def _uncalibrated(scenes: Sequence[Scene], bands: tuple[str, ...]) -> list[Scene]:
    """The scenes of which one of several bands has numbers without a scale."""
    return [scene for scene in scenes if not all(scene.bands[name].calibrated for name in bands)]


def _window(scene: Scene, grid: Grid) -> Window:
    """The pixels that every band of a scene may touch."""
    windows = [grid_window(band.header.grid, grid) for band in scene.bands.values()]
    return replace(
        windows[0],
        left=max(window.left for window in windows),
        top=max(window.top for window in windows),
        right=min(window.right for window in windows),
        bottom=min(window.bottom for window in windows),
    )


def _mask_warnings(spec: MosaicRequestSpec, planned: Sequence[PlannedScene]) -> list[str]:
    """What the masks do not say."""
    kinds = [item.scene.mask.values for item in planned if item.scene.mask is not None]
    single = sum(kind not in LEGENDS for kind in kinds)
    found = []
    if single and spec.composite.mask:
        found.append(
            f"the masks of {single} scene(s) tell no classes: all that they flag is left out, "
            f"whether it is {' or '.join(spec.composite.mask)} or not"
        )
    if "fmask" in kinds and "cirrus" in spec.composite.mask:
        found.append(f"the masks of {kinds.count('fmask')} scene(s) are Fmask, in which HLS 2.0 flags no cirrus")
    if "earthDaily" in kinds:
        found.append(
            f"the masks of {kinds.count('earthDaily')} scene(s) are read as EarthDaily's: 1 clear, 2 cloud, 3 shadow, "
            "4 thin cloud; it publishes no such list for mosaics, so compare the result with them"
        )
    return found


def _warnings(grid: Grid, area: BaseGeometry | None, dropped: int) -> list[str]:
    found = []
    if dropped:
        found.append(f"{dropped} scene(s) lie outside the area and are not used")
    if area is not None and (longest := longest_edge(area)) > LONGEST_EDGE:
        found.append(
            f"an edge of the area spans {longest:.0f} degrees of longitude; where it should cross the antimeridian "
            "instead, cut the polygon there (RFC 7946, 3.1.9), or let longitudes go on beyond 180"
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
