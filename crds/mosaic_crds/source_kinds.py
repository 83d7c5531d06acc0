"""The kinds of source, and what the contract, the operator and a run on one machine need to know about each.

The module of the same name in the worker finds and reads the scenes of a kind.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class SourceKind:
    """A kind of source.

    Attributes:
        field: its field of `Source`.
        title: its name in messages.
        credentials: the environment variables of its account, and the keys of its Secret.
        listed: whether the request lists the scenes itself; its mosaic then has their grid and extent by default.
        processes: how many processes or pods may read from it at once; None if there is no limit.
    """

    field: str
    title: str
    listed: bool = False
    credentials: tuple[str, ...] = ()
    processes: int | None = None

    @property
    def key(self) -> str:
        """Its key in the `spec.source` of a manifest."""
        return to_camel(self.field)


FILES = SourceKind("files", "the listed files", listed=True)
STAC = SourceKind("stac", "the STAC API")
EARTH_DAILY = SourceKind("earth_daily", "EarthDaily", credentials=("EDS_CLIENT_ID", "EDS_SECRET"), processes=10)
"""An account may have 30 connections at once. Each process opens up to 3 (docs/decisions/0017)."""
SOURCE_KINDS = (FILES, STAC, EARTH_DAILY)


def kind_among(keys: Collection[str]) -> SourceKind | None:
    """The kind of the `spec.source` of a manifest with these keys; None if it has no known one."""
    return next((kind for kind in SOURCE_KINDS if kind.key in keys), None)
