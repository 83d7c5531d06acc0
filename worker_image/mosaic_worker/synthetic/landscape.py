"""A synthetic landscape: mountains, snow, forest, meadows, a lake, and clouds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BANDS = ("blue", "green", "red", "nir", "swir16")
REFLECTANCE = {
    "water": (0.050, 0.045, 0.025, 0.012, 0.006),
    "forest": (0.022, 0.045, 0.028, 0.300, 0.120),
    "meadow": (0.040, 0.090, 0.065, 0.420, 0.210),
    "rock": (0.130, 0.150, 0.170, 0.220, 0.260),
    "snow": (0.780, 0.770, 0.740, 0.640, 0.070),
    "cloud": (0.620, 0.610, 0.600, 0.620, 0.420),
}
"""Typical reflectances of the bands above in Sentinel-2 scenes of mountains."""
SHORE, TREE_LINE, SNOW_LINE = -1.15, 0.75, 1.05
"""Heights in standard deviations from the mean."""
SUN = (-0.60, 0.55)
"""Change of light on slopes to the east and to the south: the sun is in the south-east."""
SHADOW = 0.45
"""Light under a cloud."""
SHADOW_SHIFT = 0.025
"""Offset of cloud shadows to the north-west, of the side of a scene."""


@dataclass(frozen=True)
class Landscape:
    """A periodic square of ground; (side, side) arrays, rows to the south.

    Attributes:
        height: in standard deviations.
        texture: variation of the ground, in standard deviations.
        light: of the sun on the slopes, about 1.
    """

    height: Floats
    texture: Floats
    light: Floats


def landscape(side: int, seed: int) -> Landscape:
    """The landscape of a seed."""
    rng = np.random.default_rng([seed, 1])
    height = fractal(rng, side, 2.1)
    east, south = np.roll(height, -1, 1) - height, np.roll(height, -1, 0) - height
    light = np.clip(1 + side / 40 * (SUN[0] * east + SUN[1] * south), 0.35, 1.5).astype(np.float32)
    return Landscape(height, fractal(rng, side, 1.3), light)


def fractal(rng: np.random.Generator, side: int, power: float) -> Floats:
    """Noise whose spectrum falls with a power of the frequency, as for real ground; mean 0, deviation 1."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side)[np.newaxis])
    frequencies[0, 0] = np.inf
    white = np.fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    noise = np.fft.irfft2(white * frequencies**-power, s=(side, side))
    found: Floats = ((noise - noise.mean()) / noise.std()).astype(np.float32)
    return found


def shares(ground: Landscape) -> dict[str, Floats]:
    """The fractions of water, forest, meadow, rock and snow in each pixel; their sum is 1."""
    snow = _step(ground.height + 0.25 * ground.texture, SNOW_LINE, 0.12)
    rock = _step(ground.height + 0.15 * ground.texture, TREE_LINE, 0.2) * (1 - snow)
    water = 1 - _step(ground.height, SHORE, 0.015)
    green = np.clip(1 - snow - rock - water, 0, 1)
    meadow = green * _step(ground.texture - 0.3 * ground.height, 0.35, 0.3)
    return {"water": water, "forest": green - meadow, "meadow": meadow, "rock": rock, "snow": snow}


def cloud_cover(rng: np.random.Generator, side: int, cover: float) -> tuple[Floats, Floats]:
    """Opacity of clouds and darkness of their shadows, 0 to 1, for a cloud cover."""
    field = fractal(rng, side, 2.0)
    clouds = _step(field, float(np.quantile(field, 1 - cover)), 0.35) if cover > 0 else np.zeros_like(field)
    shift = max(1, round(SHADOW_SHIFT * side))
    shadows = np.zeros_like(clouds)
    shadows[:-shift, :-shift] = clouds[shift:, shift:]
    return clouds, np.where(clouds > 0.5, 0, shadows).astype(np.float32)


def reflectances(ground: Landscape, covers: dict[str, Floats], clouds: Floats, shadows: Floats) -> dict[str, Floats]:
    """The reflectance of each pixel in each band."""
    lit = ground.light * (1 - (1 - SHADOW) * shadows)
    found = {}
    for number, band in enumerate(BANDS):
        bare = sum(share * np.float32(REFLECTANCE[name][number]) for name, share in covers.items())
        varied = bare * (1 + 0.12 * ground.texture * (1 - covers["water"])) * np.where(covers["water"] > 0.5, 1, lit)
        found[band] = (varied * (1 - clouds) + REFLECTANCE["cloud"][number] * clouds).astype(np.float32)
    return found


def _step(values: Floats, edge: float, width: float) -> Floats:
    """A smooth step from 0 below an edge to 1 above it."""
    share = np.clip((values - edge) / width + 0.5, 0, 1)
    found: Floats = (share * share * (3 - 2 * share)).astype(np.float32)
    return found
