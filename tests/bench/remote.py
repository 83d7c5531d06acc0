"""Requests, bytes and time for reading tiles from a server with 50 ms latency: our reader and GDAL's /vsicurl.

PYTHONPATH=tests .venv/bin/python -m bench.remote FILE WIDTH HEIGHT
"""

import itertools
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import rasterio
import rasterio.windows
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_window

from support.servers.range_server import RequestLog, serving

SIDE = 2048
DELAY = 0.05
GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "65536",
    "GDAL_NUM_THREADS": "1",
    "VSI_CACHE": "TRUE",
    "CPL_VSIL_CURL_CACHE_SIZE": str(64 * 2**20),
}


def windows(width: int, height: int) -> list[Window]:
    """The windows of tiles, row by row."""
    return [
        Window(left, top, min(left + SIDE, width), min(top + SIDE, height))
        for top in range(0, height, SIDE)
        for left in range(0, width, SIDE)
    ]


def ours(url: str, tiles: list[Window]) -> int:
    """Read tiles as a worker does, and return a checksum."""
    with closing(OpenSources(own_machine(Path()))) as sources:
        return sum(int(read_window(sources.get(url, "x"), 1, tile, "x").sum()) for tile in tiles)


def gdals(url: str, tiles: list[Window]) -> int:
    """Read tiles by /vsicurl, and return a checksum."""
    with rasterio.Env(**GDAL), rasterio.open(f"/vsicurl/{url}") as dataset:
        return sum(
            int(
                dataset.read(
                    1,
                    window=rasterio.windows.Window(tile.left, tile.top, tile.right - tile.left, tile.bottom - tile.top),
                ).sum()
            )
            for tile in tiles
        )


def timed(reader: Callable[[str, list[Window]], int], url: str, tiles: list[Window]) -> tuple[int, float]:
    """The result of a reader, and its duration in seconds. Without a URL, it only imports."""
    started = time.perf_counter()
    return reader(url, tiles) if url else 0, time.perf_counter() - started


def main(path: Path, width: int, height: int) -> None:
    """Print a line for each reader."""
    tiles = windows(width, height)
    for number, reader in itertools.product(range(3), (ours, gdals)):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            process.submit(timed, reader, "", []).result()
            log = RequestLog()
            with serving(path.parent, log, DELAY) as address:
                total, seconds = process.submit(timed, reader, f"http://{address}/{path.name}", tiles).result()
            print(
                f"{number} {reader.__name__:6} {seconds:6.2f} s {len(log.requests) / len(tiles):7.1f} requests, "
                f"{log.bytes / len(tiles) / 2**20:7.2f} MiB, sum {total}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
