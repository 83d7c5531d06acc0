"""The second pass over a tile with blended edges: the scenes near an edge are read again, part by part.

The first pass keeps which scene each pixel comes from, in the tile with its halo. So memory does not depend on the
number of scenes.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.composites.reducer import Reduced
from mosaic_worker.geometry.area import inside
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.chunks import Chunk, chunk_size, touching_scenes
from mosaic_worker.pixels.feather import Floats, blended
from mosaic_worker.pixels.layers import read_layers
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.readers.open_sources import OpenSources

Flags = NDArray[np.bool_]


def part_of_tile(plan: Plan, tile: Tile, chunk: Chunk) -> tuple[slice, slice]:
    """The rows and columns of a chunk that are in the tile without its halo."""
    around = plan.around(tile)
    top, left = tile.y - around.y - chunk.rows.start, tile.x - around.x - chunk.columns.start
    rows = slice(max(0, top), max(0, min(chunk.grid.height, top + tile.height)))
    return rows, slice(max(0, left), max(0, min(chunk.grid.width, left + tile.width)))


def parts_of(plan: Plan, tile: Tile) -> list[tuple[slice, slice]]:
    """The rows and columns of the parts of a tile that are blended one after the other: its blocks."""
    return [
        (slice(top, min(top + plan.block, tile.height)), slice(left, min(left + plan.block, tile.width)))
        for top in range(0, tile.height, plan.block)
        for left in range(0, tile.width, plan.block)
    ]


def area_of_part(plan: Plan, tile: Tile, rows: slice, columns: slice) -> Flags | None:
    """Which pixels of a part of a tile are in the area, (height, width); all if None."""
    if plan.shape_of_area is None:
        return None
    width, height = columns.stop - columns.start, rows.stop - rows.start
    return inside(plan.shape_of_area, plan.grid.window(tile.x + columns.start, tile.y + rows.start, width, height))


class FeatheredTile:
    """A side of a tile, whose edges are blended after all of its chunks are composed.

    Args:
        plan: the plan.
        tile: the tile.
        sources: the open files of scenes.
    """

    def __init__(self, plan: Plan, tile: Tile, sources: OpenSources) -> None:
        self._plan, self._tile, self._sources = plan, tile, sources
        self._around = plan.around(tile)
        # as in the first pass, of all scenes of the plan, so that it does not depend on skipped ones
        self._read_columns, self._read_rows = chunk_size(plan, self._around, touching_scenes(plan, tile))
        bands, shape = len(plan.composed_bands), (tile.height, tile.width)
        self._values = np.full((bands, *shape), np.nan, np.float32)
        self._count = np.zeros(shape, np.uint16)
        self._chosen = np.zeros((self._around.height, self._around.width), np.uint16)

    def add(self, chunk: Chunk, result: Reduced, wanted: Flags | None) -> None:
        """Keep the result of a chunk; outside the area, no scene is chosen."""
        chosen = result.chosen if wanted is None else np.where(wanted, result.chosen, np.uint16(0))
        self._chosen[chunk.rows, chunk.columns] = chosen
        rows, columns = part_of_tile(self._plan, self._tile, chunk)
        top = self._around.y + chunk.rows.start + rows.start - self._tile.y
        left = self._around.x + chunk.columns.start + columns.start - self._tile.x
        values = result.values[:, rows, columns]
        height, width = values.shape[1:]
        here = slice(top, top + height), slice(left, left + width)
        self._values[:, *here] = values
        self._count[here] = result.count[rows, columns]

    def blended(self, rows: slice, columns: slice) -> Reduced:
        """The blended pixels of one of `parts_of` the tile."""
        plan, around = self._plan, self._around
        row, column = self._tile.y + rows.start, self._tile.x + columns.start
        height, width = rows.stop - rows.start, columns.stop - columns.start
        window = plan.around(Tile(0, 0, 0, row, column, width, height))
        top, left = window.y - around.y, window.x - around.x
        chosen = self._chosen[top : top + window.height, left : left + window.width]
        core = slice(row - window.y, row - window.y + height), slice(column - window.x, column - window.x + width)
        read = partial(self._read, plan.grid.window(window.x, window.y, window.width, window.height))
        values = blended(self._values[:, rows, columns], chosen, core, plan.feather, read)
        return Reduced(values, self._count[rows, columns], chosen[core])

    def _read(self, grid: Grid, number: int) -> Floats | None:
        """The composed bands of a scene on the grid of a window, NaN in all bands where the scene does not count.

        It is read in pieces of the size of chunks, because the images can have many pixels for each one of the grid.
        """
        found = np.full((len(self._values), grid.height, grid.width), np.nan, np.float32)
        for top in range(0, grid.height, self._read_rows):
            for left in range(0, grid.width, self._read_columns):
                width, height = min(self._read_columns, grid.width - left), min(self._read_rows, grid.height - top)
                layers = read_layers(self._plan, number, grid.window(left, top, width, height), self._sources)
                if layers is None:
                    continue
                valid = ~np.isnan(layers.composed).any(axis=0)
                if layers.compared is not None:
                    valid &= ~np.isnan(layers.compared).any(axis=0)
                np.copyto(found[:, top : top + height, left : left + width], layers.composed, where=valid)
        return found
