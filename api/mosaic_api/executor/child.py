"""The process of one request: it makes the mosaic, and tells how it goes as JSON, a line for each word.

It leads a session of its own, in which all of its workers are, so that it is ended whole. When whoever started it is
gone, it ends itself: its standard input is open as long as that one lives.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import gettempdir
from threading import Thread
from typing import Any

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import storable
from mosaic_crds.lifecycle import CRASHED, REFUSED, SOURCE_OR_STORE, messages
from mosaic_crds.validation import load_request

from mosaic_api.executor.job import Job
from mosaic_api.gate import gate_of

MOST_WARNINGS = 16
"""As many as `status.plan` takes; the Item has all."""

Tell = Callable[[dict[str, Any]], None]


def make_mosaic(job: Job, tell: Tell) -> None:
    """Make it, and tell: `planned`, `tile`, `finalizing`, and at the end `published` or `failed`."""
    from mosaic_worker.finalize.results import Results  # noqa: PLC0415
    from mosaic_worker.local.run import Progress, run  # noqa: PLC0415
    from mosaic_worker.memory import keep_freed_memory  # noqa: PLC0415 (what takes long comes after warm_up)
    from mosaic_worker.plan.model import Plan  # noqa: PLC0415
    from mosaic_worker.plan.planning import Limits  # noqa: PLC0415
    from mosaic_worker.store import open_store  # noqa: PLC0415

    class Told(Progress):
        def planned(self, plan: Plan, done: Collection[int]) -> None:
            summary = plan.summary() | {"ranges": len(plan.tiles), "warnings": list(plan.warnings[:MOST_WARNINGS])}
            finished = sum(tile.width * tile.height for tile in plan.tiles if tile.index in done)
            tell({"planned": summary, "pixels": plan.grid.pixels, "tilesDone": len(done), "pixelsDone": finished})

        def tile(self, pixels: int) -> None:
            tell({"tile": pixels})

        def finalizing(self) -> None:
            tell({"finalizing": True})

    keep_freed_memory()
    try:
        request = load_request(job.request)
        uid = str(request.metadata.uid)
        gate, limits = gate_of(job.allowed_hosts, [Path(folder) for folder in job.scenes]), Limits(job.max_pixels)
        result = run(request, gate, job.store, uid=uid, limits=limits, progress=Told())
        told = Results.of_request(request, uid).summary(json.dumps(result.item).encode(), open_store(job.store))
        tell({"published": told, "item": result.item})
    except RequestError as error:
        tell({"failed": str(error), "reason": REFUSED})
    except PassingError as error:
        tell({"failed": str(error), "reason": SOURCE_OR_STORE})
    except Exception:
        traceback.print_exc()
        tell({"failed": messages.INTERNAL_ERROR, "reason": CRASHED})


def as_line(word: dict[str, Any]) -> bytes:
    """A word as it is written: without what names in untrusted files may hold and PostgreSQL refuses in JSON."""
    return json.dumps(storable(word), ensure_ascii=False).encode() + b"\n"


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Read the job and do it."""
    from mosaic_worker.isolation import seal  # noqa: PLC0415 (the workers import this module, and need it not)
    from mosaic_worker.local.processes import warm_up  # noqa: PLC0415

    from mosaic_api.executor.confinement import rules_of  # noqa: PLC0415

    with os.fdopen(os.dup(1), "wb") as words:

        def tell(word: dict[str, Any]) -> None:
            words.write(as_line(word))
            words.flush()

        os.dup2(2, 1)  # whatever else is printed here, or by the workers, is none
        job = Job.from_line(sys.stdin.readline())
        try:
            seal(rules_of(job, Path(gettempdir())))
        except PassingError as error:
            tell({"failed": str(error), "reason": SOURCE_OR_STORE})
            return
        Thread(target=_end_with_parent, daemon=True).start()
        warm_up()
        make_mosaic(job, tell)


if __name__ == "__main__":
    main()
