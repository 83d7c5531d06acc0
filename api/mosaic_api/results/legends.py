"""Legends: the colours of values."""

import math

from mosaic_worker.output.colormaps import palette

from mosaic_api.results.published import PublishedMosaic
from mosaic_api.results.schemas import Legend, LegendClass

COLOURS = 256
FEWEST_STOPS = 4
"""Minimum number of labelled values, if the limits differ."""


def colours_of(colormap: str) -> list[str]:
    """The colours of a colormap, as in the picture."""
    return [colour_at(colormap, place / (COLOURS - 1)) for place in range(COLOURS)]


def colour_at(colormap: str, share: float) -> str:
    """The colour at a share, from 0 to 1, of the colormap."""
    index = 1 + round(min(max(share, 0), 1) * 254)
    return f"#{palette(colormap)[3 * index : 3 * index + 3].hex()}"


def legend_of_classes(mosaic: PublishedMosaic) -> Legend:
    """The legend of a classified mosaic; values in no class are only listed if there are any."""
    shown = [each for each in mosaic.classes if each.colour is not None or each.percent]
    return Legend(
        title=mosaic.title,
        colormap=None,
        minimum=mosaic.classes[0].number,
        maximum=mosaic.classes[-1].number,
        colours=[],
        stops=[],
        bands=[],
        classes=[
            LegendClass(name=each.name, colour=each.colour, percent=each.percent, area=each.area) for each in shown
        ],
    )


def stops(colormap: str, minimum: float, maximum: float) -> list[tuple[float, str]]:
    """Round values from minimum to maximum (multiples of 1, 2 or 5 times a power of ten) with their colours."""
    span = maximum - minimum
    if not (span > 0 and math.isfinite(span)):
        return [(minimum, colour_at(colormap, 0.5))]
    power = 10 ** math.floor(math.log10(span / FEWEST_STOPS))
    step = max((step for step in (power, 2 * power, 5 * power) if span / step >= FEWEST_STOPS), default=power)
    first, last = math.ceil(minimum / step - 1e-9), math.floor(maximum / step + 1e-9)
    values = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
    return [(value, colour_at(colormap, (value - minimum) / span)) for value in values]
