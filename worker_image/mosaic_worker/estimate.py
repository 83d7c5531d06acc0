"""How much work a mosaic is: for ranges of equal work, and for what a user is told to expect."""

from collections.abc import Sequence

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, coarseness, kernel_for
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.plan import Estimate, PlannedScene
from mosaic_worker.sources.overviews import image_to_read

DECODE_SECONDS = {"jp2": 0.18, "other": 0.02}
"""Core-seconds to decode a million pixels of one band: JPEG 2000 (lossless, 16 bit) and deflated TIFF, as measured."""
PRODUCT_SECONDS = 0.08
"""Core-seconds to compute, encode and colour a million pixels of the mosaic."""
COMPRESSED = 0.8
"""Bytes of a compressed float32 mosaic, overviews included, for each byte of its pixels."""


def tile_work(tile: Tile, scenes: Sequence[PlannedScene]) -> float:
    """The work of a tile, in pixels read and written."""
    return tile.width * tile.height + sum(_overlap(tile, planned) for planned in scenes)


def estimate(grid: Grid, scenes: Sequence[PlannedScene], bands: int, asked: Kernel | None) -> Estimate:
    """What a mosaic of so many bands, resampled by the kernel that is asked for, is expected to take."""
    seconds = PRODUCT_SECONDS * grid.pixels / 1e6
    for planned in scenes:
        window = planned.window
        touched = (window.right - window.left) * (window.bottom - window.top)
        for band in planned.scene.bands.values():
            _, image = image_to_read(band, grid, kernel_for(band.header.grid, grid, asked))
            across, down = coarseness(image, grid)
            pixels = min(touched * across * down, image.pixels)
            seconds += DECODE_SECONDS["jp2" if band.href.lower().endswith(".jp2") else "other"] * pixels / 1e6
    return Estimate(core_seconds=round(seconds, 1), bytes=round(COMPRESSED * 4 * bands * grid.pixels))


def _overlap(tile: Tile, planned: PlannedScene) -> int:
    window = planned.window
    width = min(window.right, tile.x + tile.width) - max(window.left, tile.x)
    height = min(window.bottom, tile.y + tile.height) - max(window.top, tile.y)
    return max(0, width) * max(0, height)
