"""Resamples numbers from one grid to another with the warper of GDAL."""

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
"""Tolerance of the warper for positions that it interpolates, pixels."""


def warp(
    numbers: NDArray[Number], source: Grid, grid: Grid, kernel: Kernel, coarser: tuple[float, float], absent: float
) -> NDArray[Number]:
    """Resample numbers from one grid to another with the warper of GDAL.

    The result depends only on the two grids: `coarser` sets the reach of the kernel, which GDAL would derive from the
    windows. WarpedVRT instead of rasterio.warp.reproject, whose positions are off by up to an eighth of a pixel
    (rasterio 1.4).

    Args:
        numbers: (height, width) on the source grid.
        source: their grid.
        grid: the target grid.
        kernel: the resampling kernel.
        coarser: source pixels per target pixel, across and down.
        absent: the number that means "no data", in both.
    """
    scales = zip(("XSCALE", "YSCALE"), coarser, strict=True)  # GDAL: grid pixels per source pixel
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
