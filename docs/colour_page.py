"""The reference of colours: the usual colour map and limits of each index, from the code."""

from collections import defaultdict
from typing import get_args

from mosaic_crds.colormaps import REVERSED, Colormap
from mosaic_worker.output.colours import TRUE_COLOUR_RANGE, TRUE_COLOUR_TONE
from mosaic_worker.product.indices import all_indices
from mosaic_worker.product.ramps import GREY, PLAIN, Ramp, ramp_of
from tables import row, table


def colour_page() -> str:
    """The tables of usual colours and of colour maps."""
    indices: dict[Ramp, list[str]] = defaultdict(list)
    for index in all_indices():
        if not index.lacking:
            indices[ramp_of(index)].append(index.name)
    ramps = sorted(indices, key=lambda ramp: (ramp == PLAIN, ramp.limits is None, -len(indices[ramp])))
    text = (
        "\n# Colours\n\nThe picture of a product has these colours, if `output.colormap` and `output.stretch` choose\n"
        "no others. [Colours of pictures](../guides/colours.md) explains them.\n\n## Spectral indices\n"
    )
    text += table("colour map", "limits", "last colour", "indices")
    for ramp in ramps:
        text += row(f"`{ramp.colormap}`", _limits(ramp.limits), ramp.meaning, ", ".join(indices[ramp]))
    text += "\n## Other products\n"
    text += table("product", "colour map", "limits")
    text += row("formula", f"`{PLAIN.colormap}`", _limits(PLAIN.limits))
    text += row("one band", f"`{GREY.colormap}`", _limits(GREY.limits))
    tone = f"reflectance {_limits(TRUE_COLOUR_RANGE)}, gamma {TRUE_COLOUR_TONE.gamma:g}, with a shoulder"
    text += row("red, green, blue", "", f"{tone}; {_limits(None)} of each band if they are not reflectances")
    text += row("three other bands", "", f"{_limits(None)} of each band")
    names = [name for name in get_args(Colormap) if not name.endswith(REVERSED)]
    listed = ", ".join(f"`{name}`" for name in names)
    return f"{text}\n## Colour maps\n\n{listed}. `{REVERSED}` after a name reverses it: `{names[0]}{REVERSED}`.\n"


def _limits(limits: tuple[float, float] | None) -> str:
    return "percentiles 2 to 98" if limits is None else f"{limits[0]:g} to {limits[1]:g}"
