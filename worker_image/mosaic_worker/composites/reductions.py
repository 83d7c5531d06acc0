"""Methods that reduce all valid values of a pixel to one: mean, min, max, median, percentile."""

import bottleneck
import numpy as np
from mosaic_crds.composite import Composite

from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.composites.observations import Observations
from mosaic_worker.composites.reducer import Counts, Floats, Layer, Reducer


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


class _Stack(Reducer):
    """Keeps all observations; without a percentile in the request, for the median."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], scenes: int, _: int) -> None:
        super().__init__(shape, composite.enough)
        self._shape = shape
        self._percentile = 50.0 if composite.percentile is None else composite.percentile
        self._kept = Observations(shape, scenes)

    def _take(self, layer: Layer) -> None:
        for place, where in self.places(layer.valid):
            self._kept.put(place, layer.values, where)

    def _values(self) -> Floats:
        layers = self._kept.layers
        if len(layers) == 0:
            return np.full(self._shape, np.nan, np.float32)
        if len(layers) == 1:  # any percentile of one value is that value
            only: Floats = layers[0]
            return only
        if self._percentile == 50:
            median: Floats = bottleneck.nanmedian(layers, axis=0)
            too_large = np.isinf(median)
            if too_large.any():  # the sum of the two middle values overflows, but not their mean
                median[too_large] = np.nanmedian(layers[:, too_large].astype(np.float64), axis=0)
            return median
        return nan_percentile(layers, self.count, self._percentile)


def nan_percentile(layers: Floats, count: Counts, percentile: float) -> Floats:
    """A percentile along the first axis without NaN, with linear interpolation like numpy.

    Args:
        layers: float32 (scenes, bands, height, width); sorted in place.
        count: (height, width), the number of valid layers, which are the same in all bands.
        percentile: 0 to 100.
    """
    layers.sort(axis=0)  # NaN last
    rank = np.maximum(count.astype(np.float64) - 1, 0) * (percentile / 100)
    below = np.floor(rank).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count.astype(np.intp) - 1, 0))
    lower = np.take_along_axis(layers, np.broadcast_to(below, (1, *layers.shape[1:])), 0)[0].astype(np.float64)
    upper = np.take_along_axis(layers, np.broadcast_to(above, (1, *layers.shape[1:])), 0)[0].astype(np.float64)
    found: Floats = (lower + (upper - lower) * (rank - below)).astype(np.float32)
    return found


MEAN = CompositeMethod("mean", _Mean)
MEDIAN = CompositeMethod("median", _Stack, keeps_all_scenes=True)
MIN = CompositeMethod("min", lambda composite, shape, *_: _Extreme(composite, shape, np.fmin))
MAX = CompositeMethod("max", lambda composite, shape, *_: _Extreme(composite, shape, np.fmax))
PERCENTILE = CompositeMethod("percentile", _Stack, keeps_all_scenes=True)
