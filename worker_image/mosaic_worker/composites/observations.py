"""Keeps the observations of pixels until the end, for methods that need all of them at once."""

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.composites.reducer import Floats


class Observations:
    """Layers of observations; those that are not put are NaN.

    Args:
        shape: (bands, height, width) of a layer.
        most: the maximum number of layers.
    """

    def __init__(self, shape: tuple[int, int, int], most: int) -> None:
        self._layers = np.empty((most, *shape), np.float32)
        self._begun = 0

    def put(self, place: int, values: Floats, where: NDArray[np.bool_]) -> None:
        """Put the values (bands, height, width) of some pixels (height, width) into a layer."""
        while self._begun <= place:  # memory of layers that are never begun is never touched
            self._layers[self._begun].fill(np.nan)
            self._begun += 1
        np.copyto(self._layers[place], values, where=where)

    @property
    def layers(self) -> Floats:
        """The layers so far, float32 (layers, bands, height, width)."""
        return self._layers[: self._begun]
