"""Only reading: decode the bands of a scene, each in its own process, and discard them."""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import rasterio


def read(path: str) -> int:
    with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(path) as dataset:
        return dataset.read(1).size


if __name__ == "__main__":
    with ProcessPoolExecutor(len(sys.argv) - 1, get_context("fork")) as processes:
        sum(processes.map(read, sys.argv[1:]))
