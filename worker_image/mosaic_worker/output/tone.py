"""The tone curve of a picture of three bands: gamma, and a shoulder that keeps bright pixels apart."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

KNEE = 0.7
"""The share of the range from which the shoulder bends."""
WHITE = 4.0
"""The share of the range that becomes white: with a range of 0 to 0.3, reflectance 1.2."""
STEPS = 1 << 16
"""Entries of the table of a curve, so that pixels need no powers, whose last bit depends on the processor."""


@dataclass(frozen=True)
class Tone:
    """A tone curve.

    Attributes:
        gamma: the exponent is 1 / gamma: more than 1 brightens dark colours.
        shoulder: whether values above the range are compressed instead of clipped.
    """

    gamma: float = 1.0
    shoulder: bool = False

    @property
    def last(self) -> float:
        """The share of the range that has the last colour."""
        return WHITE if self.shoulder else 1.0

    def colours(self, shares: Doubles) -> Doubles:
        """The brightness, 0 to 1, of shares of the range: 0 is its lower limit, 1 its upper one.

        The shoulder is the extended curve of Reinhard et al. (2002), Photographic Tone Reproduction for Digital Images,
        equation 4, above the knee k, which it leaves with slope 1: with t = (x - k) / (1 - k) and w the t of white,
        y = k + (1 - k) t (1 + t / w^2) / (1 + t).
        """
        bright = np.clip(shares, 0, self.last)
        if self.shoulder:
            above, white = np.maximum(bright - KNEE, 0) / (1 - KNEE), (WHITE - KNEE) / (1 - KNEE)
            bright = np.minimum(bright, KNEE) + (1 - KNEE) * above * (1 + above / white**2) / (1 + above)
        found: Doubles = np.clip(bright, 0, 1) ** (1 / self.gamma)
        return found

    @property
    def table(self) -> Bytes:
        """The colours 1 to 255 of STEPS shares from 0 to the last one."""
        return _table(self)


LINEAR = Tone()


@cache
def _table(tone: Tone) -> Bytes:
    shares = np.linspace(0, tone.last, STEPS)
    return (1 + np.rint(254 * tone.colours(shares))).astype(np.uint8)
