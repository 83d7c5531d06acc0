"""Remembers which blocks of remote files GDAL has decoded, so that their bytes are not fetched again."""

from collections import OrderedDict
from collections.abc import Mapping

from mosaic_worker.sources.readers.environment import CACHE_BYTES

Key = tuple[int, int, int, int]
"""An open raster, a band, and the column and row of a block."""


class DecodedBlocks:
    """The blocks that were read last, up to a number of bytes.

    This is a hint: GDAL itself reads a block that its cache has lost.

    Args:
        limit: decoded bytes; less than the cache of GDAL.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._sizes: OrderedDict[Key, int] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._sizes

    def add(self, sizes: Mapping[Key, int]) -> None:
        """Blocks were read; their sizes in bytes."""
        for key, size in sizes.items():
            self._bytes += size - self._sizes.pop(key, 0)
            self._sizes[key] = size
        while self._bytes > self._limit:
            self._bytes -= self._sizes.popitem(last=False)[1]

    def forget(self, raster: int) -> None:
        """A raster is closed."""
        for key in [key for key in self._sizes if key[0] == raster]:
            self._bytes -= self._sizes.pop(key)


DECODED = DecodedBlocks(CACHE_BYTES * 3 // 4)
"""The blocks in the cache of GDAL, which all rasters of a process share."""
