"""The base of reducers: they get the scenes of a tile one by one, and return one value per pixel."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Counts = NDArray[np.uint16]


@dataclass(frozen=True)
class Reduced:
    """The result of a reducer.

    Attributes:
        values: float32 (bands, height, width), NaN if no scene is valid.
        count: uint16 (height, width), the number of valid scenes that were used.
        chosen: uint16 (height, width), the 1-based number of the scene of the pixel; 0 for none. For methods that do
            not take pixels from one scene, that of the nearest one if the request wants it, else 0.
        deviations: float32 (0 or 3, height, width), those of the geometric median, if the request wants them.
    """

    values: Floats
    count: Counts
    chosen: Counts
    deviations: Floats | tuple[()] = ()


@dataclass(frozen=True)
class Layer:
    """A scene for a reducer.

    Attributes:
        number: its number, from 1.
        values: float32 (bands, height, width).
        compared: the layers to compare, float32 (bands, height, width).
        valid: (height, width), where none of these is NaN, and the pixel uses the scene.
    """

    number: int
    values: Floats
    compared: Floats
    valid: NDArray[np.bool_]


class Reducer(ABC):
    """Reduces scenes that are added one by one. A pixel of a scene is valid if none of its bands is NaN.

    Args:
        shape: (bands, height, width) of a scene.
        enough: each pixel uses only so many valid observations, the first ones; all if None.
    """

    def __init__(self, shape: tuple[int, int, int], enough: int | None = None) -> None:
        self.count = np.zeros(shape[1:], np.uint16)
        self.chosen = np.zeros(shape[1:], np.uint16)
        self._enough = enough
        self._added = 0
        self.deviations = np.zeros((0, *shape[1:]), np.float32)

    def open_pixels(self, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
        """The pixels that further scenes can change, (height, width); all if None.

        Args:
            wanted: the pixels that matter, (height, width); all if None.
        """
        if self._enough is None:
            return wanted
        unfilled: NDArray[np.bool_] = self.count < self._enough
        return unfilled if wanted is None else unfilled & wanted

    def add(self, number: int, values: Floats, compared: Floats | None = None) -> None:
        """Add a scene; arguments as in `Layer`, `compared` by default the values."""
        valid = np.logical_and.reduce(~np.isnan(values), axis=0)
        if compared is not None:
            valid &= np.logical_and.reduce(~np.isnan(compared), axis=0)
        if self._enough is not None:
            valid &= self.count < self._enough
        taken = self._take(Layer(number, values, values if compared is None else compared, valid))
        if taken is not None:
            self.chosen[taken] = number
        self.count += valid
        self._added += 1

    def places(self, valid: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Where to keep a scene in a stack of layers: layers, and for each the pixels, (height, width).

        A layer for each scene; if only some observations are used, the first unused layer of each pixel, so that there
        are at most so many.
        """
        if self._enough is None:
            yield self._added, valid
        else:
            for place in np.flatnonzero(np.bincount(self.count[valid])):
                yield int(place), valid & (self.count == place)

    def result(self) -> Reduced:
        """The result of the scenes so far."""
        return Reduced(self._values(), self.count, self.chosen, self.deviations)

    @abstractmethod
    def _take(self, layer: Layer) -> NDArray[np.bool_] | None:
        """Add a scene. Return the pixels that now come from it, if they are known already."""

    @abstractmethod
    def _values(self) -> Floats:
        """The values so far, (bands, height, width)."""
