"""Tiles under load: `make bench-tiles` starts the application as `mosaic serve` does, and prints p50, p95 and errors.

Two loads, each of many readers at once on 127.0.0.1: readers who look at the map (a screenful of tiles by six
connections, then some seconds of looking, as people do), and readers who never pause, which measures how many tiles a
second the process gives.
"""

import argparse
import asyncio
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from mosaic_api.database import Database, Mosaic
from mosaic_api.identity import named_user
from mosaic_api.private_postgres import PrivatePostgres
from mosaic_worker.run import run
from mosaic_worker.sources.gate import own_machine
from pipeline import files, request_of
from rasters import write_raster

SIDE = 5490
ZOOMS = (10, 11, 12, 13, 14)
SCREEN = 4
"""Tiles across and down."""
CONNECTIONS = 6
"""Of a browser to one host."""
LOOKING_SECONDS = 8.0
SECONDS = 20.0
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
    """What readers saw: milliseconds of each tile, and how many were no tiles."""

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0

    def report(self, name: str, seconds: float) -> None:
        self.milliseconds.sort()
        p50 = statistics.median(self.milliseconds)
        p95 = self.milliseconds[int(0.95 * len(self.milliseconds))]
        rate = len(self.milliseconds) / seconds
        print(f"{name:44} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  {rate:6.0f} tiles/s  {self.errors} errors")


def publish(folder: Path) -> tuple[Path, dict[str, object], str]:
    """The NDSI of two bands of Sentinel-2's size; the store, the Item and the uid."""
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
def serving(database: str, store: Path) -> Iterator[str]:
    """The application in a process of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
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
        yield address
    finally:
        process.terminate()
        process.wait()


def screens(bounds: list[float], rng: random.Random) -> Callable[[], list[tuple[int, int, int]]]:
    """Gives the tiles of a screen somewhere over bounds."""
    west, south, east, north = bounds

    def screen() -> list[tuple[int, int, int]]:
        z = rng.choice(ZOOMS)
        lon, lat = rng.uniform(west, east), rng.uniform(south, north)
        x = int((lon + 180) / 360 * 2**z)
        y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z)
        first = -(SCREEN // 2)
        return [
            (z, x + across, y + down)
            for across in range(first, first + SCREEN)
            for down in range(first, first + SCREEN)
        ]

    return screen


async def read(address: str, bounds: list[float], tally: Tally, until: float, seed: int, pause: float) -> None:
    """One reader."""
    rng = random.Random(seed)
    screen = screens(bounds, rng)
    limits = httpx.Limits(max_connections=CONNECTIONS if pause else 1)
    async with httpx.AsyncClient(limits=limits, timeout=WAIT_SECONDS) as client:

        async def fetch(tile: tuple[int, int, int], free: asyncio.Semaphore) -> None:
            async with free:
                began = time.perf_counter()
                answer = await client.get(f"{address}/tiles/{tile[0]}/{tile[1]}/{tile[2]}.png")
                tally.milliseconds.append(1000 * (time.perf_counter() - began))
                tally.errors += answer.status_code != 200 or not answer.content.startswith(b"\x89PNG")

        await asyncio.sleep(rng.uniform(0, pause))
        while time.monotonic() < until:
            free = asyncio.Semaphore(CONNECTIONS if pause else 1)
            await asyncio.gather(*(fetch(tile, free) for tile in screen()))
            await asyncio.sleep(rng.uniform(0.5, 1.5) * pause)


async def load(name: str, address: str, bounds: list[float], readers: int, pause: float) -> None:
    tally, began = Tally(), time.monotonic()
    await asyncio.gather(*(read(address, bounds, tally, began + SECONDS, seed, pause) for seed in range(readers)))
    tally.report(name, time.monotonic() - began)


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
                mosaic = Mosaic(
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
            with serving(server.url, store) as address:
                requests = f"{address}/api/v1/requests/{mosaic.id}"
                bounds = [float(edge) for edge in item["bbox"]]  # type: ignore[attr-defined]
                for count in (1, 10):
                    asyncio.run(load(f"{count} reader(s) without a pause", requests, bounds, count, 0))
                asyncio.run(load(f"{readers} readers who look at the map", requests, bounds, readers, LOOKING_SECONDS))
                asyncio.run(load(f"{readers} readers without a pause", requests, bounds, readers, 0))
            database.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
