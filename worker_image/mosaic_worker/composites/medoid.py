"""The method medoid: each pixel from the scene whose bands are nearest to those of all others.

Flood, N. (2013): Seasonal composite Landsat TM/ETM+ images using the medoid (a multi-dimensional median). Remote
Sensing 5(12), 6481-6500.
"""

from functools import reduce

import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.composites.method import CompositeMethod, age
from mosaic_worker.composites.observations import Observations
from mosaic_worker.composites.reducer import Floats, Layer, Reducer

FARTHEST = float(np.finfo(np.float32).max)
"""Stands for an infinite distance, so that sums stay finite."""
CHUNK = 2**17
"""Numbers of a scene that are compared in one step, so that working arrays stay in the cache of a core."""


class _Medoid(Reducer):
    """Keeps all observations, and the layers that they are compared by, if these are not the values."""

    def __init__(self, composite: Composite, shape: tuple[int, int, int], scenes: int, compared: int) -> None:
        super().__init__(shape, composite.enough)
        self._shape = shape
        self._kept = Observations(shape, scenes)
        self._compared = Observations((compared, *shape[1:]), scenes) if compared else self._kept
        self._numbers = np.zeros((scenes, *(shape[1:] if composite.enough else (1, 1))), np.uint16)

    def _take(self, layer: Layer) -> None:
        for place, where in self.places(layer.valid):
            self._kept.put(place, layer.values, where)
            if self._compared is not self._kept:
                self._compared.put(place, layer.compared, where)
            np.copyto(self._numbers[place], layer.number, where=where if self._enough else True)

    def _values(self) -> Floats:
        layers = self._kept.layers
        if len(layers) == 0:
            return np.full(self._shape, np.nan, np.float32)
        nearest = medoid(self._compared.layers)[np.newaxis]
        self.chosen = np.where(self.count > 0, np.take_along_axis(self._numbers, nearest, 0)[0], np.uint16(0))
        found: Floats = np.take_along_axis(layers, nearest[np.newaxis], 0)[0]
        return found


def medoid(layers: Floats) -> NDArray[np.intp]:
    """For each pixel the scene with the smallest sum of Euclidean distances to all others.

    Distances and sums are computed in float64, in the order of the bands and of the scenes. So the result of a pixel
    does not depend on the other pixels, and scenes with equal bands have equal sums. Other sums that are equal in exact
    arithmetic may differ in their last digit; then the smallest computed sum counts.

    Args:
        layers: float32 (scenes, bands, height, width); scenes with NaN in any band of a pixel do not count there.

    Returns:
        Positions along the first axis, (height, width); the first of equal computed sums, 0 if no scene counts.
    """
    _, bands, height, width = layers.shape
    rows = max(1, CHUNK // (bands * width))
    return np.concatenate([_medoid(layers[:, :, top : top + rows]) for top in range(0, height, rows)])


def _medoid(layers: Floats) -> NDArray[np.intp]:
    scenes = len(layers)
    sums = np.zeros((scenes, *layers.shape[2:]))
    sums[np.isnan(layers).any(axis=1)] = np.inf
    for one in range(scenes):
        for other in range(one + 1, scenes):
            with np.errstate(invalid="ignore"):
                apart = np.subtract(layers[one], layers[other], dtype=np.float64)
            distance = np.sqrt(reduce(np.add, np.square(apart, out=apart)))  # sum() has another order for one pixel
            np.nan_to_num(distance, copy=False, nan=0.0, posinf=FARTHEST)  # no data in one of them
            sums[one] += distance
            sums[other] += distance
    nearest: NDArray[np.intp] = sums.argmin(axis=0)
    return nearest


MEDOID = CompositeMethod(
    "medoid",
    _Medoid,
    sort_key=lambda scene: (age(scene),),  # for equal sums the newest
    keeps_all_scenes=True,
    compares_scenes=True,
    compared_layers=lambda of, bands: len(bands) if of == "product" else 0,
    compared=lambda of, bands, values: np.stack([values[name] for name in bands]) if of == "product" else None,
)
