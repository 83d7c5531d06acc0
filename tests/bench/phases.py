"""Core-seconds of each phase of a mosaic: its steps run in this process, each with a timer."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mosaic_crds.files import COG
from mosaic_crds.validation import parse_request
from mosaic_worker.composites.reducer import Reducer
from mosaic_worker.finalize import publishing as finalize
from mosaic_worker.geometry import warping
from mosaic_worker.local import run
from mosaic_worker.plan import planning
from mosaic_worker.plan.stored import write_plan
from mosaic_worker.product import Product
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers import reading
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import open_store
from mosaic_worker.tiles import ranges as tiles

Label = str | Callable[..., str]
CLOCKED: list[tuple[Label, Any, str]] = [
    ("decode", reading, "read_window"),
    ("warp", warping, "warp"),
    ("index", Product, "compute"),
    ("composite", Reducer, "add"),
    ("composite", Reducer, "result"),
    ("statistics", tiles, "measure"),
    ("encode", tiles, "encode_part"),
    ("picture", finalize, "render"),
    (lambda *arguments: "COG" if arguments[2] is COG else "picture", finalize, "_publish"),
]


def phases(request_path: Path, store_folder: Path) -> dict[str, float]:
    """Core-seconds by step; "other" is what has no timer: copying, calibration, records and the rest."""
    spent: dict[str, float] = {}
    with _clocks(spent):
        started = time.process_time()
        request = parse_request(request_path.read_text(), str(request_path))
        store = open_store(str(store_folder))
        plan = write_plan(run.prepare(request, own_machine(request_path.parent), planning.Limits(), 1), store)
        sources = OpenSources(own_machine(request_path.parent))
        for index in range(len(plan.ranges)):
            tiles.compute_range(plan, index, store, sources)
        sources.close()
        finalize.finalize_step(plan, store)
        total = time.process_time() - started
    return spent | {"other": total - sum(spent.values())}


@contextmanager
def _clocks(spent: dict[str, float]) -> Iterator[None]:
    originals = [(owner, name, getattr(owner, name)) for _, owner, name in CLOCKED]
    originals.append((finalize, "ThreadPoolExecutor", finalize.ThreadPoolExecutor))
    finalize.ThreadPoolExecutor = _OneAfterAnother  # type: ignore[misc, assignment]
    for label, owner, name in CLOCKED:
        setattr(owner, name, _clocked(label, getattr(owner, name), spent))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


class _OneAfterAnother:
    """Replaces finalize's threads, so that no two timers run at the same time."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> "_OneAfterAnother":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


def _clocked(label: Label, function: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def clocked(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            step = label if isinstance(label, str) else label(*arguments)
            spent[step] = spent.get(step, 0.0) + time.process_time() - started

    return clocked
