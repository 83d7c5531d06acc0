"""Concurrent requests: part of `make bench-page`. Starts `mosaic serve` and requests many small mosaics.

Two loads on 127.0.0.1: all users send their request at the same moment; then all poll until every mosaic is finished.
"""

import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from mosaic_worker.synthetic import write_scenes

from bench.tiles import Tally, free_port

USERS = 20
SIDE = 512
POLL_SECONDS = 1.0
"""Seconds between two polls of one user."""
WAIT_SECONDS = 60.0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run `mosaic serve` in a folder, and yield the address of its REST API."""
    port = free_port()
    mosaic = Path(sys.executable).with_name("mosaic")
    command = [mosaic, "serve", "--data", folder / "data", "--scenes", folder, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if "The page is at" not in line:
            raise RuntimeError(f"mosaic serve did not start: {line}")
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_SECONDS)


async def timed(tally: Tally, call: Awaitable[httpx.Response]) -> httpx.Response:
    began = time.perf_counter()
    response = await call
    tally.milliseconds.append(1000 * (time.perf_counter() - began))
    tally.errors += not response.is_success
    return response


async def submit_all(address: str, item: Path) -> tuple[Tally, Tally, float, list[str]]:
    """Submit and poll requests; return the tallies of both, the seconds until the last one finished, and all phases."""
    submitted, polled, phases = Tally(), Tally(), []
    spec = {"source": {"files": {"scenes": [{"item": str(item)}]}}, "product": {"index": "NDVI"}}
    began = time.perf_counter()

    async def user(number: int) -> None:
        async with httpx.AsyncClient(timeout=WAIT_SECONDS, trust_env=False) as client:
            body = {"name": f"request-{number}", "spec": spec}
            response = (await timed(submitted, client.post(f"{address}/requests", json=body))).json()
            while not response["terminal"]:
                await asyncio.sleep(POLL_SECONDS)
                response = (await timed(polled, client.get(f"{address}/requests/{response['id']}"))).json()
            phases.append(response["phase"])

    await asyncio.gather(*(user(number) for number in range(USERS)))
    return submitted, polled, time.perf_counter() - began, phases


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (item,) = write_scenes(folder / "scenes", side=SIDE)
        with served(folder) as address:
            submitted, polled, seconds, phases = asyncio.run(submit_all(address, item))
            rows = httpx.get(f"{address}/requests", params={"limit": 200}).json()["total"]
        for what, tally in ((f"{USERS} concurrent requests", submitted), ("polls until all are finished", polled)):
            tally.milliseconds.sort()
            p50, p95 = statistics.median(tally.milliseconds), tally.milliseconds[int(0.95 * len(tally.milliseconds))]
            print(f"{what:36} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {tally.errors} errors")
        print(f"{rows} rows, {phases.count('Succeeded')} finished after {seconds:.1f} s")


if __name__ == "__main__":
    main()
