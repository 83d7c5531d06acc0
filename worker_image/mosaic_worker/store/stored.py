"""What a store says of an object without reading it."""

from typing import NamedTuple


class Stored(NamedTuple):
    """An object.

    Attributes:
        key: its name.
        modified: when it was written, seconds since 1970, by the store's clock.
    """

    key: str
    modified: float
