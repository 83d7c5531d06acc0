"""Divides a tile into chunks, which are computed one after the other, to limit the memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.scenes import PlannedScene

CHUNK_BYTES = 64 * 2**20
"""Memory for the working arrays of a chunk: a constant, so that tiles are the same on all machines."""
Numbered = Sequence[tuple[int, PlannedScene]]
"""Scenes with their numbers in the plan, from 1."""


@dataclass(frozen=True)
class Chunk:
    """A part of a tile.

    Attributes:
        number: its number in the tile, row by row.
        rows, columns: of the tile with its halo.
        grid: its grid.
    """

    number: int
    rows: slice
    columns: slice
    grid: Grid


def touching_scenes(plan: Plan, tile: Tile) -> Numbered:
    """The scenes that may touch a tile with its halo."""
    around = plan.around(tile)
    return [(number, planned) for number, planned in enumerate(plan.scenes, 1) if planned.touches(around)]


def chunks_of(plan: Plan, tile: Tile) -> list[Chunk]:
    """All chunks of a tile with its halo, row by row.

    They depend on all scenes of the plan, also on those that are skipped (docs/decisions, "An unreadable scene").
    """
    scenes, tile = touching_scenes(plan, tile), plan.around(tile)
    width, height = chunk_size(plan, tile, scenes)
    corners = [(top, left) for top in range(0, tile.height, height) for left in range(0, tile.width, width)]
    found = []
    for number, (top, left) in enumerate(corners):
        bottom, right = min(top + height, tile.height), min(left + width, tile.width)
        grid = plan.grid.window(tile.x + left, tile.y + top, right - left, bottom - top)
        found.append(Chunk(number, slice(top, bottom), slice(left, right), grid))
    return found


def chunk_size(plan: Plan, tile: Tile, scenes: Numbered) -> tuple[int, int]:
    """Columns and rows of a chunk: as many blocks as fit into its memory, otherwise rows of a block; at least a pixel.

    A single block if masks tell which scenes it needs, because most blocks need few.
    """
    bands, compared = len(plan.composed_bands), plan.compared_layers
    pixel: float = plan.method.bytes_per_pixel(plan.composite, bands, max(1, len(scenes)), compared)
    read = [band for _, planned in scenes for band in planned.scene.bands.values()]
    source = max((np.prod(coarseness(plan.image_of(band)[1], plan.grid)) for band in read), default=1.0)
    pixel += 4 * len(plan.input_bands) + 12 * max(1.0, float(source)) + 4 * bands * (len(plan.sides) - 1)
    block, fitting = plan.block, int(CHUNK_BYTES / pixel)
    if fitting < block * block or masks_choose(plan, scenes):
        columns = max(1, min(block, fitting))
        rows = min(block, fitting // columns)
    elif fitting < block * tile.width:
        columns, rows = fitting // block // block * block, block
    else:
        columns, rows = tile.width, fitting // tile.width // block * block
    return min(tile.width, columns), max(1, min(tile.height, rows))


def masks_choose(plan: Plan, scenes: Numbered) -> bool:
    """Whether masks tell which scenes are needed: each pixel needs only the first ones that do not mask it."""
    most = plan.most_observations
    return most is not None and len(scenes) > most and any(planned.scene.mask for _, planned in scenes)
