"""Composites: many scenes become one value per pixel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import bottleneck
import numpy as np
from numpy.typing import NDArray

from mosaic_worker.composites.comparing import medoid
from mosaic_worker.composites.preference import CHOOSING

Floats = NDArray[np.float32]
Counts = NDArray[np.uint16]


@dataclass(frozen=True)
class Composite:
    """The outcome.

    Attributes:
        values: float32 (bands, height, width), NaN where no scene is valid.
        count: uint16 (height, width), how many scenes are valid.
        chosen: uint16 (height, width), the 1-based number of the scene that was taken; 0 where none, or where the
            method takes no whole scene.
    """

    values: Floats
    count: Counts
    chosen: Counts


@dataclass(frozen=True)
class Layer:
    """A scene that is added to a composite.

    Attributes:
        number: the scene's, from 1.
        values: float32 (bands, height, width).
        compared: by what a method compares scenes, float32 (bands, height, width).
        valid: (height, width), where none of these is NaN.
    """

    number: int
    values: Floats
    compared: Floats
    valid: NDArray[np.bool_]


class Reducer(ABC):
    """Takes scenes one after the other. A pixel of a scene is valid when none of its bands is NaN."""

    _takes_first = False
    """Whether a pixel that has a value stays as it is."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.count = np.zeros(shape[1:], np.uint16)
        self.chosen = np.zeros(shape[1:], np.uint16)

    def is_complete(self, wanted: NDArray[np.bool_] | None = None, part: tuple[slice, ...] = ()) -> bool:
        """Whether no further scene can change the outcome.

        Args:
            wanted: of which pixels, (height, width); of all if None.
            part: rows and columns that matter; all if empty.
        """
        if not self._takes_first:
            return False
        open_pixels = self.chosen[part] == 0
        return not (open_pixels if wanted is None else open_pixels & wanted[part]).any()

    def add(self, number: int, values: Floats, compared: Floats | None = None) -> None:
        """Take a scene, by its 1-based number and its values (bands, height, width).

        Args:
            number: the scene's.
            values: NaN where there is no data.
            compared: by what medoid and greenest compare scenes, (bands, height, width); the values themselves if None.
        """
        valid = np.logical_and.reduce(~np.isnan(values), axis=0)
        if compared is not None:
            valid &= np.logical_and.reduce(~np.isnan(compared), axis=0)
        whole = self._take(Layer(number, values, values if compared is None else compared, valid))
        if whole is not None:
            self.chosen[whole] = number
        self.count += valid

    def result(self) -> Composite:
        """The outcome of the scenes taken."""
        return Composite(self._values(), self.count, self.chosen)

    @abstractmethod
    def _take(self, layer: Layer) -> NDArray[np.bool_] | None:
        """Take a scene; say where it was taken whole, if the method knows already."""

    @abstractmethod
    def _values(self) -> Floats: ...


class _First(Reducer):
    def __init__(self, shape: tuple[int, int, int], counting: bool) -> None:
        super().__init__(shape)
        self._found = np.full(shape, np.nan, np.float32)
        self._takes_first = not counting

    def _take(self, layer: Layer) -> NDArray[np.bool_]:
        fresh: NDArray[np.bool_] = layer.valid & (self.chosen == 0)
        np.copyto(self._found, layer.values, where=fresh)
        return fresh

    def _values(self) -> Floats:
        return self._found


class _Greenest(Reducer):
    """The first of the scenes with the highest NDVI, which is what is compared."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self._found = np.full(shape, np.nan, np.float32)
        self._highest = np.full(shape[1:], -np.inf, np.float32)

    def _take(self, layer: Layer) -> NDArray[np.bool_]:
        greener: NDArray[np.bool_] = layer.valid & (layer.compared[0] > self._highest)
        np.copyto(self._found, layer.values, where=greener)
        np.copyto(self._highest, layer.compared[0], where=greener)
        return greener

    def _values(self) -> Floats:
        return self._found


class _Extreme(Reducer):
    def __init__(self, shape: tuple[int, int, int], take: np.ufunc) -> None:
        super().__init__(shape)
        self._found = np.full(shape, np.nan, np.float32)
        self._extreme = take

    def _take(self, layer: Layer) -> None:
        self._extreme(self._found, layer.values, out=self._found, where=layer.valid)

    def _values(self) -> Floats:
        return self._found


class _Mean(Reducer):
    """Sums in float64, in the order of the scenes."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self._sum = np.zeros(shape, np.float64)

    def _take(self, layer: Layer) -> None:
        np.add(self._sum, layer.values, out=self._sum, where=layer.valid)

    def _values(self) -> Floats:
        with np.errstate(invalid="ignore"):
            return (self._sum / self.count).astype(np.float32)


