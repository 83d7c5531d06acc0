"""Computes the overviews above the parts, strip by strip, and keeps only their compressed blocks."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile, gettempdir

import numpy as np
from mosaic_crds.errors import PassingError

from mosaic_worker.output.compression import compressed_blocks
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import Floats

KEPT_BYTES = 32 * 2**20
"""Compressed bytes of an overview that stay in memory; more go to a temporary file."""


class UpperLevel:
    """An overview.

    Attributes:
        width, height: pixels.
        sizes: bytes of its compressed blocks, row by row.
    """

    def __init__(self, width: int, height: int, files: ExitStack) -> None:
        self.width, self.height = width, height
        self.sizes: list[int] = []
        self._waiting: list[Floats] = []
        self._rows = 0
        self._blocks = files.enter_context(SpooledTemporaryFile(KEPT_BYTES))  # noqa: SIM115

    def collect(self, rows: Floats, block: int) -> Floats | None:
        """Add rows, (bands, height, width); return the rows of a row of blocks as soon as they are complete."""
        self._waiting.append(rows)
        self._rows += rows.shape[1]
        if self._rows % block and self._rows < self.height:
            return None
        strip = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting, axis=1)
        self._waiting.clear()
        return strip

    def encode(self, strip: Floats, encoding: Encoding) -> None:
        """Compress the blocks of a strip.

        Raises:
            PassingError: the disk of temporary files is full.
        """
        for block in compressed_blocks(encoding.stored(strip), encoding.block, encoding.nodata):
            self.sizes.append(len(block))
            try:
                self._blocks.write(block)
            except OSError as error:
                raise PassingError(
                    f"an overview cannot be written to {gettempdir()}: {error.strerror}; free some space and run again"
                ) from None

    def blocks(self) -> Iterator[bytes]:
        """The compressed blocks, row by row."""
        self._blocks.seek(0)
        for size in self.sizes:
            yield self._blocks.read(size)


def upper_levels(
    width: int, height: int, rows: Iterable[Floats], encoding: Encoding, files: ExitStack
) -> list[UpperLevel]:
    """The overviews from a size until one fits into a block.

    Args:
        width: of the largest, pixels.
        height: of the largest, pixels.
        rows: its values from the top, (bands, height, width); half of the side of a block high, or a multiple of it.
        encoding: how they are stored.
        files: closes temporary files.
    """
    levels = [UpperLevel(width, height, files)]
    while max(levels[-1].width, levels[-1].height) > encoding.block:
        levels.append(UpperLevel(-(-levels[-1].width // 2), -(-levels[-1].height // 2), files))
    for given in rows:
        added: Floats | None = given
        for number, level in enumerate(levels):
            strip = level.collect(added, encoding.block) if added is not None else None
            if strip is None:
                break
            level.encode(strip, encoding)
            added = encoding.halved(strip) if number + 1 < len(levels) else None
    return levels
