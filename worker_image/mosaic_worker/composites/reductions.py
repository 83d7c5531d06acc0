"""Methods that reduce all valid values of a pixel to one: mean, min, max, median, percentile."""

from functools import partial

import bottleneck
import numpy as np
from mosaic_crds.composite import Composite

from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.composites.reducer import Counts, Floats, Layer, Reducer
from mosaic_worker.composites.stack import StatisticStack


class _Mean(Reducer):
    """Sums in float64, in the order of the scenes."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], *_: int) -> None:
        super().__init__(shape, composite.enough)
        self._sum = np.zeros(shape, np.float64)

    def _take(self, layer: Layer) -> None:
        np.add(self._sum, layer.values, out=self._sum, where=layer.valid)

    def _values(self) -> Floats:
        with np.errstate(invalid="ignore"):
            return (self._sum / self.count).astype(np.float32)


class _Extreme(Reducer):
    def __init__(self, composite: Composite, shape: tuple[int, int, int], extreme: np.ufunc) -> None:
        super().__init__(shape, composite.enough)
        self._found = np.full(shape, np.nan, np.float32)
        self._extreme = extreme

    def _take(self, layer: Layer) -> None:
        self._extreme(self._found, layer.values, out=self._found, where=layer.valid)

    def _values(self) -> Floats:
        return self._found


def mean_of(layers: Floats, count: Counts) -> Floats:
    """The mean of layers, with the same operations as `_Mean`; arguments as in `Statistic`."""
    total = np.zeros(layers.shape[1:], np.float64)
    for layer in layers:
        np.add(total, layer, out=total, where=~np.isnan(layer))
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)


def median_of(layers: Floats, _: Counts) -> Floats:
    """The median of layers; arguments as in `Statistic`."""
    if len(layers) == 1:
        only: Floats = layers[0]
        return only
    median: Floats = bottleneck.nanmedian(layers, axis=0)
    too_large = np.isinf(median)
    if too_large.any():  # the sum of the two middle values overflows, but not their mean
        median[too_large] = np.nanmedian(layers[:, too_large].astype(np.float64), axis=0)
    return median


def nan_percentile(layers: Floats, count: Counts, percentile: float) -> Floats:
    """A percentile along the first axis without NaN, with linear interpolation like numpy.

    Args:
        layers: float32 (scenes, bands, height, width); sorted in place.
        count: (height, width), the number of valid layers, which are the same in all bands.
        percentile: 0 to 100.
    """
    if len(layers) == 1:  # also of an infinite value
        only: Floats = layers[0]
        return only
    layers.sort(axis=0)  # NaN last
    rank = np.maximum(count.astype(np.float64) - 1, 0) * (percentile / 100)
    below = np.floor(rank).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count.astype(np.intp) - 1, 0))
    lower = np.take_along_axis(layers, np.broadcast_to(below, (1, *layers.shape[1:])), 0)[0].astype(np.float64)
    upper = np.take_along_axis(layers, np.broadcast_to(above, (1, *layers.shape[1:])), 0)[0].astype(np.float64)
    found: Floats = (lower + (upper - lower) * (rank - below)).astype(np.float32)
    return found


def _mean(composite: Composite, shape: tuple[int, int, int], scenes: int, _: int) -> Reducer:
    return StatisticStack(composite, shape, scenes, mean_of) if composite.chosen else _Mean(composite, shape)


def _extreme(extreme: np.ufunc, composite: Composite, shape: tuple[int, int, int], scenes: int, _: int) -> Reducer:
    if composite.chosen:
        return StatisticStack(composite, shape, scenes, lambda layers, _: extreme.reduce(layers, axis=0))
    return _Extreme(composite, shape, extreme)


def _percentile(composite: Composite, shape: tuple[int, int, int], scenes: int, _: int) -> Reducer:
    percent = 50.0 if composite.percentile is None else composite.percentile
    if percent == 50:
        return StatisticStack(composite, shape, scenes, median_of)
    return StatisticStack(composite, shape, scenes, lambda layers, count: nan_percentile(layers, count, percent))


MEAN = CompositeMethod("mean", _mean)
MEDIAN = CompositeMethod("median", _percentile, keeps_all_scenes=True)
MIN = CompositeMethod("min", partial(_extreme, np.fmin))
MAX = CompositeMethod("max", partial(_extreme, np.fmax))
PERCENTILE = CompositeMethod("percentile", _percentile, keeps_all_scenes=True)
