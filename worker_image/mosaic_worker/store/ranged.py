"""Files on a network, read in ranges."""

import io
from collections.abc import Callable
from typing import Any

BUFFER = 128 * 2**10
"""Minimum bytes of a request: the header of most COGs, and some blocks."""


class RangedFile(io.RawIOBase):
    """A seekable file; each read is a request."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        """Set the size of the file, and the function that reads bytes [start, stop)."""
        self._size = size
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, which may be after the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("the position is negative")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; at the end of the file only partly."""
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        content = self._read(self._position, stop)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self) -> bytes:
        """Read the rest with one request."""
        if self._position >= self._size:
            return b""
        content = self._read(self._position, self._size)
        self._position = self._size
        return content
