"""Methods that take each pixel from the first valid scene in their order: latest, oldest, leastCloudy."""

from functools import partial

import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.composites.method import CompositeMethod, age
from mosaic_worker.composites.reducer import Floats, Layer, Reducer


class _First(Reducer):
    def __init__(self, composite: Composite, shape: tuple[int, int, int], *_: int) -> None:
        super().__init__(shape, None if composite.count else 1)
        self._found = np.full(shape, np.nan, np.float32)

    def _take(self, layer: Layer) -> NDArray[np.bool_]:
        fresh: NDArray[np.bool_] = layer.valid & (self.chosen == 0)
        np.copyto(self._found, layer.values, where=fresh)
        return fresh

    def _values(self) -> Floats:
        return self._found


_method = partial(CompositeMethod, reducer=_First, takes_first_valid=True)

LATEST = _method("latest", needs="datetime", sort_key=lambda scene: (age(scene),))
OLDEST = _method("oldest", needs="datetime", sort_key=lambda scene: (-age(scene),))
LEAST_CLOUDY = _method("leastCloudy", needs="cloudCover", sort_key=lambda scene: (scene.cloud_cover or 0.0, age(scene)))
