"""Composites: many scenes become one value per pixel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import bottleneck
import numpy as np
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Counts = NDArray[np.uint16]

CHOOSING = ("latest", "oldest", "leastCloudy")
"""Methods that take a whole scene per pixel: the first valid one in their order of preference."""


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


class Reducer(ABC):
    """Takes scenes one after the other. A pixel of a scene is valid when none of its bands is NaN."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.count = np.zeros(shape[1:], np.uint16)
        self.chosen = np.zeros(shape[1:], np.uint16)

    @property
    def complete(self) -> bool:
        """Whether no further scene can change the outcome."""
        return False

    def add(self, number: int, values: Floats) -> None:
        """Take a scene, by its 1-based number and its values (bands, height, width)."""
        valid = np.logical_and.reduce(~np.isnan(values), axis=0)
        whole = self._take(values, valid)
        if whole is not None:
            self.chosen[whole] = number
        self.count += valid

    def result(self) -> Composite:
        """The outcome of the scenes taken."""
        return Composite(self._values(), self.count, self.chosen)

    @abstractmethod
    def _take(self, values: Floats, valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Take a scene's values; say where it was taken whole, if the method takes whole scenes."""

    @abstractmethod
    def _values(self) -> Floats: ...


class _First(Reducer):
    def __init__(self, shape: tuple[int, int, int], counting: bool) -> None:
        super().__init__(shape)
        self._found = np.full(shape, np.nan, np.float32)
        self._counting = counting

    @property
    def complete(self) -> bool:
        return not self._counting and bool(self.chosen.all())

    def _take(self, values: Floats, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        fresh: NDArray[np.bool_] = valid & (self.chosen == 0)
        np.copyto(self._found, values, where=fresh)
        return fresh

    def _values(self) -> Floats:
        return self._found


class _Extreme(Reducer):
    def __init__(self, shape: tuple[int, int, int], take: np.ufunc) -> None:
        super().__init__(shape)
        self._found = np.full(shape, np.nan, np.float32)
        self._extreme = take

    def _take(self, values: Floats, valid: NDArray[np.bool_]) -> None:
        self._extreme(self._found, values, out=self._found, where=valid)

    def _values(self) -> Floats:
        return self._found


class _Mean(Reducer):
    """Sums in float64, in the order of the scenes."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self._sum = np.zeros(shape, np.float64)

    def _take(self, values: Floats, valid: NDArray[np.bool_]) -> None:
        np.add(self._sum, values, out=self._sum, where=valid)

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

    def _take(self, values: Floats, valid: NDArray[np.bool_]) -> None:
        layer = self._layers[self._taken]
        layer[:] = values
        layer[:, ~valid] = np.nan
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
            return median
        return nan_percentile(layers, self.count, self._percentile)


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
    method: str, percentile: float | None, shape: tuple[int, int, int], scenes: int, *, counting: bool
) -> Reducer:
    """The reducer of a method.

    Args:
        method: as in `spec.composite.method`.
        percentile: of the method of that name.
        shape: (bands, height, width) of each scene.
        scenes: how many may be added at most.
        counting: whether the count is wanted, so that no scene may be left out.
    """
    if method in CHOOSING:
        return _First(shape, counting)
    if method == "mean":
        return _Mean(shape)
    if method in {"min", "max"}:
        return _Extreme(shape, np.fmin if method == "min" else np.fmax)
    return _Stack(shape, scenes, 50.0 if percentile is None else percentile)


def bytes_per_pixel(method: str, bands: int, scenes: int) -> int:
    """Roughly the memory that a reducer and the scene that is added take for each pixel."""
    stacked = scenes if method in {"median", "percentile"} else 2
    return 4 * bands * (stacked + 4) + 16


class Observed(Protocol):
    """What the order of preference looks at."""

    @property
    def id(self) -> str:
        """The scene's id."""

    @property
    def datetime(self) -> datetime | None:
        """When it was taken."""

    @property
    def cloud_cover(self) -> float | None:
        """Percent under cloud."""


def scene_order(method: str, scenes: Sequence[Observed]) -> list[int]:
    """Positions of scenes in a method's order of preference; as they are where it has none. Ties go to the newer one.

    Raises:
        RequestError: the method needs a date or a cloud cover that one of several scenes does not have.
    """
    places = list(range(len(scenes)))
    if method not in CHOOSING or len(scenes) == 1:
        return places
    needs = "cloudCover" if method == "leastCloudy" else "datetime"
    for scene in scenes:
        if (scene.cloud_cover if needs == "cloudCover" else scene.datetime) is None:
            raise RequestError(
                f"spec.composite.method: {method} needs the {needs} of each scene, and {scene.id} has none"
            )

    def age(place: int) -> float:
        taken = scenes[place].datetime or datetime.min.replace(tzinfo=UTC)
        return -taken.timestamp()

    def preference(place: int) -> tuple[float, ...]:
        if method == "oldest":
            return (-age(place),)
        cover = scenes[place].cloud_cover
        return (cover or 0.0, age(place)) if needs == "cloudCover" else (age(place),)

    return sorted(places, key=lambda place: (*preference(place), place))
