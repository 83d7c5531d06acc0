"""Tiles under load: part of `make bench-page`. Starts the application as `mosaic serve` does.

Two loads of concurrent readers on 127.0.0.1: readers who look at the map (fetch a screenful of tiles over six
connections, look at it for some seconds, move, and repeat), and readers who never pause, which measures the tiles per
second of the process. The report includes the processor time of the application, because it depends less on other
processes.
"""

import argparse
import asyncio
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import httpx
import numpy as np
from mosaic_api.auth.identity import named_user
from mosaic_api.database import Database, Request
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine

from support.ports import free_port
from support.scenes.pipeline import files, request_of
from support.scenes.rasters import write_raster

SIDE = 5490
ZOOMS = (10, 11, 12, 13, 14)
SCREEN = 4
"""Columns and rows of tiles on a screen."""
ZOOMING = 0.2
"""Share of moves that jump to another area."""
CONNECTIONS = 6
"""Connections of a browser to one host."""
KEEP_SECONDS = 2.0
"""Seconds after which an idle connection is not reused; the server closes it after 5."""
LOOKING_SECONDS = 8.0
SECONDS = 20.0
"""Seconds of measuring; readers who look at the map arrive one by one during as many seconds before."""
WAIT_SECONDS = 30.0

APPLICATION = """
import sys, uvicorn
from mosaic_api.app import create_app
from mosaic_api.settings import Settings
database, store, port = sys.argv[1:]
app = create_app(Settings(database, store, single_user=True))
uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
"""


@dataclass
class Tally:
    """What readers observed: milliseconds of each tile, the number of errors, and their reasons."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0
    reasons: set[str] = field(default_factory=set)

    def report(self, name: str, seconds: float, processor: float) -> None:
        self.milliseconds.sort()
        p50 = statistics.median(self.milliseconds)
        p95 = self.milliseconds[int(0.95 * len(self.milliseconds))]
        rate, each = len(self.milliseconds) / seconds, 1000 * processor / len(self.milliseconds)
        print(
            f"{name:36} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {rate:5.0f} tiles/s  {each:4.1f} ms CPU",
            f"{self.errors} errors",
            *sorted(self.reasons)[:3],
        )


def publish(folder: Path) -> tuple[Path, dict[str, object], str]:
    """Publish the NDSI of two bands of Sentinel-2's size; return the store, the Item and the uid."""
    rng = np.random.default_rng(0)
    paths = {}
    for band, level in (("green", 900), ("swir16", 1400)):
        values = np.clip(level + rng.normal(0, 300, (SIDE, SIDE)), 1, 9000).astype(np.uint16)
        path = write_raster(
            folder / f"{band}.tif", values, left=600_000, top=5_720_000, resolution=20, crs="EPSG:32609"
        )
        paths[band] = {"href": str(path), "scale": 0.0001, "offset": 0.0}
    spec = {"source": files({"bands": paths}), "product": {"index": "NDSI"}}
    result = run(request_of(spec, "bench"), own_machine(folder), str(folder / "store"))
    return folder / "store", result.item, Path(result.folder).name