class _Stack(Reducer):
    """Keeps all scenes; for what needs them at once."""

    def __init__(self, shape: tuple[int, int, int], scenes: int, percentile: float) -> None:
        super().__init__(shape)
        self._shape, self._percentile = shape, percentile
        self._layers = np.empty((scenes, *shape), np.float32)
        self._taken = 0

    def _take(self, layer: Layer) -> None:
        kept = self._layers[self._taken]
        kept[:] = layer.values
        kept[:, ~layer.valid] = np.nan
        self._taken += 1

    def _values(self) -> Floats:
        layers = self._layers[: self._taken]
        if self._taken == 0:
            return np.full(self._shape, np.nan, np.float32)
        if self._taken == 1:  # any percentile of one value is that value
            only: Floats = layers[0]
            return only
        if self._percentile == 50:
            median: Floats = bottleneck.nanmedian(layers, axis=0)
            too_large = np.isinf(median)
            if too_large.any():  # the sum of the two values in the middle is, but not their mean
                median[too_large] = np.nanmedian(layers[:, too_large].astype(np.float64), axis=0)
            return median
        return nan_percentile(layers, self.count, self._percentile)


class _Medoid(Reducer):
    """Keeps all scenes, and beside their values what is compared, where that is something else."""

    def __init__(self, shape: tuple[int, int, int], scenes: int, compared: int) -> None:
        super().__init__(shape)
        self._layers = np.empty((scenes, *shape), np.float32)
        self._compared = np.empty((scenes, compared, *shape[1:]), np.float32) if compared else self._layers
        self._numbers: list[int] = []

    def _take(self, layer: Layer) -> None:
        place = len(self._numbers)
        self._numbers.append(layer.number)
        self._layers[place] = layer.values
        self._compared[place] = layer.compared
        self._compared[place][:, ~layer.valid] = np.nan

    def _values(self) -> Floats:
        taken = len(self._numbers)
        if taken == 0:
            return np.full(self._layers.shape[1:], np.nan, np.float32)
        nearest = medoid(self._compared[:taken])
        self.chosen = np.where(self.count > 0, np.array(self._numbers, np.uint16)[nearest], np.uint16(0))
        found: Floats = np.take_along_axis(self._layers[:taken], nearest[np.newaxis, np.newaxis], 0)[0]
        found[:, self.count == 0] = np.nan
        return found


def nan_percentile(layers: Floats, count: Counts, percentile: float) -> Floats:
    """A percentile along the first axis without NaN, linear between the closest ranks as numpy's default.

    Args:
        layers: float32 (scenes, bands, height, width); sorted in place.
        count: (height, width), how many layers are valid; the same ones in every band.
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


def reducer(
    method: str,
    percentile: float | None,
    shape: tuple[int, int, int],
    scenes: int,
    *,
    counting: bool,
    compared: int = 0,
) -> Reducer:
    """The reducer of a method.

    Args:
        method: as in `spec.composite.method`.
        percentile: of the method of that name.
        shape: (bands, height, width) of each scene.
        scenes: how many may be added at most.
        counting: whether the count is wanted, so that no scene may be left out.
        compared: how many bands are compared that are not the values themselves.
    """
    if method in CHOOSING:
        return _First(shape, counting)
    if method == "greenest":
        return _Greenest(shape)
    if method == "medoid":
        return _Medoid(shape, scenes, compared)
    if method == "mean":
        return _Mean(shape)
    if method in {"min", "max"}:
        return _Extreme(shape, np.fmin if method == "min" else np.fmax)
    return _Stack(shape, scenes, 50.0 if percentile is None else percentile)


def bytes_per_pixel(method: str, bands: int, scenes: int, compared: int = 0) -> int:
    """Roughly the memory that a reducer and the scene that is added take for each pixel; arguments as in `reducer`."""
    stacked = scenes if method in {"median", "percentile", "medoid"} else 2
    return 4 * (bands + compared) * (stacked + 4) + 16
