"""Runs a request on one machine, with the same steps as in pods."""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from threading import Thread
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.request import MosaicRequest
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_crds.times import duration_seconds

from mosaic_worker.finalize.results import Results
from mosaic_worker.local.processes import run_ranges
from mosaic_worker.memory import share_freed_memory
from mosaic_worker.plan.harmonising import harmonised
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan, request_uid
from mosaic_worker.plan.stored import kept_plan, write_plan
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.registry import signer_of
from mosaic_worker.sources.readers.detection import check_detector
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.sweeping import sweep
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records
from mosaic_worker.tiles.skipping import unreadable_scenes

RANGES_PER_PROCESS = 16
"""Small ranges have no overhead here, and shorten the wait for the last one."""


class Progress:
    """Receives the progress of a run; this base class ignores it."""

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """The plan is complete; `done` are the tiles that are already computed."""

    def tile(self, pixels: int) -> None:
        """A tile is computed."""

    def finalizing(self) -> None:
        """All tiles are computed; the files are being written."""


@dataclass(frozen=True)
class Result:
    """A published mosaic.

    Attributes:
        item: the STAC Item.
        folder: the folder of its files in the store.
        found: whether an earlier run published it.
    """

    item: dict[str, Any]
    folder: str
    found: bool


@dataclass(frozen=True)
class _RangeWork:
    """Computes ranges in a worker process; store and sources stay open."""

    plan: Plan
    store: str
    gate: Gate
    spec: MosaicRequestSpec

    @cached_property
    def _opened_store(self) -> Store:
        return open_store(self.store)

    @cached_property
    def _sources(self) -> OpenSources:
        return OpenSources(self.gate, signer_of(self.spec, self.gate, self.plan.scenes_of_sides))

    def __call__(self, index: int, report: Callable[[int], None]) -> None:
        compute_range(self.plan, index, self._opened_store, self._sources, lambda tile: report(tile.index))


def prepare(request: MosaicRequest, gate: Gate, limits: Limits, workers: int, uid: str | None = None) -> Plan:
    """Plan a request without harmonising its scenes and writing the plan; arguments as in `run`."""
    found = resolve(request.spec, input_bands(request.spec), gate, limits.scenes)
    uid = uid or request_uid(request, found)
    plan = make_plan(request, uid, found, limits, RANGES_PER_PROCESS * workers, gate)
    if plan.detects_clouds:
        check_detector()
    return plan


def run(
    request: MosaicRequest,
    gate: Gate,
    store_uri: str,
    *,
    uid: str | None = None,
    workers: int | None = None,
    fresh: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Result:
    """Compute the mosaic of a request, or find it. An interrupted run resumes where it stopped.

    Args:
        request: the request.
        gate: what may be read.
        store_uri: the store for results and work.
        uid: the uid of the request; by default a digest of its inputs.
        workers: parallel processes; by default one per available core.
        fresh: delete the results and the work of earlier runs.
        limits: the limits of the installation.
        progress: receives the progress.

    Raises:
        RequestError: the request or its sources are invalid.
        PassingError: a source or the store failed; finished tiles are kept.
    """
    share_freed_memory()
    workers = workers or len(os.sched_getaffinity(0))
    workers = min(workers, *(source.kind.processes or workers for source in request.spec.sources))
    progress = progress or Progress()
    store = open_store(store_uri)
    limits = limits or Limits()
    prepared: Plan | None = None
    if uid is None:
        prepared = prepare(request, gate, limits, workers)
        uid = prepared.uid
    results = Results.of_request(request, uid)
    if fresh:
        results.delete(store)
        sweep(uid, store)
    published = results.published(store)
    if published is not None:
        sweep(uid, store)
        return Result(json.loads(published), results.folder, found=True)
    plan = kept_plan(uid, store)
    if plan is None:
        prepared = prepared or prepare(request, gate, limits, workers, uid)
        plan = write_plan(harmonised(prepared, request.spec, gate), store)
    try:
        _compute(plan, request, store_uri, gate, workers, progress)
        progress.finalizing()
        from mosaic_worker.finalize.publishing import finalize_step  # noqa: PLC0415 (imported in the background)

        published = finalize_step(plan, store)
    except RequestError:
        sweep(plan.uid, store)
        raise
    return Result(json.loads(published), results.folder, found=False)


def _compute(plan: Plan, request: MosaicRequest, store_uri: str, gate: Gate, workers: int, progress: Progress) -> None:
    """Compute the unfinished ranges, and again those with a scene that proves unreadable later."""
    store = open_store(store_uri)
    done = read_records(plan, store, unreadable_scenes(plan, store))
    waiting = _waiting(plan, done)
    pixels = {tile.index: tile.width * tile.height for tile in plan.tiles}
    progress.planned(plan, done)
    reported = set(done)

    def on_tile(index: int) -> None:
        if index not in reported:
            reported.add(index)
            progress.tile(pixels[index])

    Thread(target=_prepare_finalize, args=(plan,), daemon=True).start()
    while waiting:
        run_ranges(
            waiting,
            _RangeWork(plan, store_uri, gate, request.spec),
            min(workers, len(waiting)),
            attempts=request.spec.execution.retries_per_range + 1,
            seconds_per_range=duration_seconds(request.spec.execution.range_deadline),
            on_tile=on_tile,
        )
        if plan.on_unreadable == "fail":
            return
        waiting = _waiting(plan, read_records(plan, store, unreadable_scenes(plan, store)))


def _prepare_finalize(plan: Plan) -> None:
    """Import what publishing needs, and load the colour map, while the workers compute."""
    import mosaic_worker.finalize.publishing  # noqa: F401, PLC0415
    from mosaic_worker.output.palettes import picture_palette  # noqa: PLC0415

    picture_palette(plan.product, plan.colours.colormap)


def _waiting(plan: Plan, done: Collection[int]) -> list[int]:
    """The ranges with unfinished tiles."""
    return [
        index for index, (start, stop) in enumerate(plan.ranges) if any(tile not in done for tile in range(start, stop))
    ]
