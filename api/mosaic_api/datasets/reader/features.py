"""Features as they are read: from a table, from a sequence of GeoJSON, or by GDAL."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_FIELDS = 100
LONGEST_TEXT = 500
"""Characters of an attribute that are shown."""


@dataclass(frozen=True)
class Parsed:
    """Features.

    Attributes:
        geometries: (n,) shapely geometries; None if a feature has none.
        fields: name and type of each attribute; types are GDAL's String, Integer64 and Real.
        columns: n values of each, as JSON.
        crs: of the geometries.
        kind: type of the geometries in the file; empty if the file does not state it.
    """

    geometries: NDArray[np.object_]
    fields: Sequence[tuple[str, str]]
    columns: Sequence[Sequence[Any]]
    crs: str
    kind: str = ""

    @classmethod
    def of(cls, geometries: NDArray[np.object_], columns: Mapping[str, Sequence[Any]], crs: str) -> Self:
        """Features of a file that does not state types."""
        fields = [(name, type_of(column)) for name, column in columns.items()]
        return cls(geometries, fields, list(columns.values()), crs)


def shown(value: Any) -> Any:
    """A JSON value as the page shows an attribute: lists and objects as text, long texts truncated."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def type_of(values: Sequence[Any]) -> str:
    """The type of an attribute's values."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return "Integer64"
    return "Real" if kinds and kinds <= {int, float} else "String"
