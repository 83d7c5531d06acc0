"""The scene nearest to a composite: `composite.chosen` names it for methods that do not take whole scenes."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.composites.reducer import Floats

NUMBERS_AT_ONCE = 2**17
"""Numbers of a scene that are compared in one step, so that working arrays stay in the cache of a core."""


def nearest(layers: Floats, values: Floats) -> NDArray[np.intp]:
    """For each pixel the scene with the smallest Euclidean distance of its bands to the composite.

    The median of an odd number of values of one band, a minimum and a maximum of one band are values of a scene, which
    has the distance 0. Squares are computed and added in float64, in the order of the bands.

    Args:
        layers: float32 (scenes, bands, height, width), NaN where a scene is not valid.
        values: float32 (bands, height, width).

    Returns:
        Positions along the first axis, (height, width); the first of equal distances, 0 if no scene is valid.
    """
    found = np.zeros(values.shape[1:], np.intp)
    least = np.full(values.shape[1:], np.inf)
    for place, layer in enumerate(layers):
        with np.errstate(invalid="ignore"):  # infinite values
            apart = np.subtract(layer, values, dtype=np.float64)
        distance = reduce(np.add, np.square(apart, out=apart))
        nearer = distance < least
        found[nearer] = place
        least[nearer] = distance[nearer]
    return found
