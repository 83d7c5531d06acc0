"""An object over the network as a file that is read by ranges."""

import io
from collections.abc import Callable
from typing import Any

BUFFER = 128 * 2**10
"""Bytes asked at once, at least: the header of most COGs, and some blocks."""


class RangedFile(io.RawIOBase):
    """A seekable file, of which each read is a request."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        """Give the object's size, and what reads the bytes from one to before another."""
        self._size = size
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, which may be behind the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a position in a file is not negative")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is content."""
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        content = self._read(self._position, stop)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self) -> bytes:
        """What is left, by one request."""
        if self._position >= self._size:
            return b""
        content = self._read(self._position, self._size)
        self._position = self._size
        return content


def ranged_file(size: int, read: Callable[[int, int], bytes]) -> io.BufferedReader:
    """An object of a size as a buffered file; `read` gives the bytes from one to before another."""
    return io.BufferedReader(RangedFile(size, read), BUFFER)
