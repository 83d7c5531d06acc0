"""A request on one machine: the same plan, tiles and finalize as in pods, with processes in place of pods."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.fields import duration_seconds
from mosaic_crds.request import MosaicRequest
from mosaic_crds.source import EARTH_DAILY_PROCESSES, Source

from mosaic_worker.plan import Plan
from mosaic_worker.planning import Limits, input_bands, make_plan, read_plan, request_uid, write_plan
from mosaic_worker.processes import run_ranges
from mosaic_worker.results import ITEM, Results
from mosaic_worker.sources.gate import Gate, own_machine
from mosaic_worker.sources.reading import OpenSources
from mosaic_worker.sources.resolve import resolve, signer_of
from mosaic_worker.store import Store, open_store
from mosaic_worker.sweeping import sweep
from mosaic_worker.tiles import compute_range, read_records

RANGES_PER_PROCESS = 16
"""To hand a range to a process costs nothing here, and the smaller the last one is the less it holds up."""


class Progress:
    """What a run tells of itself while it goes on; this one tells nobody."""

    def planned(self, plan: Plan, done: int) -> None:
        """The plan is made, and so many pixels of it are done already."""

    def tile(self, pixels: int) -> None:
        """A tile of so many pixels is done."""

    def finalizing(self) -> None:
        """All tiles are done, and the mosaic is put together."""


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
        return OpenSources(self.gate, signer_of(self.source, self.gate, self.plan.all_scenes))

    def __call__(self, index: int, report: Callable[[int], None]) -> None:
        compute_range(self.plan, index, self._opened_store, self._sources, lambda tile: report(tile.index))


def prepare(request: MosaicRequest, folder: Path, limits: Limits, workers: int) -> Plan:
    """The plan of a request on this machine, with the identity that its inputs give it; nothing is written."""
    found = resolve(request.spec, input_bands(request.spec), own_machine(folder), limits.scenes)
    return make_plan(request, request_uid(request, found.scenes), found, limits, RANGES_PER_PROCESS * workers)


def run(
    request: MosaicRequest,
    folder: Path,
    store_uri: str,
    *,
    workers: int | None = None,
    fresh: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Result:
    """Make a request's mosaic, or find it made; an interrupted run goes on where it stopped.

    Args:
        request: what is asked for.
        folder: where its relative paths start.
        store_uri: where results and work are kept.
        workers: processes at once; as many as this process may use cores if None.
        fresh: forget what earlier runs made of the same request.
        limits: what is allowed.
        progress: told how it goes.

    Raises:
        RequestError: the request, or what it points to, cannot work.
        PassingError: a source or the store failed; what is done stays done.
    """
    workers = workers or len(os.sched_getaffinity(0))
    if request.spec.source.earth_daily is not None:
        workers = min(workers, EARTH_DAILY_PROCESSES)
    progress = progress or Progress()
    store = open_store(store_uri)
    prepared = prepare(request, folder, limits or Limits(), workers)
    results = Results.of_plan(prepared)
    folder_key = results.folder
    if fresh:
        _forget(prepared.uid, folder_key, store)
    published = results.item(store)
    if published is not None:
        return Result(json.loads(published), folder_key, found=True)
    plan = read_plan(prepared.uid, store) or write_plan(prepared, store)
    try:
        _compute(plan, request, store_uri, own_machine(folder), workers, progress)
        progress.finalizing()
        from mosaic_worker.finalize import finalize_step  # noqa: PLC0415 (imported while the workers computed)

        published = finalize_step(plan, store)
    except RequestError:
        sweep(plan.uid, store)
        raise
    return Result(json.loads(published), folder_key, found=False)


def _compute(plan: Plan, request: MosaicRequest, store_uri: str, gate: Gate, workers: int, progress: Progress) -> None:
    """Do the ranges that are not done."""
    done = read_records(plan, open_store(store_uri))
    waiting = [
        index for index, (start, stop) in enumerate(plan.ranges) if any(tile not in done for tile in range(start, stop))
    ]
    pixels = {tile.index: tile.width * tile.height for tile in plan.tiles}
    progress.planned(plan, sum(pixels[tile] for tile in done))
    told = set(done)

    def on_tile(index: int) -> None:
        if index not in told:
            told.add(index)
            progress.tile(pixels[index])

    Thread(target=import_module, args=("mosaic_worker.finalize",), daemon=True).start()  # the workers begin the sooner
    run_ranges(
        waiting,
        _RangeWork(plan, store_uri, gate, request.spec.source),
        min(workers, len(waiting)),
        attempts=request.spec.execution.retries_per_range + 1,
        seconds_per_range=duration_seconds(request.spec.execution.range_deadline),
        on_tile=on_tile,
    )


def _forget(uid: str, folder_key: str, store: Store) -> None:
    """Delete what earlier runs made: the Item first, so that nobody sees a mosaic without its files."""
    store.delete(f"{folder_key}/{ITEM}")
    for key, _ in list(store.list(f"{folder_key}/")):
        store.delete(key)
    sweep(uid, store)
