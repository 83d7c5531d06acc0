"""Numbers brought from one grid onto another by GDAL's warper."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_crs
from mosaic_worker.geometry.projection import crs_of, projecting, world_of
from mosaic_worker.geometry.sampling import COARSER, RESAMPLING, Kernel

Number = TypeVar("Number", np.float32, np.uint8)
TOLERANCE = 1e-3
"""Pixels by which GDAL's warper may approximate a place between two exact ones."""


def warp(
    numbers: NDArray[Number], source: Grid, grid: Grid, kernel: Kernel, coarser: tuple[float, float], absent: float
) -> NDArray[Number]:
    """Bring numbers from one grid onto another with GDAL's warper.

    The outcome depends on the two grids alone: the reach of the kernel is fixed by `coarser`, where GDAL would take it
    from the size of the windows. WarpedVRT and not rasterio.warp.reproject, whose places are off by up to an eighth
    of a pixel with nothing to be done about it (rasterio 1.4).

    Args:
        numbers: (height, width) on the source grid.
        source: where they lie.
        grid: where they are wanted.
        kernel: how to resample.
        coarser: how many source pixels, across and down, a pixel of the grid is wide.
        absent: the number that means "no data", in both.
    """
    scales = zip(("XSCALE", "YSCALE"), coarser, strict=True)  # in GDAL's words: grid pixels per source pixel
    reach = {name: 1 / ratio if ratio > COARSER else 1.0 for name, ratio in scales}
    world = world_of(source.crs)
    left, _, right, _ = source.bounds
    beyond = world is not None and source.crs != grid.crs and (left < world[0] or right > world[1])
    with projecting(source.crs, grid.crs), MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=source.width,
            height=source.height,
            count=1,
            dtype=numbers.dtype,
            crs=crs_of(source.crs),
            transform=source.transform,
            nodata=absent,
        ) as dataset:
            dataset.write(numbers, 1)
        with (
            memory.open() as dataset,
            WarpedVRT(
                dataset,
                src_crs=continuous_crs(source.crs, (left + right) / 2) if beyond else None,
                crs=crs_of(grid.crs),
                transform=grid.transform,
                width=grid.width,
                height=grid.height,
                resampling=RESAMPLING[kernel],
                tolerance=TOLERANCE,
                **reach,
            ) as warped,
        ):
            found: NDArray[Number] = warped.read(1)
    return found
