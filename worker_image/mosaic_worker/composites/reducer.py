"""What all reducers share: they take the scenes of a tile one by one, and then give one value per pixel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Counts = NDArray[np.uint16]


@dataclass(frozen=True)
class Reduced:
    """The outcome of a reducer.

    Attributes:
        values: float32 (bands, height, width), NaN where no scene is valid.
        count: uint16 (height, width), how many scenes are valid.
        chosen: uint16 (height, width), the 1-based number of the scene that the pixel comes from; 0 where there is
            none, and for methods that do not take pixels from one scene.
    """

    values: Floats
    count: Counts
    chosen: Counts


@dataclass(frozen=True)
class Layer:
    """A scene on its way into a reducer.

    Attributes:
        number: of the scene, from 1.
        values: float32 (bands, height, width).
        compared: what the method compares scenes by, float32 (bands, height, width).
        valid: (height, width), where none of these is NaN.
    """

    number: int
    values: Floats
    compared: Floats
    valid: NDArray[np.bool_]


class Reducer(ABC):
    """Takes scenes one by one. A pixel of a scene is valid when none of its bands is NaN."""

    _keeps_first = False
    """Whether a pixel that has a value never changes again."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.count = np.zeros(shape[1:], np.uint16)
        self.chosen = np.zeros(shape[1:], np.uint16)

    def is_complete(self, wanted: NDArray[np.bool_] | None = None, part: tuple[slice, ...] = ()) -> bool:
        """Whether no further scene can change the outcome.

        Args:
            wanted: the pixels that matter, (height, width); all if None.
            part: the rows and columns that matter; all if empty.
        """
        if not self._keeps_first:
            return False
        open_pixels = self.chosen[part] == 0
        return not (open_pixels if wanted is None else open_pixels & wanted[part]).any()

    def add(self, number: int, values: Floats, compared: Floats | None = None) -> None:
        """Take a scene.

        Args:
            number: of the scene, from 1.
            values: (bands, height, width), NaN where there is no data.
            compared: what the method compares scenes by, (bands, height, width); the values themselves if None.
        """
        valid = np.logical_and.reduce(~np.isnan(values), axis=0)
        if compared is not None:
            valid &= np.logical_and.reduce(~np.isnan(compared), axis=0)
        taken = self._take(Layer(number, values, values if compared is None else compared, valid))
        if taken is not None:
            self.chosen[taken] = number
        self.count += valid

    def result(self) -> Reduced:
        """The outcome of the scenes so far."""
        return Reduced(self._values(), self.count, self.chosen)

    @abstractmethod
    def _take(self, layer: Layer) -> NDArray[np.bool_] | None:
        """Take a scene. Return the pixels that now come from it, if the method knows them already."""

    @abstractmethod
    def _values(self) -> Floats:
        """The values so far, (bands, height, width)."""
