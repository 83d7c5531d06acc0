"""The base of reducers that keep all scenes, and compute the values of a pixel at the end."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from mosaic_crds.composite import Composite

from mosaic_worker.composites.nearest import NUMBERS_AT_ONCE, nearest
from mosaic_worker.composites.observations import Observations
from mosaic_worker.composites.reducer import Counts, Floats, Layer, Reducer

Statistic = Callable[[Floats, Counts], Floats]
"""The values (bands, height, width) of layers (scenes, bands, height, width), NaN where a scene is not valid, and the
number of valid ones (height, width). It may change the layers."""


class Stack(Reducer):
    """Keeps all scenes. With `composite.chosen`, it names the scene that is nearest to the values."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], scenes: int) -> None:
        super().__init__(shape, composite.enough)
        self._shape, self._names_scenes = shape, composite.chosen
        self._kept = Observations(shape, scenes)
        self._numbers = np.zeros((scenes, *(shape[1:] if composite.enough else (1, 1))), np.uint16)

    def _take(self, layer: Layer) -> None:
        for place, where in self.places(layer.valid):
            self._kept.put(place, layer.values, where)
            if self._names_scenes:
                np.copyto(self._numbers[place], layer.number, where=where if self._enough else True)

    def _values(self) -> Floats:
        layers = self._kept.layers
        if len(layers) == 0:
            return np.full(self._shape, np.nan, np.float32)
        if not self._names_scenes:
            return self._reduced(layers, slice(None))
        found, numbers = np.empty(self._shape, np.float32), self._numbers[: len(layers)]
        _, bands, height, width = layers.shape
        step = max(1, NUMBERS_AT_ONCE // (bands * width))
        for rows in (slice(top, top + step) for top in range(0, height, step)):
            part = layers[:, :, rows]
            found[:, rows] = self._reduced(part.copy(), rows)
            place = nearest(part, found[:, rows])[np.newaxis]
            here = numbers[:, rows] if numbers.shape[1] > 1 else numbers
            self.chosen[rows] = np.take_along_axis(np.broadcast_to(here, (len(here), *place.shape[1:])), place, 0)[0]
        self.chosen[self.count == 0] = 0
        return found

    @abstractmethod
    def _reduced(self, layers: Floats, rows: slice) -> Floats:
        """The values (bands, height, width) of some rows of the layers, which it may change."""


class StatisticStack(Stack):
    """A stack with a statistic of each band."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], scenes: int, statistic: Statistic) -> None:
        super().__init__(composite, shape, scenes)
        self._statistic = statistic

    def _reduced(self, layers: Floats, rows: slice) -> Floats:
        return self._statistic(layers, self.count[rows])
