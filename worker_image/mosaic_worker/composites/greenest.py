"""The method greenest: each pixel from the scene with the highest NDVI."""

import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.composites.method import CompositeMethod, age
from mosaic_worker.composites.reducer import Floats, Layer, Reducer

NO_NDVI = -2.0
"""The value in place of an NDVI outside [-1, 1], as over water with negative reflectances: lower than any NDVI."""


class _Greenest(Reducer):
    def __init__(self, composite: Composite, shape: tuple[int, int, int], *_: int) -> None:
        super().__init__(shape, composite.enough)
        self._found = np.full(shape, np.nan, np.float32)
        self._highest = np.full(shape[1:], -np.inf, np.float32)

    def _take(self, layer: Layer) -> NDArray[np.bool_]:
        greener: NDArray[np.bool_] = layer.valid & (layer.compared[0] > self._highest)
        np.copyto(self._found, layer.values, where=greener)
        np.copyto(self._highest, layer.compared[0], where=greener)
        return greener

    def _values(self) -> Floats:
        return self._found


def ndvi(nir: Floats, red: Floats) -> Floats:
    """The normalised difference vegetation index: (nir - red) / (nir + red), Rouse et al. 1974.

    Args:
        nir: float32, any shape, NaN for no data.
        red: the same.

    Returns:
        float32 in [-1, 1]; NO_NDVI for values outside; NaN if a band has no data.
    """
    with np.errstate(all="ignore"):
        found: Floats = (nir - red) / (nir + red)
        found[~(np.abs(found) <= 1)] = NO_NDVI
    found[np.isnan(nir) | np.isnan(red)] = np.nan
    return found


GREENEST = CompositeMethod(
    "greenest",
    _Greenest,
    sort_key=lambda scene: (age(scene),),  # for equal values the newest
    extra_bands=("nir", "red"),
    compares_scenes=True,
    compared_layers=lambda *_: 1,
    compared=lambda _of, _bands, values: ndvi(values["nir"], values["red"])[np.newaxis],
)
