"""Methods that compare scenes pixel by pixel before they take one: the greenest, and the medoid."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NDVI_BANDS = ("nir", "red")
NO_NDVI = -2.0
"""The NDVI of a pixel that has none in [-1, 1], as over water whose reflectances are negative: less than any other."""
FARTHEST = float(np.finfo(np.float32).max)
"""What an infinite distance counts as, so that sums stay finite."""
CHUNK = 2**17
"""Numbers of a scene that are compared at once: of that size the working arrays stay in a core's own cache."""


def bands_to_read(method: str, product_bands: tuple[str, ...]) -> tuple[str, ...]:
    """The bands that a composite of a product needs of each scene: the product's, then those that are only compared."""
    compared = NDVI_BANDS if method == "greenest" else ()
    return tuple(dict.fromkeys((*product_bands, *compared)))


def ndvi(nir: Floats, red: Floats) -> Floats:
    """How green pixels are, to compare scenes by: (nir - red) / (nir + red), Rouse et al. 1974.

    Args:
        nir: float32, any shape, NaN where there is no data.
        red: the same.

    Returns:
        float32 in [-1, 1]; NO_NDVI where there is data and no such value; NaN where a band has no data.
    """
    with np.errstate(all="ignore"):
        found: Floats = (nir - red) / (nir + red)
        found[~(np.abs(found) <= 1)] = NO_NDVI
    found[np.isnan(nir) | np.isnan(red)] = np.nan
    return found


def medoid(layers: Floats) -> NDArray[np.intp]:
    """For each pixel the scene whose bands are nearest to those of all others: the least sum of Euclidean distances.

    Flood, N. (2013): Seasonal composite Landsat TM/ETM+ images using the medoid (a multi-dimensional median). Remote
    Sensing 5(12), 6481-6500.

    Args:
        layers: float32 (scenes, bands, height, width); a scene with NaN in any band of a pixel is no candidate there.

    Returns:
        Positions along the first axis, (height, width); of several with the same sum the first, 0 where there is none.
    """
    _, bands, height, width = layers.shape
    rows = max(1, CHUNK // (bands * width))
    return np.concatenate([_medoid(layers[:, :, top : top + rows]) for top in range(0, height, rows)])


def _medoid(layers: Floats) -> NDArray[np.intp]:
    scenes = len(layers)
    sums = np.zeros((scenes, *layers.shape[2:]))
    sums[np.isnan(layers).any(axis=1)] = np.inf
    for one in range(scenes):
        for other in range(one + 1, scenes):
            with np.errstate(invalid="ignore"):
                apart = np.subtract(layers[one], layers[other], dtype=np.float64)
            distance = np.sqrt(np.square(apart, out=apart).sum(axis=0))
            np.nan_to_num(distance, copy=False, nan=0.0, posinf=FARTHEST)  # where one has no data they are no pair
            sums[one] += distance
            sums[other] += distance
    nearest: NDArray[np.intp] = sums.argmin(axis=0)
    return nearest
