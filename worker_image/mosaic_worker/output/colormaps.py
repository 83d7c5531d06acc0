"""Colour maps."""

from functools import cache

import cmap
import numpy as np
from mosaic_crds.colormaps import REVERSED

_ORIGINS = {
    "viridis": "bids", "plasma": "bids", "inferno": "bids", "magma": "bids", "cividis": "cividis", "turbo": "google",
    "gray": "matlab", "nipy_spectral": "matplotlib", "terrain": "matplotlib", "coolwarm": "matplotlib",
}  # fmt: skip
"""Where cmap has the colour maps of matplotlib; the others are ColorBrewer's."""


@cache
def palette(name: str) -> bytes:
    """A colour map, by its matplotlib name, as a PNG palette: 256 times red, green, blue.

    Index 0 is "no data" (transparent); 1 to 255 are from the first to the last colour. The suffix _r reverses them.
    """
    plain = name.removesuffix(REVERSED)
    colours = cmap.Colormap(f"{_ORIGINS.get(plain, 'colorbrewer')}:{plain}")(np.linspace(0, 1, 255))
    rgb = np.round(np.asarray(colours)[:, :3] * 255).astype(np.uint8)
    return b"\0\0\0" + (rgb if plain == name else rgb[::-1]).tobytes()
