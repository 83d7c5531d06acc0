"""The process of one request: makes the mosaic, and reports its progress as lines of JSON.

`python -m mosaic_api.executor.child` is the fork server of these processes. It imports all that they need and knows no
request; each request gets a new process, which isolates itself before it reads anything.

The process leads a session with all its workers, so that they end together. Its standard input stays open as long as
the executor lives; when that ends, the process ends itself.
"""

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import storable
from mosaic_crds.lifecycle import CRASHED, REFUSED, SOURCE_OR_STORE, messages
from mosaic_crds.validation import load_request
from mosaic_worker.finalize.results import Results
from mosaic_worker.isolation import hide_memory, seal
from mosaic_worker.local.fork_server import serve_standard_input
from mosaic_worker.local.processes import fork_workers_from_here
from mosaic_worker.local.rehearsal import rehearse
from mosaic_worker.local.run import Progress, run
from mosaic_worker.memory import keep_freed_memory
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.store import open_store

from mosaic_api.executor.confinement import rules_of
from mosaic_api.executor.job import Job
from mosaic_api.gate import gate_of

MOST_WARNINGS = 16
"""The limit of `status.plan`; the Item has all."""

Send = Callable[[dict[str, Any]], None]


class _Reporter(Progress):
    """Sends the progress of a run."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        summary = plan.summary() | {"warnings": list(plan.warnings[:MOST_WARNINGS])}
        finished = sum(tile.width * tile.height for tile in plan.tiles if tile.index in done)
        self._send({"planned": summary, "pixels": plan.grid.pixels, "tilesDone": len(done), "pixelsDone": finished})

    def tile(self, pixels: int) -> None:
        self._send({"tile": pixels})

    def finalizing(self) -> None:
        self._send({"finalizing": True})


def make_mosaic(job: Job, send: Send) -> None:
    """Make the mosaic and send messages: `planned`, `tile`, `finalizing`, and finally `published` or `failed`."""
    keep_freed_memory()
    try:
        request = load_request(job.request)
        uid = str(request.metadata.uid)
        gate, limits = gate_of(job.allowed_hosts, [Path(folder) for folder in job.scenes]), Limits(job.max_pixels)
        result = run(request, gate, job.store, uid=uid, limits=limits, progress=_Reporter(send))
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


def run_job(files: Sequence[int]) -> None:
    """Read the job from the first file and run it, and write messages to the second."""
    os.dup2(files[0], 0)
    os.close(files[0])
    with open(0, encoding="utf-8", closefd=False) as standard_input:
        job = Job.from_line(standard_input.readline())
    tempfile.tempdir = os.environ["TMPDIR"] = job.scratch  # of Python, and of libraries
    with os.fdopen(files[1], "wb") as messages_out:

        def send(message: dict[str, Any]) -> None:
            messages_out.write(as_line(message))
            messages_out.flush()

        try:
            seal(rules_of(job, Path(job.scratch)))
        except PassingError as error:
            send({"failed": str(error), "reason": SOURCE_OR_STORE})
            return
        fork_workers_from_here()
        Thread(target=_end_with_parent, daemon=True).start()
        make_mosaic(job, send)


def main() -> None:
    """Serve the executor at the other end of the standard input."""
    hide_memory()
    rehearse()
    serve_standard_input(run_job, sessions=True)


if __name__ == "__main__":
    main()
