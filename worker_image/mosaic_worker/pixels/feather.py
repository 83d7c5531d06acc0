"""Blends scenes along the edges between them, so that no step remains.

The composite method chooses one scene c for each pixel p. With a feather of R pixels, scene s has the weight

    w[s] = max(0, 1 - d[s] / (R + 1)) x min(1, e[s] / (R + 1))

where d[s] is the distance from p to the nearest pixel that comes from s (0 at p itself), and e[s] the distance to the
nearest pixel in which s has no data or is masked (0 at p itself). Distances are between the centres of pixels. The
value of p is

    x[c] + sum w[s] (x[s] - x[c]) / sum w[s]

So a scene fades out towards the end of its data, and two scenes with data on both sides of an edge have equal shares at
it. If all pixels closer than R + 1 come from one scene, the value is unchanged to the last bit. A scene without data at
p has no weight, and a pixel without any scene stays "no data". All of this is known from pixels up to R rows and
columns away, so a tile is read with a halo of R pixels.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
Part = tuple[slice, slice]
"""Rows and columns."""


def blended(
    values: Floats, chosen: NDArray[np.uint16], core: Part, width: int, read: Callable[[int], Floats | None]
) -> Floats:
    """The blended values of a part of a window. Memory: one scene at a time.

    Args:
        values: float32 (bands, height, width) of the part: of the chosen scenes.
        chosen: uint16 of the window, which extends `width` pixels beyond the part, except at the edge of the mosaic:
            the number of the scene of each pixel, from 1; 0 for none.
        core: where the part is in the window.
        width: R, pixels.
        read: returns the values of a scene in the window, float32 (bands, height, width), NaN in all bands where it
            has no data or is masked; None without data.

    Returns:
        float32 (bands, height, width) of the part.
    """
    numbers = [int(number) for number in np.unique(chosen) if number]
    near = [number for number in numbers if _closeness(chosen == number, width)[core].any()]
    if len(near) < 2:
        return values
    here = chosen[core]
    changes, weights = np.zeros(values.shape), np.zeros(here.shape)
    touched = np.zeros(here.shape, np.bool_)
    for number in near:
        found = read(number)
        if found is None:
            continue
        valid = ~np.isnan(found[0])
        weight = _closeness(chosen == number, width)[core] * _depth(valid, width)[core]
        weights += weight
        other = (weight > 0) & (here != number) & (here > 0)
        touched |= other
        changes[:, other] += weight[other] * (found[:, *core][:, other].astype(np.float64) - values[:, other])
    result = values.copy()
    result[:, touched] = (values[:, touched] + changes[:, touched] / weights[touched]).astype(np.float32)
    return result


def _closeness(region: Flags, width: int) -> Doubles:
    """1 in a region, falling to 0 at a distance of `width` + 1 pixels from it."""
    return np.maximum(0.0, 1 - _distance(~region) / (width + 1))


def _depth(region: Flags, width: int) -> Doubles:
    """0 outside a region, growing to 1 at `width` + 1 pixels from its end."""
    return np.minimum(1.0, _distance(region) / (width + 1))


def _distance(inside: Flags) -> Doubles:
    """The distance of each pixel to the nearest one that is not inside, pixels; infinite if there is none.

    OpenCV's distances are rounded to the roots of integers, which they are, so they are the same on all processors.
    """
    if inside.all():
        return np.full(inside.shape, np.inf)
    import cv2  # noqa: PLC0415 (it takes time, and many requests do not need it)

    found = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.sqrt(np.rint(np.square(found.astype(np.float64))))
