"""Colour maps."""

from functools import cache

import cmap
import numpy as np


@cache
def palette(name: str) -> bytes:
    """A colour map, by its matplotlib name, as a PNG palette: 256 times red, green, blue.

    Index 0 is "no data" (transparent); 1 to 255 are from the first to the last colour.
    """
    colours = cmap.Colormap(name)(np.linspace(0, 1, 255))
    rgb = np.round(np.asarray(colours)[:, :3] * 255).astype(np.uint8)
    return b"\0\0\0" + rgb.tobytes()
