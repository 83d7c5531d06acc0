"""Reads the mask of a scene on a grid, whether it is a file or is detected in the bands."""

from collections.abc import Iterator

import numpy as np
from mosaic_crds.composite import Composite
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.sources.readers.detection import detection_windows, read_detection
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.readers.reading import mask_pieces, read_mask
from mosaic_worker.sources.scenes import Detection, Mask


def read_codes(
    sources: OpenSources, mask: Mask | Detection, grid: Grid, composite: Composite, where: str
) -> NDArray[np.uint8]:
    """The mask of a scene on a grid: uint8 (height, width), one of CLEAR, FLAGGED and UNKNOWN."""
    if isinstance(mask, Detection):
        return read_detection(sources, mask, grid, composite, where)
    return read_mask(sources, mask, grid, composite, where)


def code_windows(mask: Mask | Detection, grid: Grid) -> Iterator[WindowToRead]:
    """The windows that `read_codes` reads."""
    if isinstance(mask, Detection):
        yield from detection_windows(mask, grid)
    else:
        for piece in mask_pieces(mask.header.grid, grid):
            for window in piece.windows:
                yield mask.href, None, mask.band, window
