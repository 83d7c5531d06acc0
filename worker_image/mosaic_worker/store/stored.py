"""What a store states of an object without reading it."""

from typing import NamedTuple

ABANDONED_SECONDS = 24 * 3600
"""After so long without an end, whoever was writing an object is gone."""


class Stored(NamedTuple):
    """An object.

    Attributes:
        key: its name.
        modified: when it was written, seconds since 1970, by the store's clock.
    """

    key: str
    modified: float
