"""Colours for values."""

import cmap
import numpy as np


def palette(name: str) -> bytes:
    """A colormap, by the name that matplotlib gave it, as the palette of a PNG: 256 times red, green, blue.

    Index 0 stands for "no data", and is transparent where it is used; 1 to 255 run from the first colour to the last.
    """
    colours = cmap.Colormap(name)(np.linspace(0, 1, 255))
    rgb = np.round(np.asarray(colours)[:, :3] * 255).astype(np.uint8)
    return b"\0\0\0" + rgb.tobytes()
