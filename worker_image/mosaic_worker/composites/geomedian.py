"""The method geomedian: the point with the smallest sum of distances to the bands of all observations.

Roberts, D., Mueller, N., McIntyre, A. (2017): High-dimensional pixel composites from Earth observation time series.
IEEE Transactions on Geoscience and Remote Sensing 55(11), 6254-6264. The deviations: Roberts, D., Dunn, B., Mueller,
N. (2018): Open Data Cube products using high-dimensional statistics of time series. IGARSS 2018, 8647-8650.
"""

from collections.abc import Iterator

import bottleneck
import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.composites.reducer import Floats
from mosaic_worker.composites.stack import Stack
from mosaic_worker.composites.weiszfeld import Doubles, Flags, geometric_median

NUMBERS_AT_ONCE = 2**17
"""Numbers of all scenes that are computed together, so that working arrays stay in the cache of a core."""
LEAST_PIXELS = 64
DEVIATIONS = ("emad", "smad", "bcmad")
"""The names of the bands of `deviations`, as in Digital Earth Australia's GeoMAD."""
SECONDS = 0.35
"""Core-seconds for a million values: measured 0.3 for 6 bands and 0.55 for 16."""


class _GeometricMedian(Stack):
    """Keeps all scenes; the deviations are computed together with the values."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], scenes: int, _: int) -> None:
        super().__init__(composite, shape, scenes)
        if composite.deviations:
            self.deviations = np.full((len(DEVIATIONS), *shape[1:]), np.nan, np.float32)

    def _reduced(self, layers: Floats, rows: slice) -> Floats:
        _, bands, height, width = layers.shape
        found = np.full((bands, height * width), np.nan, np.float32)
        spread = np.full((len(DEVIATIONS), height * width), np.nan, np.float32)
        for pixels, points, valid in _blocks(layers):  # of one band, the median is the middle of the two middle values
            median = geometric_median(points, valid) if bands > 1 else _median(points)
            found[:, pixels] = median
            if len(self.deviations):
                spread[:, pixels] = deviations(points, valid, median)
        if len(self.deviations):
            self.deviations[:, rows] = spread.reshape(-1, height, width)
        return found.reshape(bands, height, width)


def _blocks(layers: Floats) -> Iterator[tuple[slice, Doubles, Flags]]:
    """The pixels of layers in groups: their places, float64 (scenes, bands, pixels), and where scenes are valid."""
    scenes, bands, height, width = layers.shape
    flat = layers.reshape(scenes, bands, height * width)
    step = max(LEAST_PIXELS, NUMBERS_AT_ONCE // (scenes * bands))
    for start in range(0, height * width, step):
        pixels = slice(start, start + step)
        points = flat[:, :, pixels].astype(np.float64)
        yield pixels, points, ~np.isnan(points[:, 0])


def deviations(points: Doubles, valid: Flags, median: Doubles) -> Doubles:
    """The median absolute deviations of observations from their geometric median.

    Args:
        points: (observations, bands, pixels).
        valid: (observations, pixels).
        median: (bands, pixels).

    Returns:
        (3, pixels): the medians of the Euclidean distance, of the cosine distance (1 - cosine of the angle) and of the
        Bray-Curtis distance (the sum of |x - m| divided by that of |x + m|). NaN without an observation. An observation
        whose cosine or Bray-Curtis distance is 0/0 does not count for it.
    """
    points = np.where(valid[:, np.newaxis], points, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        directions = points / _length(points) - median / _length(median[np.newaxis])
        distances = (
            _length(points - median)[:, 0],
            _squares(directions)[:, 0] / 2,  # exact for small angles
            _sum(np.abs(points - median))[:, 0] / _sum(np.abs(points + median))[:, 0],
        )
        return np.stack([_median(each) for each in distances])


def _median(numbers: Doubles) -> Doubles:
    """The median along the first axis of the finite numbers."""
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    found: Doubles = bottleneck.nanmedian(numbers, axis=0)
    return found


def _sum(vectors: Doubles) -> NDArray[np.float64]:
    """The sums of (observations, bands, pixels) over bands, in their order: (observations, 1, pixels)."""
    total = vectors[:, :1].copy()
    for band in range(1, vectors.shape[1]):
        total += vectors[:, band : band + 1]
    return total


def _squares(vectors: Doubles) -> Doubles:
    return _sum(np.square(vectors))


def _length(vectors: Doubles) -> Doubles:
    return np.sqrt(_squares(vectors))


GEOMEDIAN = CompositeMethod(
    "geomedian", _GeometricMedian, keeps_all_scenes=True, compares_scenes=True, seconds_per_million=SECONDS
)