@contextmanager
def serving(database: str, store: Path) -> Iterator[tuple[str, int]]:
    """Run the application in its own process; yield its address and the process."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", APPLICATION, database, str(store), str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                httpx.get(f"{address}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


Tile = tuple[int, int, int]


class Reader:
    """Looks at a screenful of tiles of a mosaic, then moves by a tile or zooms; remembers the tiles it has."""

    def __init__(self, bounds: Sequence[float], seed: int) -> None:
        self.rng = random.Random(seed)
        self._bounds = bounds
        self._seen: set[Tile] = set()
        self._z, self._x, self._y = 0, 0, 0

    def start(self) -> list[Tile]:
        """The tiles of a screen at another position."""
        west, south, east, north = self._bounds
        self._z = self.rng.choice(ZOOMS)
        longitude, latitude = self.rng.uniform(west, east), self.rng.uniform(south, north)
        self._x = int((longitude + 180) / 360 * 2**self._z)
        self._y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * 2**self._z)
        return self._new()

    def move(self) -> list[Tile]:
        """The tiles that are new after a move; a browser caches the others."""
        if self.rng.random() < ZOOMING:
            return self.start()
        self._x += self.rng.choice((-1, 1))
        self._y += self.rng.choice((-1, 0, 1))
        return self._new()

    def _new(self) -> list[Tile]:
        around = range(-(SCREEN // 2), SCREEN - SCREEN // 2)
        shown = {(self._z, self._x + across, self._y + down) for across in around for down in around}
        new = sorted(shown - self._seen)
        self._seen |= shown
        return new


async def read(address: str, bounds: Sequence[float], tally: Tally, until: float, seed: int, pause: float) -> None:
    """Read as one reader; without pauses, each screen is new, and tiles are fetched one at a time."""
    reader = Reader(bounds, seed)
    connections = aiohttp.TCPConnector(limit=CONNECTIONS if pause else 1, keepalive_timeout=KEEP_SECONDS)
    async with aiohttp.ClientSession(connector=connections) as client:

        async def fetch(tile: Tile) -> None:
            began = time.perf_counter()
            try:
                async with client.get(f"{address}/tiles/{tile[0]}/{tile[1]}/{tile[2]}.png") as answer:
                    content = await answer.read()
                good = answer.status == 200 and content.startswith(b"\x89PNG")
            except (aiohttp.ClientError, TimeoutError) as error:
                good = False
                tally.reasons.add(repr(error))
            tally.milliseconds.append(1000 * (time.perf_counter() - began))
            tally.errors += not good

        await asyncio.sleep(reader.rng.uniform(0, SECONDS) if pause else 0)
        tiles = reader.start()
        while time.monotonic() < until:
            for first in range(0, len(tiles), connections.limit):
                await asyncio.gather(*(fetch(tile) for tile in tiles[first : first + connections.limit]))
            await asyncio.sleep(reader.rng.uniform(0.5, 1.5) * pause)
            tiles = reader.move() if pause else reader.start()


def processor_seconds(process: int) -> float:
    """The processor time of a process, as the kernel accounts it."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(name: str, requests: str, process: int, bounds: Sequence[float], readers: int, pause: float) -> None:
    tally, began = Tally(), time.monotonic()
    until = began + (2 * SECONDS if pause else SECONDS)
    used = processor_seconds(process)
    reading = asyncio.gather(*(read(requests, bounds, tally, until, seed, pause) for seed in range(readers)))
    if pause:
        await asyncio.sleep(SECONDS)
        tally.milliseconds.clear()
        began, used = time.monotonic(), processor_seconds(process)
    await reading
    tally.report(name, time.monotonic() - began, processor_seconds(process) - used)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--readers", type=int, default=200)
    readers = arguments.parse_args().readers
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-") as name:
        Path(name).chmod(0o755)
        store, item, uid = publish(Path(name))
        server = PrivatePostgres(Path(name) / "postgres")
        server.start()
        try:
            database = Database(server.url)
            database.migrate()
            with database.transaction() as session:
                mosaic = Request(
                    id=uuid.uuid4(),
                    namespace="default",
                    name="bench",
                    owner_id=named_user(session, "me", "admin").id,
                    spec={},
                    status={},
                    phase="Succeeded",
                    uid=uid,
                    item=item,
                )
                session.add(mosaic)
            with serving(server.url, store) as (address, process):
                requests = f"{address}/api/v1/requests/{mosaic.id}"
                bounds = [float(edge) for edge in item["bbox"]]
                for count in (1, 10):
                    asyncio.run(load(f"{count} reader(s) without a pause", requests, process, bounds, count, 0))
                asyncio.run(
                    load(f"{readers} readers who look at the map", requests, process, bounds, readers, LOOKING_SECONDS)
                )
                asyncio.run(load(f"{readers} readers without a pause", requests, process, bounds, readers, 0))
            database.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
