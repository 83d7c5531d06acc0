"""The colours of a picture: those of the request, otherwise the usual ones of the product."""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic_crds.colormaps import Colormap
from mosaic_crds.spec import Fixed, Output, Percentiles, Stretch

from mosaic_worker.output.tone import LINEAR, Tone
from mosaic_worker.product import Product
from mosaic_worker.product.diverging import ramp_of_difference
from mosaic_worker.product.indices import find
from mosaic_worker.product.ramps import GREY, PLAIN, Ramp, ramp_of

TRUE_COLOUR = ("red", "green", "blue")
TRUE_COLOUR_RANGE = (0.0, 0.3)
"""Reflectance of land. Clouds and snow are above; the shoulder keeps them apart."""
TRUE_COLOUR_TONE = Tone(gamma=1.4, shoulder=True)
PERCENTILES = Stretch(percentile=Percentiles())


@dataclass(frozen=True)
class Colours:
    """The colours of a picture.

    Attributes:
        colormap: of a picture of one band.
        stretch: how the values of the first and the last colour are found.
        tone: the tone curve of a picture of three bands.
        symmetric: whether limits from percentiles are made symmetric, so that 0 has the middle colour.
    """

    colormap: Colormap
    stretch: Stretch
    tone: Tone
    symmetric: bool = False


def colours_of(
    product: Product, shown: Sequence[str], output: Output, *, reflectances: bool, difference: bool = False
) -> Colours:
    """The colours of a picture.

    Args:
        product: the product.
        shown: the canonical names of the bands of the picture, one or three.
        output: what the request chooses.
        reflectances: whether the bands of a product of bands are reflectances.
        difference: whether the mosaic is a difference of two, whose colours are centred at 0.
    """
    natural = reflectances and not difference and is_true_colour(product, shown)
    ramp = ramp_of_difference(_ramp(product)) if difference else _ramp(product)
    limits = TRUE_COLOUR_RANGE if natural else ramp.limits
    usual = PERCENTILES if limits is None else Stretch(fixed=Fixed(lower=limits[0], upper=limits[1]))
    tone = TRUE_COLOUR_TONE if natural and output.stretch is None else LINEAR
    if len(shown) > 1 and output.gamma is not None:
        tone = Tone(output.gamma, tone.shoulder)
    symmetric = difference and output.stretch is None
    return Colours(output.colormap or ramp.colormap, output.stretch or usual, tone, symmetric)


def is_true_colour(product: Product, shown: Sequence[str]) -> bool:
    """Whether a picture shows the bands red, green and blue in their own colours."""
    return product.kind == "bands" and tuple(shown) == TRUE_COLOUR


def _ramp(product: Product) -> Ramp:
    if product.kind == "index":
        return ramp_of(find(product.title))
    return GREY if product.kind == "bands" else PLAIN
