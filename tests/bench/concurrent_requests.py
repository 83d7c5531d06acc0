"""Work J: starts `mosaic serve`, and many users request a small mosaic at the same moment on 127.0.0.1.

Then all users poll until their mosaic is finished.
"""

import asyncio
import signal
import statistics
import subprocess
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from mosaic_worker.synthetic import write_scenes

from bench.measure import POLL_SECONDS, Processes, Run, Runs
from bench.report import Measured
from bench.tiles import Tally
from bench.work import MOSAIC, OURS, Goal, Measure, Work
from support.ports import free_port

USERS = 20
SIDE = 512
PAUSE_SECONDS = 1.0
"""Seconds between two polls of one user."""
WAIT_SECONDS = 60.0
TITLE = f"{USERS} mosaics of {SIDE} x {SIDE} pixels, requested from `mosaic serve` at the same moment"
WORK = Work("J", TITLE, dict, goals=[Goal(Measure.SECONDS, 4, None)])


@dataclass
class Concurrent:
    """The result of the work, and its table."""

    result: Measured
    submitted: Tally = field(default_factory=Tally)
    polled: Tally = field(default_factory=Tally)

    @property
    def table(self) -> str:
        runs = Runs(tuple(self.result.runs[OURS]))
        times = " | ".join(_percentiles(tally) for tally in (self.submitted, self.polled))
        lines = [
            f"### J. {TITLE}",
            "",
            "| minimum s | median s | core s | response ms, p50 / p95 | poll ms, p50 / p95 |",
            "|---|---|---|---|---|",
            f"| {runs.fastest:.2f} | {runs.median:.2f} | {runs.processor:.2f} | {times} |",
        ]
        return "\n".join([*lines, ""])


def measure(runs: int, folder: Path) -> Concurrent:
    """Start `mosaic serve` and submit the requests, several times.

    Raises:
        RuntimeError: A mosaic was not published.
    """
    (item,) = write_scenes(folder / "scenes", side=SIDE)
    found = Concurrent(Measured(WORK))
    for number in range(runs):
        with _served(folder, folder / f"data-{number}") as served:
            used = Processes(served.process)
            used.look()
            before, began = used.processor, datetime.now(UTC)
            answers = asyncio.run(_submit_all(served, item, found, used))
        unfinished = [answer["status"] for answer in answers if answer["phase"] != "Succeeded"]
        if unfinished:
            raise RuntimeError(f"{len(unfinished)} requests did not succeed: {unfinished[0]}")
        ended = max(datetime.fromisoformat(answer["completed"]) for answer in answers)
        seconds = (ended - began).total_seconds()
        run = Run(seconds, used.processor - before, used.own_memory, used.other_memory)
        found.result.runs.setdefault(OURS, []).append(run)
    return found


@dataclass(frozen=True)
class _Served:
    """A running `mosaic serve`: the number of its process, the address of its REST API, and the headers for it."""

    process: int
    address: str
    headers: dict[str, str]


@contextmanager
def _served(scenes: Path, data: Path) -> Iterator[_Served]:
    """Run `mosaic serve`."""
    port = free_port()
    command = [MOSAIC, "serve", "--data", data, "--scenes", scenes, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if "The page is at" not in line:
            raise RuntimeError(f"mosaic serve did not start: {line}")
        token = line.partition("token=")[2].split()[0]
        yield _Served(process.pid, f"http://127.0.0.1:{port}/api/v1", {"Authorization": f"Bearer {token}"})
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_SECONDS)


async def _submit_all(served: _Served, item: Path, found: Concurrent, used: Processes) -> list[dict[str, Any]]:
    """Submit requests and poll them until they end; return their last responses."""
    spec = {"source": {"files": {"scenes": [{"item": str(item)}]}}, "product": {"index": "NDVI"}}

    async def user(number: int) -> dict[str, Any]:
        requests = f"{served.address}/requests"
        async with httpx.AsyncClient(timeout=WAIT_SECONDS, trust_env=False, headers=served.headers) as client:
            answer = await _timed(
                found.submitted, client.post(requests, json={"name": f"request-{number}", "spec": spec})
            )
            while not answer["terminal"]:
                await asyncio.sleep(PAUSE_SECONDS)
                answer = await _timed(found.polled, client.get(f"{requests}/{answer['id']}"))
            return answer

    async def look() -> None:
        while True:
            used.look()
            await asyncio.sleep(POLL_SECONDS)

    looking = asyncio.create_task(look())
    answers = await asyncio.gather(*(user(number) for number in range(USERS)))
    looking.cancel()
    return answers


async def _timed(tally: Tally, call: Awaitable[httpx.Response]) -> dict[str, Any]:
    began = time.perf_counter()
    response = await call
    tally.milliseconds.append(1000 * (time.perf_counter() - began))
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def _percentiles(tally: Tally) -> str:
    found = sorted(tally.milliseconds)
    return f"{statistics.median(found):.0f} / {found[int(0.95 * len(found))]:.0f}"
