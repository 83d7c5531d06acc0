"""The base of reducers: they get the scenes of a tile one by one, and return one value per pixel."""

from abc import ABC, abstractmethod
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
        count: uint16 (height, width), the number of valid scenes.
        chosen: uint16 (height, width), the 1-based number of the scene of the pixel; 0 for none, and for methods that
            do not take pixels from one scene.
    """

    values: Floats
    count: Counts
    chosen: Counts


@dataclass(frozen=True)
class Layer:
    """A scene for a reducer.

    Attributes:
        number: its number, from 1.
        values: float32 (bands, height, width).
        compared: the layers to compare, float32 (bands, height, width).
        valid: (height, width), where none of these is NaN.
    """

    number: int
    values: Floats
    compared: Floats
    valid: NDArray[np.bool_]


class Reducer(ABC):
    """Reduces scenes that are added one by one. A pixel of a scene is valid if none of its bands is NaN."""

    _keeps_first = False
    """Whether a pixel with a value never changes."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.count = np.zeros(shape[1:], np.uint16)
        self.chosen = np.zeros(shape[1:], np.uint16)

    def open_pixels(self, wanted: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
        """The pixels that further scenes can change, (height, width); all if None.

        Args:
            wanted: the pixels that matter, (height, width); all if None.
        """
        if not self._keeps_first:
            return wanted
        empty: NDArray[np.bool_] = self.chosen == 0
        return empty if wanted is None else empty & wanted

    def add(self, number: int, values: Floats, compared: Floats | None = None) -> None:
        """Add a scene; arguments as in `Layer`, `compared` by default the values."""
        valid = np.logical_and.reduce(~np.isnan(values), axis=0)
        if compared is not None:
            valid &= np.logical_and.reduce(~np.isnan(compared), axis=0)
        taken = self._take(Layer(number, values, values if compared is None else compared, valid))
        if taken is not None:
            self.chosen[taken] = number
        self.count += valid

    def result(self) -> Reduced:
        """The result of the scenes so far."""
        return Reduced(self._values(), self.count, self.chosen)

    @abstractmethod
    def _take(self, layer: Layer) -> NDArray[np.bool_] | None:
        """Add a scene. Return the pixels that now come from it, if they are known already."""

    @abstractmethod
    def _values(self) -> Floats:
        """The values so far, (bands, height, width)."""
