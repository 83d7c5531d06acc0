"""Resamples numbers from one grid to another."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from mosaic_worker.geometry import boxes, remap
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.longitudes import continuous_crs
from mosaic_worker.geometry.mesh import TOLERANCE, Positions, mesh_between, positions
from mosaic_worker.geometry.projection import crs_of, projecting, world_of
from mosaic_worker.geometry.remap import Number
from mosaic_worker.geometry.sampling import COARSER, RESAMPLING, Kernel, Window, tiles_exactly


def warp(
    numbers: NDArray[Number], source: Grid, grid: Grid, kernel: Kernel, coarser: tuple[float, float], absent: float
) -> NDArray[Number]:
    """Resample numbers from one grid to another. The result depends only on the two grids and `coarser`.

    Args:
        numbers: (height, width) on the source grid: float32, or uint8 for the kernels nearest and max.
        source: their grid.
        grid: the target grid.
        kernel: the resampling kernel.
        coarser: source pixels per target pixel, across and down.
        absent: the number that means "no data", in both: NaN for float32.

    Raises:
        RequestError: PROJ cannot project one CRS to the other.
    """
    if kernel in {"bilinear", "cubic"} and max(coarser) > COARSER:
        return _with_wide_kernel(numbers, source, grid, kernel, coarser, absent)
    if kernel == "average" and tiles_exactly(source, grid, 1):
        return _average_of_blocks(numbers, source, grid)
    if kernel == "nearest" and source.crs == grid.crs:
        return _nearest_rows_and_columns(numbers, source, grid, absent)
    if kernel == "nearest":
        return remap.nearest(numbers, _containing_pixels(grid, source), absent)
    if kernel == "max":
        return _greatest(numbers, _boxes(grid, source, same_area=False), absent)
    values = numbers.astype(np.float32, copy=False)
    if kernel == "average":
        values = boxes.average(values, _boxes(grid, source, same_area=True))
    else:
        values = {"bilinear": remap.bilinear, "cubic": remap.cubic}[kernel](values, _positions(grid, source))
    return values.astype(numbers.dtype, copy=False)


def _positions(grid: Grid, source: Grid) -> Positions:
    with projecting(source.crs, grid.crs):
        return positions(grid, source)


@lru_cache(maxsize=1)  # for the masks of an orbit
def _containing_pixels(grid: Grid, source: Grid) -> Positions:
    """The columns and rows of the pixels that contain the centres of the pixels of a grid."""
    return remap.rounded(_positions(grid, source))


@lru_cache(maxsize=2)  # for the bands and masks of an orbit
def _boxes(grid: Grid, source: Grid, *, same_area: bool) -> boxes.BoxesInImage:
    """The boxes of the pixels of a grid in the source."""
    world = world_of(source.crs)
    turn = None if world is None else (world[1] - world[0]) / source.xres
    return boxes.boxes_in_image(_positions(grid.corners, source), source.shape, turn, same_area=same_area)


def _greatest(numbers: NDArray[Number], around: boxes.BoxesInImage, absent: float) -> NDArray[Number]:
    """The greatest number that each box touches, from 0 to 255; `absent` if there is none."""
    found = np.full(around.shape, absent, numbers.dtype)
    present = np.zeros(256, np.bool_)
    present[numbers.astype(np.uint8, copy=False)] = True
    for number in np.flatnonzero(present):
        if number != absent:
            flagged = boxes.any_inside(numbers == number, around)
            np.copyto(found, numbers.dtype.type(number), where=flagged)
    return found


def _average_of_blocks(values: NDArray[Number], source: Grid, grid: Grid) -> NDArray[Number]:
    """The means on a grid whose pixels are blocks of whole pixels of the source; NaN outside it."""
    across, down = round(grid.xres / source.xres), round(grid.yres / source.yres)
    column, row = round((grid.left - source.left) / source.xres), round((source.top - grid.top) / source.yres)
    width, height = grid.width * across, grid.height * down
    here = Window(column, row, column + width, row + height).clipped(source.width, source.height)
    needed = values[here.top : here.bottom, here.left : here.right].astype(np.float32, copy=False)
    if needed.shape != (height, width):
        whole = np.full((height, width), np.nan, np.float32)
        whole[here.top - row : here.bottom - row, here.left - column : here.right - column] = needed
        needed = whole
    return boxes.average_of_blocks(needed, across, down).astype(values.dtype, copy=False)


def _nearest_rows_and_columns(numbers: NDArray[Number], source: Grid, grid: Grid, absent: float) -> NDArray[Number]:
    """The pixels that contain the centres of the pixels of a grid in the same CRS."""
    nodes = mesh_between(grid, source).patches[0]
    columns, rows = (
        np.floor(np.linspace(ends[0], ends[1], side).astype(np.float32) + np.float32(0.5)).astype(np.intp)
        for ends, side in ((nodes.x[0], grid.width), (nodes.y[:, 0], grid.height))
    )
    inside_x, inside_y = (columns >= 0) & (columns < source.width), (rows >= 0) & (rows < source.height)
    if inside_x.all() and inside_y.all():
        return np.asarray(numbers[:, columns][rows], numbers.dtype)
    found = np.full((grid.height, grid.width), absent, numbers.dtype)
    found[np.ix_(inside_y, inside_x)] = numbers[np.ix_(rows[inside_y], columns[inside_x])]
    return found


def _with_wide_kernel(
    numbers: NDArray[Number], source: Grid, grid: Grid, kernel: Kernel, coarser: tuple[float, float], absent: float
) -> NDArray[Number]:
    """Resample with GDAL, which widens kernels for coarser grids.

    Their reach is fixed, as GDAL would derive it from windows. WarpedVRT instead of rasterio.warp.reproject, which
    cannot read beyond the antimeridian.
    """
    reach = {
        name: 1 / ratio if ratio > COARSER else 1.0  # GDAL: grid pixels per source pixel
        for name, ratio in zip(("XSCALE", "YSCALE"), coarser, strict=True)
    }
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
