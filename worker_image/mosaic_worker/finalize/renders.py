"""How a mosaic is shown: the render extension of STAC, and exact fields of the picture."""

from collections.abc import Sequence
from typing import Any

from mosaic_crds.files import COG

from mosaic_worker.output.tone import LINEAR
from mosaic_worker.plan.model import Plan

EXTENSION = "https://stac-extensions.github.io/render/v2.0.0/schema.json"
Stretch = Sequence[tuple[float, float]]


def renders(plan: Plan, stretch: Stretch) -> dict[str, Any]:
    """The property `renders` of the Item, for programs that colour the COG.

    `rescale` has the limits as numbers of the file, and the colour map has the name that such programs use.

    Args:
        plan: has the colours.
        stretch: the values of the first and last colour, for each band of the picture.
    """
    encoding = plan.encoding
    render: dict[str, Any] = {"title": plan.title, "assets": [str(COG.asset)]}
    if len(plan.picture) < len(plan.band_names):
        render["bidx"] = [band + 1 for band in plan.picture]
    if plan.product.classes is not None:
        colours = {str(number): each.colour for number, each in enumerate(plan.product.classes, 1)}
        return {"picture": render | {"colormap": colours}}
    limits = zip(stretch, plan.picture, strict=True)
    render["rescale"] = [
        [(value - encoding.offsets[band]) / encoding.scales[band] for value in pair] for pair, band in limits
    ]
    if len(stretch) == 1:
        render["colormap_name"] = plan.colours.colormap.lower()
    if plan.colours.tone.gamma != 1:
        render["color_formula"] = f"gamma rgb {plan.colours.tone.gamma:g}"
    return {"picture": render | colour_fields(plan, stretch)}


def colour_fields(plan: Plan, stretch: Stretch) -> dict[str, Any]:
    """The colours exactly: limits, and the colour map of one band or the tone curve of three."""
    fields: dict[str, Any] = {"mosaic:stretch": [list(limits) for limits in stretch]}
    if len(stretch) == 1:
        return fields | {"mosaic:colormap": plan.colours.colormap}
    tone = plan.colours.tone
    return fields if tone == LINEAR else fields | {"mosaic:gamma": tone.gamma, "mosaic:shoulder": tone.shoulder}
