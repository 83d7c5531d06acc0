"""The colour maps of pictures of one band, by their matplotlib names. The suffix _r reverses one."""

from typing import Literal

Colormap = Literal[
    "viridis", "plasma", "inferno", "magma", "cividis", "turbo", "nipy_spectral", "terrain", "gray",
    "Greys", "Blues", "Greens", "Reds", "YlGn", "YlGnBu", "GnBu", "YlOrBr", "YlOrRd",
    "RdYlGn", "RdYlBu", "RdBu", "BrBG", "PiYG", "PRGn", "PuOr", "Spectral", "coolwarm",
    "viridis_r", "plasma_r", "inferno_r", "magma_r", "cividis_r", "turbo_r", "nipy_spectral_r", "terrain_r", "gray_r",
    "Greys_r", "Blues_r", "Greens_r", "Reds_r", "YlGn_r", "YlGnBu_r", "GnBu_r", "YlOrBr_r", "YlOrRd_r",
    "RdYlGn_r", "RdYlBu_r", "RdBu_r", "BrBG_r", "PiYG_r", "PRGn_r", "PuOr_r", "Spectral_r", "coolwarm_r",
]  # fmt: skip
"""Sequential ones, those of one or two hues, diverging ones, and all of them reversed."""
REVERSED = "_r"
