"""The process of one request: makes the mosaic, and reports its progress as lines of JSON.

It leads a session with all its workers, so that they end together. Its standard input stays open as long as the
executor lives; when that ends, the process ends itself.
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
"""The limit of `status.plan`; the Item has all."""

Send = Callable[[dict[str, Any]], None]


def make_mosaic(job: Job, send: Send) -> None:
    """Make the mosaic and send messages: `planned`, `tile`, `finalizing`, and finally `published` or `failed`."""
    from mosaic_worker.finalize.results import Results  # noqa: PLC0415
    from mosaic_worker.local.run import Progress, run  # noqa: PLC0415
    from mosaic_worker.memory import keep_freed_memory  # noqa: PLC0415 (slow imports come after warm_up)
    from mosaic_worker.plan.model import Plan  # noqa: PLC0415
    from mosaic_worker.plan.planning import Limits  # noqa: PLC0415
    from mosaic_worker.store import open_store  # noqa: PLC0415

    class Reporter(Progress):
        def planned(self, plan: Plan, done: Collection[int]) -> None:
            summary = plan.summary() | {"ranges": len(plan.tiles), "warnings": list(plan.warnings[:MOST_WARNINGS])}
            finished = sum(tile.width * tile.height for tile in plan.tiles if tile.index in done)
            send({"planned": summary, "pixels": plan.grid.pixels, "tilesDone": len(done), "pixelsDone": finished})

        def tile(self, pixels: int) -> None:
            send({"tile": pixels})

        def finalizing(self) -> None:
            send({"finalizing": True})

    keep_freed_memory()
    try:
        request = load_request(job.request)
        uid = str(request.metadata.uid)
        gate, limits = gate_of(job.allowed_hosts, [Path(folder) for folder in job.scenes]), Limits(job.max_pixels)
        result = run(request, gate, job.store, uid=uid, limits=limits, progress=Reporter())
        summary = Results.of_request(request, uid).summary(json.dumps(result.item).encode(), open_store(job.store))
        send({"published": summary, "item": result.item})
    except RequestError as error:
        send({"failed": str(error), "reason": REFUSED})
    except PassingError as error:
        send({"failed": str(error), "reason": SOURCE_OR_STORE})
    except Exception:
        traceback.print_exc()
        send({"failed": messages.INTERNAL_ERROR, "reason": CRASHED})


def as_line(message: dict[str, Any]) -> bytes:
    """Encode a message, without characters from untrusted files that PostgreSQL refuses in JSON."""
    return json.dumps(storable(message), ensure_ascii=False).encode() + b"\n"


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Read the job and run it."""
    from mosaic_worker.isolation import seal  # noqa: PLC0415 (workers import this module without needing it)
    from mosaic_worker.local.processes import warm_up  # noqa: PLC0415

    from mosaic_api.executor.confinement import rules_of  # noqa: PLC0415

    with os.fdopen(os.dup(1), "wb") as messages_out:

        def send(message: dict[str, Any]) -> None:
            messages_out.write(as_line(message))
            messages_out.flush()

        os.dup2(2, 1)  # other output, also of the workers, is not a message
        job = Job.from_line(sys.stdin.readline())
        try:
            seal(rules_of(job, Path(gettempdir())))
        except PassingError as error:
            send({"failed": str(error), "reason": SOURCE_OR_STORE})
            return
        Thread(target=_end_with_parent, daemon=True).start()
        warm_up()
        make_mosaic(job, send)


if __name__ == "__main__":
    main()
