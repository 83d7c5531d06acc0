"""Opening and dilation of masks by discs."""

import numpy as np
from numpy.typing import NDArray


def dilate(flagged: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Dilate a mask by a disc.

    Args:
        flagged: (height, width); outside, nothing is flagged.
        radius: pixels, from centre to centre.
    """
    height, width = flagged.shape
    grown = flagged.copy()
    if radius == 0 or not flagged.any():
        return grown
    counts = np.zeros((height, width + 1), np.int32)
    np.cumsum(flagged, axis=1, out=counts[:, 1:])
    columns = np.arange(width)
    rows_by_reach: dict[int, int] = {}
    for dy in range(radius + 1):
        rows_by_reach[int((radius * radius - dy * dy) ** 0.5)] = dy  # the farthest row with this reach
    near = 0
    for reach, far in sorted(rows_by_reach.items(), key=lambda item: item[1]):
        run = counts[:, np.minimum(columns + reach + 1, width)] > counts[:, np.maximum(columns - reach, 0)]
        for dy in range(near, min(far, height - 1) + 1):
            grown[dy:] |= run[: height - dy]
            grown[: height - dy] |= run[dy:]
        near = far + 1
    return grown


def opened(flagged: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Open a mask by a disc: erosion, then dilation. What remains is where a disc of flagged pixels fits.

    Args:
        flagged: (height, width); outside, nothing is flagged, so no disc reaches across the border.
        radius: pixels, from centre to centre.
    """
    if radius == 0 or not flagged.any():
        return flagged.copy()
    height, width = flagged.shape
    clear = np.pad(~flagged, radius, constant_values=True)
    eroded = ~dilate(clear, radius)[radius : radius + height, radius : radius + width]
    return dilate(eroded, radius)
