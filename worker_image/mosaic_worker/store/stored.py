"""The metadata of an object in a store."""

from typing import NamedTuple

Chunk = bytes | memoryview
"""A piece of the content of an object."""
ABANDONED_SECONDS = 24 * 3600
"""An unfinished write is abandoned after this time."""


class Stored(NamedTuple):
    """An object.

    Attributes:
        key: its key.
        modified: when it was written, seconds since 1970, on the clock of the store.
        size: bytes.
    """

    key: str
    modified: float
    size: int
