"""Legends: which colour stands for which value."""

import math

from mosaic_api.results.tiles import table

COLOURS = 256
FEWEST_STOPS = 4
"""Values that are written beside the colours, at least, where the limits differ."""


def colours_of(colormap: str) -> list[str]:
    """The colours of a colormap from the first to the last, as the picture has them."""
    return [colour_at(colormap, place / (COLOURS - 1)) for place in range(COLOURS)]


def colour_at(colormap: str, share: float) -> str:
    """The colour at a share, 0 to 1, of the way from the first colour to the last."""
    index = 1 + round(min(max(share, 0), 1) * 254)
    return f"#{table(colormap)[3 * index : 3 * index + 3].hex()}"


def stops(colormap: str, minimum: float, maximum: float) -> list[tuple[float, str]]:
    """Round values from the minimum to the maximum, multiples of 1, 2 or 5 times a power of ten, with their colours."""
    span = maximum - minimum
    if not (span > 0 and math.isfinite(span)):
        return [(minimum, colour_at(colormap, 0.5))]
    power = 10 ** math.floor(math.log10(span / FEWEST_STOPS))
    step = max((step for step in (power, 2 * power, 5 * power) if span / step >= FEWEST_STOPS), default=power)
    first, last = math.ceil(minimum / step - 1e-9), math.floor(maximum / step + 1e-9)
    values = [float(f"{number * step:.12g}") for number in range(first, last + 1)]
    return [(value, colour_at(colormap, (value - minimum) / span)) for value in values]
