"""Combines the sides of a plan: the mosaic itself, or its difference to the mosaic that is subtracted."""

from collections.abc import Sequence

import numpy as np

from mosaic_worker.composites.reducer import Floats


def combined(sides: Sequence[Floats], product: int) -> Floats:
    """The pixels of a mosaic from those of its sides.

    Args:
        sides: one or two arrays, float32 (bands, height, width), NaN for no data.
        product: the number of bands of the product, which are the first ones.

    Returns:
        The only side; or the first minus the second for the bands of the product, NaN where either is NaN or float32
        overflows, then the other bands of both.
    """
    if len(sides) == 1:
        return sides[0]
    first, second = sides
    with np.errstate(over="ignore"):
        apart = first[:product] - second[:product]
    apart[np.isinf(apart)] = np.nan
    return np.concatenate([apart, first[product:], second[product:]])
