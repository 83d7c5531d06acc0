"""The usual colours of a difference: a diverging colour map, with 0 in its middle."""

from mosaic_crds.colormaps import Colormap

from mosaic_worker.product.ramps import Ramp

CHANGE = (-0.5, 0.5)
"""Usual limits of the difference of an index with known limits."""
UNKNOWN: Colormap = "coolwarm"
_DIVERGING: dict[Colormap, Colormap] = {
    "RdYlGn": "RdYlGn", "RdYlGn_r": "RdYlGn_r", "RdYlBu": "RdYlBu", "Blues": "RdBu", "Blues_r": "RdBu_r",
    "YlGn": "BrBG", "YlOrRd": "RdYlGn_r", "YlOrBr": "BrBG_r", "Reds": "RdBu_r",
}  # fmt: skip
"""The colour map of a difference, by that of the product: its last colours mean more of the same."""


def ramp_of_difference(ramp: Ramp) -> Ramp:
    """The usual colours of a difference of a product with these usual colours; without limits, they are symmetric."""
    limits = None if ramp.limits is None else CHANGE
    return Ramp(_DIVERGING.get(ramp.colormap, UNKNOWN), limits, f"more: {ramp.meaning}")
