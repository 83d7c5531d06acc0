"""Estimates the work of a mosaic, for ranges of equal work and for users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, coarseness, kernel_for
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.plan.model import Estimate
from mosaic_worker.plan.scenes import PlannedScene
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.scenes import Detection

DECODE_SECONDS = {"jp2": 0.18, "other": 0.02}
"""Measured core-seconds to decode a million pixels of a band: JPEG 2000 (lossless, 16 bit) and deflated TIFF."""
DETECT_SECONDS = 14
"""Measured core-seconds to detect clouds in a million pixels with s2cloudless."""
PRODUCT_SECONDS, BAND_SECONDS = 0.08, 0.04
"""Core-seconds to compute, encode and render a million pixels of a mosaic of one band, and for each other band."""
COMPRESSED = 0.8
"""Size of a compressed float32 mosaic with overviews, relative to its pixels."""


CLOUDY_DEPTH = 2.0
"""Observations in addition to those that a pixel needs, until the cloudiest pixel of a block has them; measured."""


@dataclass(frozen=True)
class Reading:
    """Which scenes are probably read.

    Attributes:
        depth: scenes are read where the shares of earlier ones add up to less; everywhere if None.
        visible: the share of the pixels of each scene that is probably visible, 0 to 1.
    """

    depth: float | None
    visible: Sequence[float]


def expected_reading(scenes: Sequence[PlannedScene], grid: Grid, most: int | None) -> Reading:
    """Which scenes are probably read.

    Args:
        scenes: in order of preference.
        grid: the grid of the mosaic.
        most: the number of observations that each pixel needs; all if None.
    """
    masked = any(planned.scene.mask for planned in scenes)
    depth = None if most is None else most + (CLOUDY_DEPTH if masked else 0.0)
    return Reading(depth, [_visible(planned, grid) for planned in scenes])


def _visible(planned: PlannedScene, grid: Grid) -> float:
    """The share of the pixels of a scene that its mask probably leaves visible; 0 if nothing is known."""
    if planned.scene.mask is None:
        return 1.0
    if planned.clear is not None:
        window = planned.window
        share = (window.right - window.left) * (window.bottom - window.top) / grid.pixels
        return min(1.0, planned.clear / share)
    return 0.0 if planned.scene.cloud_cover is None else 1 - planned.scene.cloud_cover / 100


def tile_work(tile: Tile, scenes: Sequence[PlannedScene], reading: Reading) -> float:
    """The work of a tile, in pixels read and written."""
    pixels = tile.width * tile.height
    if reading.depth is None:
        return pixels + sum(planned.overlap(tile) for planned in scenes)
    read, left = 0.0, reading.depth * pixels
    for planned, visible in zip(scenes, reading.visible, strict=True):
        overlap = planned.overlap(tile)
        needed = min(overlap, left / visible) if visible else overlap
        read, left = read + needed, left - needed * visible
    return pixels + read


def product_seconds(pixels: int, bands: float) -> float:
    """Core-seconds to compute, encode and render a mosaic with so many bands of float32."""
    return (PRODUCT_SECONDS + BAND_SECONDS * max(0.0, bands - 1)) * pixels / 1e6


def composing_seconds(method: CompositeMethod, bands: int) -> float:
    """Core-seconds to compose so many bands of a million observations, if that takes longer than to read them."""
    return method.seconds_per_million * bands


def estimate(
    grid: Grid,
    sides: Sequence[Sequence[PlannedScene]],
    size: float,
    asked: Kernel | None,
    readings: Sequence[Reading],
    composing: float = 0.0,
) -> Estimate:
    """Estimate a mosaic.

    Args:
        grid: its grid.
        sides: the scenes of the mosaic, and of one that is subtracted, in order of preference.
        size: its compressed size, relative to a float32 band.
        asked: the kernel in the request, if any.
        readings: which scenes are read, of each side.
        composing: see `composing_seconds`.
    """
    seconds = len(sides) * product_seconds(grid.pixels, size)
    for scenes, reading in zip(sides, readings, strict=True):
        seconds += _seconds(grid, scenes, asked, reading, composing)
    return Estimate(core_seconds=round(seconds, 1), bytes=round(COMPRESSED * 4 * size * grid.pixels))


def _seconds(
    grid: Grid, scenes: Sequence[PlannedScene], asked: Kernel | None, reading: Reading, composing: float
) -> float:
    """The core-seconds to read and compose the scenes of a side; arguments as in `estimate`."""
    seconds = 0.0
    for planned, touched in zip(scenes, _touched(scenes, reading), strict=True):
        seconds += composing * touched / 1e6
        for band in planned.scene.bands.values():
            _, image = image_to_read(band, grid, kernel_for(band.header.grid, grid, asked))
            seconds += decode_seconds(band.href, image, grid, touched)
        mask = planned.scene.mask
        if mask is not None and (planned.clear is not None or isinstance(mask, Detection)):
            seconds += sum(decode_seconds(file.href, file.header.grid, grid, touched) for file in mask.files)
        if isinstance(mask, Detection):
            seconds += DETECT_SECONDS * _read(mask.grid, grid, touched) / 1e6
    return seconds


def decode_seconds(href: str, image: Grid, grid: Grid, touched: float) -> float:
    """Core-seconds to decode the part of an image that covers some pixels of the grid."""
    return DECODE_SECONDS["jp2" if href.lower().endswith(".jp2") else "other"] * _read(image, grid, touched) / 1e6


def _read(image: Grid, grid: Grid, touched: float) -> float:
    """The pixels of an image that cover some pixels of the grid."""
    across, down = coarseness(image, grid)
    return min(touched * across * down, image.pixels)


def _touched(scenes: Sequence[PlannedScene], reading: Reading) -> list[float]:
    """The pixels of the mosaic that are probably read of each scene."""
    windows = [planned.window for planned in scenes]
    areas = [float((window.right - window.left) * (window.bottom - window.top)) for window in windows]
    if reading.depth is None:
        return areas
    columns = np.unique([edge for window in windows for edge in (window.left, window.right)])
    rows = np.unique([edge for window in windows for edge in (window.top, window.bottom)])
    cells = np.outer(np.diff(rows), np.diff(columns)).astype(np.float64)
    seen = np.zeros(cells.shape)
    found = []
    for window, visible in zip(windows, reading.visible, strict=True):
        place = np.s_[
            np.searchsorted(rows, window.top) : np.searchsorted(rows, window.bottom),
            np.searchsorted(columns, window.left) : np.searchsorted(columns, window.right),
        ]
        found.append(float(cells[place][seen[place] < reading.depth].sum()))
        seen[place] += visible
    return found
