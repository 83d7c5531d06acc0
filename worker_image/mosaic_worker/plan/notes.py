"""Notes on the numbers that a mosaic is computed from."""

from collections.abc import Sequence

import numpy as np

from mosaic_worker.product import Product
from mosaic_worker.sources.scenes import Band, Scene

EXACT = 2**24
"""float32, in which values are computed, represents all integers up to this number."""
_LISTED = 5


def plan_notes(product: Product, scenes: Sequence[Scene]) -> list[str]:
    """Notes for the user on the input bands of an index or expression."""
    if product.kind == "bands":
        return []
    wide = [name for name in product.input_bands if any(is_wide(scene.bands[name]) for scene in scenes)]
    if not wide:
        return []
    return [f"{listed(wide)}: integers larger than {EXACT:,} are rounded to 24 bits before the computation"]


def is_wide(band: Band) -> bool:
    """Whether a band stores integers of 32 bits or more."""
    kind = np.dtype(band.header.dtype)
    return kind.kind in "iu" and kind.itemsize >= 4


def listed(entries: Sequence[str]) -> str:
    """The first entries, and the number of others."""
    more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
    return ", ".join(entries[:_LISTED]) + more
