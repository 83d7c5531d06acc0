"""Packing into int16: scale and offset of each band, from the possible values of the files.

No pixels are read, so values may still not fit. Those are counted when they are stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mosaic_worker.output.encoding import INT16_LARGEST
from mosaic_worker.product.expression import Expression
from mosaic_worker.sources.scenes import Band

REFLECTANCE_LIMIT = 10.0
"""Bands without larger possible values count as reflectances: those of Sentinel-2 are at most 6.5535."""
_SAMPLES = 4096

Range = tuple[float, float]


@dataclass(frozen=True)
class Packing:
    """value = scale x stored number + offset."""

    scale: float
    offset: float


NUMBERS = Packing(1.0, 0.0)
REFLECTANCES = Packing(0.0001, 0.0)
"""As in files of Sentinel-2: -3.2767 to 3.2767."""


def packing_of(bands: Sequence[Band]) -> Packing:
    """The packing of a band, from the band in each scene.

    Numbers without a scale are unchanged. Reflectances, and values without a known range, are packed as reflectances.
    For others, such as temperatures, scale and offset cover all possible values of 8 or 16 bits, in the steps of the
    files, if 65,535 of these are enough.
    """
    if not all(band.calibrated for band in bands):
        return NUMBERS
    found = _range_of(bands)
    step = min(abs(band.scale) for band in bands)
    if found is None or _is_reflectance(found) or step == 0:
        return REFLECTANCES
    low, high = found
    if max(-low, high) <= INT16_LARGEST * step and abs(low / step - round(low / step)) < 1e-6:
        return Packing(step, 0.0)
    least = (high - low) / (2 * INT16_LARGEST)
    step = step if least <= step * (1 + 1e-9) else least
    return Packing(step, low + round((high - low) / step / 2) * step)


def packing_of_difference(bands: Sequence[Band]) -> Packing:
    """The packing of a difference of a band, from the band in each scene of both mosaics.

    The scale is that of the band, or larger if the largest possible difference needs it; the offset is 0.
    """
    packing, found = packing_of(bands), _range_of(bands)
    if packing in {NUMBERS, REFLECTANCES} or found is None:
        return packing
    low, high = found
    return Packing(max(packing.scale, (high - low) / INT16_LARGEST), 0.0)


def mostly_fits(expression: Expression, scenes: Sequence[Mapping[str, Band]]) -> bool:
    """Whether most values of an expression can be packed as reflectances; True if unknown.

    The expression is computed for fixed random samples: reflectances between 0 and 1, other bands over their possible
    values.

    Args:
        expression: the expression.
        scenes: the bands of each scene, by name.
    """
    rng, samples = np.random.default_rng(0), {}
    for name in expression.bands:
        found = _range_of([bands[name] for bands in scenes])
        if found is None:
            return True
        low, high = (0.0, 1.0) if _is_reflectance(found) else found
        samples[name] = rng.uniform(low, high, _SAMPLES).astype(np.float32)
    values = expression.evaluate(samples)
    values = values[np.isfinite(values)]
    fitting = np.count_nonzero(np.abs(values) <= INT16_LARGEST * REFLECTANCES.scale)
    return bool(2 * fitting >= values.size)


def _is_reflectance(found: Range) -> bool:
    return max(map(abs, found)) <= REFLECTANCE_LIMIT


def _range_of(bands: Iterable[Band]) -> Range | None:
    """The range of the possible values of a band; None if unknown."""
    found = [_possible(band) for band in bands]
    known = [limits for limits in found if limits is not None]
    if len(known) < len(found):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _possible(band: Band) -> Range | None:
    kind = np.dtype(band.header.dtype)
    if kind.kind == "f" or kind.itemsize > 2:
        return None
    limits = np.iinfo(kind)
    low = int(limits.min) + (limits.min in band.nodata)
    high = int(limits.max) - (limits.max in band.nodata)
    ends = band.scale * low + band.offset, band.scale * high + band.offset
    return min(ends), max(ends)
