"""Estimates the memory of workers, for the resources of pods.

The constants are measured. What feathers and many bands need is computed from the sizes of arrays.
"""

import numpy as np

from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.geometry.tiling import FEW_BANDS, part_levels
from mosaic_worker.output.picture import LARGEST_SIDE, MOST_PAINTERS, STRIP_ROWS
from mosaic_worker.pixels.chunks import CHUNK_BYTES
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.readers.environment import CACHE_BYTES
from mosaic_worker.tiles.records import AT_ONCE, together

BASE = 130 * 2**20
"""Bytes of a worker with its libraries, before it reads pixels."""
DETECTOR = 100 * 2**20
"""Bytes of LightGBM, the model of s2cloudless, and the pixels that it works on."""
TILE_COPIES = 3
"""Copies of a tile while it is measured and compressed."""
CHUNK_COPIES = 2
"""Working memory of a chunk, relative to `CHUNK_BYTES`."""
STRIPS = 12
"""Bytes of each pixel of a strip of the picture, in all threads together."""
OVERVIEW_COPIES = 4
"""Copies of a row of blocks of the largest computed overview: parts, together, halved, stored."""
READ_AHEAD = 64 * 2**20
STRETCHED = 256 * 2**20
HISTOGRAM = 70_000
"""Bytes of the statistics of a tile and band, until they are added to those of the mosaic."""
RECORD = 4_000
"""Bytes of the record of a tile without its statistics."""


def tiles_memory(plan: Plan) -> int:
    """The estimated memory of a process that computes tiles, bytes."""
    read = 0.0
    for planned in plan.scenes:
        window = planned.window
        area = (window.right - window.left) * (window.bottom - window.top)
        for band in planned.scene.bands.values():
            image = plan.image_of(band)[1]
            across, down = coarseness(image, plan.grid)
            read += np.dtype(band.header.dtype).itemsize * min(image.pixels, area * across * down)
    pixels = min(plan.tile_side**2, plan.grid.pixels)
    layers = plan.method.bytes_per_pixel(
        plan.composite, len(plan.composed_bands), len(plan.scenes), plan.compared_layers
    )
    tile = 4 * len(plan.band_names) * pixels
    base = BASE + (DETECTOR if plan.detects_clouds else 0)
    held = TILE_COPIES * tile + _feather_memory(plan, pixels)
    return int(base + min(CACHE_BYTES, read) + held + CHUNK_COPIES * min(CHUNK_BYTES, pixels * layers))


def _feather_memory(plan: Plan, pixels: int) -> int:
    """The estimated memory for blending edges: the composed tile, and the window of a part, bytes."""
    if not plan.feather:
        return 0
    bands = len(plan.composed_bands)
    tile = (4 * bands + 4) * pixels + 2 * (plan.tile_side + 2 * plan.feather) ** 2
    part, window = plan.block**2, (plan.block + 2 * plan.feather) ** 2
    return tile + part * (20 * bands + 16) + window * (8 * bands + 24)


def finalize_memory(plan: Plan) -> int:
    """The estimated memory of the process that publishes the mosaic, bytes."""
    shown = min(plan.grid.pixels, 2 * LARGEST_SIDE**2) * len(plan.picture)
    strips = STRIPS * STRIP_ROWS * min(plan.grid.width, LARGEST_SIDE)
    parts = min(READ_AHEAD, plan.estimate.bytes)
    read = min(len(plan.tiles), AT_ONCE * together(plan))
    records = RECORD * len(plan.tiles) + HISTOGRAM * read * len(plan.band_names)
    return BASE + min(STRETCHED, shown) + strips + parts + records + _many_bands(plan)


def _many_bands(plan: Plan) -> int:
    """What finalize needs for many bands: a row of blocks of the largest computed overview, and parts to decode."""
    bands, side = len(plan.band_names), plan.tile_side
    if bands <= FEW_BANDS:
        return 0
    reduction = 1 << part_levels(plan.grid, side, plan.block)
    row = OVERVIEW_COPIES * plan.block * -(-plan.grid.width // reduction)
    decoded = MOST_PAINTERS * min(side**2, plan.grid.pixels)
    return 4 * bands * (row + decoded)
