"""A request on one machine: the same steps as in pods, in processes."""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from threading import Thread
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.fields import duration_seconds
from mosaic_crds.request import MosaicRequest
from mosaic_crds.source import Source

from mosaic_worker.finalize.results import Results
from mosaic_worker.local.processes import run_ranges
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan, request_uid
from mosaic_worker.plan.stored import kept_plan, write_plan
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.registry import source_of
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.sweeping import sweep
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records
from mosaic_worker.tiles.skipping import unreadable_scenes

RANGES_PER_PROCESS = 16
"""Small ranges cost nothing here, and the last one delays the end less."""


class Progress:
    """Reports how a run progresses; this one does nothing."""

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """The plan is made; these tiles of it are already done."""

    def tile(self, pixels: int) -> None:
        """A tile of so many pixels is done."""

    def finalizing(self) -> None:
        """All tiles are done; the mosaic is being assembled."""


@dataclass(frozen=True)
class Result:
    """A mosaic that is there.

    Attributes:
        item: the STAC Item.
        folder: the key in the store below which its files are.
        found: whether an earlier run had made it.
    """

    item: dict[str, Any]
    folder: str
    found: bool


@dataclass(frozen=True)
class _RangeWork:
    """What a worker process does; its store and sources stay open from range to range."""

    plan: Plan
    store: str
    gate: Gate
    source: Source

    @cached_property
    def _opened_store(self) -> Store:
        return open_store(self.store)

    @cached_property
    def _sources(self) -> OpenSources:
        return OpenSources(self.gate, source_of(self.source, self.gate).signer(self.plan.all_scenes))

    def __call__(self, index: int, report: Callable[[int], None]) -> None:
        compute_range(self.plan, index, self._opened_store, self._sources, lambda tile: report(tile.index))


def prepare(request: MosaicRequest, gate: Gate, limits: Limits, workers: int, uid: str | None = None) -> Plan:
    """The plan of a request on this machine; nothing is written.

    Args:
        request: the request.
        gate: what may be read.
        limits: what is allowed.
        workers: processes in parallel.
        uid: the request's identity; the one that its inputs give it if None.

    Raises:
        RequestError: the request, or what it points to, cannot work.
        PassingError: a source failed.
    """
    found = resolve(request.spec, input_bands(request.spec), gate, limits.scenes)
    return make_plan(request, uid or request_uid(request, found.scenes), found, limits, RANGES_PER_PROCESS * workers)


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
    """Make the mosaic of a request, or find it. An interrupted run resumes where it stopped.

    Args:
        request: the request.
        gate: what may be read.
        store_uri: where results and work are kept.
        uid: under which they are kept, of a request that has an identity; the one that its inputs give it if None.
        workers: processes in parallel; one for each core that this process may use if None.
        fresh: delete what earlier runs made of the same request.
        limits: what is allowed.
        progress: is called as the run progresses.

    Raises:
        RequestError: the request, or what it points to, cannot work.
        PassingError: a source or the store failed; what is done stays done.
    """
    workers = workers or len(os.sched_getaffinity(0))
    workers = min(workers, request.spec.source.kind.processes or workers)
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
    plan = kept_plan(uid, store) or write_plan(prepared or prepare(request, gate, limits, workers, uid), store)
    try:
        _compute(plan, request, store_uri, gate, workers, progress)
        progress.finalizing()
        from mosaic_worker.finalize.publishing import finalize_step  # noqa: PLC0415 (imported by now)

        published = finalize_step(plan, store)
    except RequestError:
        sweep(plan.uid, store)
        raise
    return Result(json.loads(published), results.folder, found=False)


def _compute(plan: Plan, request: MosaicRequest, store_uri: str, gate: Gate, workers: int, progress: Progress) -> None:
    """Do the ranges that are not done; some again where a scene proves unreadable after they were done with it."""
    store = open_store(store_uri)
    done = read_records(plan, store, unreadable_scenes(plan, store))
    waiting = _waiting(plan, done)
    pixels = {tile.index: tile.width * tile.height for tile in plan.tiles}
    progress.planned(plan, done)
    told = set(done)

    def on_tile(index: int) -> None:
        if index not in told:
            told.add(index)
            progress.tile(pixels[index])

    # Import what publishing needs while the workers compute.
    Thread(target=import_module, args=("mosaic_worker.finalize.publishing",), daemon=True).start()
    while waiting:
        run_ranges(
            waiting,
            _RangeWork(plan, store_uri, gate, request.spec.source),
            min(workers, len(waiting)),
            attempts=request.spec.execution.retries_per_range + 1,
            seconds_per_range=duration_seconds(request.spec.execution.range_deadline),
            on_tile=on_tile,
        )
        if plan.on_unreadable == "fail":
            return
        waiting = _waiting(plan, read_records(plan, store, unreadable_scenes(plan, store)))


def _waiting(plan: Plan, done: Collection[int]) -> list[int]:
    """The ranges with a tile that is not done."""
    return [
        index for index, (start, stop) in enumerate(plan.ranges) if any(tile not in done for tile in range(start, stop))
    ]
