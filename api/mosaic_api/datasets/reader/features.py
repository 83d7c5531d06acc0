"""Features that are read without GDAL, in the child process: what comes of a table, or of a sequence of GeoJSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_FIELDS = 100
LONGEST_TEXT = 500
"""Letters of an attribute that are shown."""


@dataclass(frozen=True)
class Parsed:
    """Features.

    Attributes:
        geometries: (n,) shapely's; None where a feature has none.
        fields: the name and the type of each attribute, as GDAL calls it: String, Integer64, Real.
        columns: their values, n of each, as JSON has them.
        crs: of the geometries.
    """

    geometries: NDArray[np.object_]
    fields: Sequence[tuple[str, str]]
    columns: Sequence[Sequence[Any]]
    crs: str


def shown(value: Any) -> Any:
    """A value of JSON as an attribute is shown: lists and objects as text, and long texts cut."""
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
