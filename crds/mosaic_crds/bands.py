"""The bands of a product, and those of its picture."""

from collections.abc import Sequence

from mosaic_crds.fields import Rule

MOST_BANDS = 16
COLOURS = ("red", "green", "blue")
ONE_OR_THREE = Rule(
    server="self.size() == 1 || self.size() == 3",
    holds=lambda bands: len(bands) in {1, 3},
    message="it must name 1 or 3 bands, such as [red, green, blue]",
)
IN_THE_PICTURE = Rule(
    server="!has(self.output) || !has(self.product) || !has(self.output.picture) || "
    "(has(self.product.bands) && self.output.picture.all(name, name in self.product.bands))",
    holds=lambda spec: spec.output.picture is None or set(spec.output.picture) <= set(spec.product.bands or ()),
    message="it must name bands of product.bands, as they are written there",
    field="output.picture",
)
"""The rule of a spec with a choice of bands for the picture."""


def picture_bands(bands: Sequence[str], chosen: Sequence[str] | None = None) -> tuple[str, ...]:
    """The bands of the picture of a product: one, which has a colour map, or three (red, green, blue).

    Args:
        bands: the bands of the product, by canonical name.
        chosen: the request's choice. Without one: up to three bands in their order; of more, red, green and blue if
            all are among them, and the first three otherwise. Of two, the first.
    """
    if chosen:
        return tuple(chosen)
    if len(bands) > len(COLOURS) and set(COLOURS) <= set(bands):
        return COLOURS
    return tuple(bands[:3] if len(bands) >= len(COLOURS) else bands[:1])


GAMMA_OF_THREE = Rule(
    server="!has(self.output) || !has(self.output.gamma) || "
    "(has(self.product.bands) && self.product.bands.size() >= 3 && "
    "(!has(self.output.picture) || self.output.picture.size() == 3))",
    holds=lambda spec: (
        spec.output.gamma is None or len(picture_bands(spec.product.bands or (), spec.output.picture)) == len(COLOURS)
    ),
    message="remove it, because only pictures of three bands of product.bands have a gamma",
    field="output.gamma",
)
"""The rule of a spec with a gamma."""
