"""What the child process that reads a file is told, and what it tells of it; both travel as JSON."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mosaic_api.datasets.boxes import Box

ENV_JOB = "MOSAIC_JOB"
"""Of the child: its job."""


class Job(BaseModel):
    """A file to read.

    Attributes:
        path: where it is; its suffix is that of its format.
        name: as whoever sent it calls it, without a suffix.
        format: by name.
        max_pixels: of an image.
        corners: west, south, east, north of a picture that says nothing of its place.
        display: where what is shown of it is written; nowhere if None, where the file itself is made for that.
        area: whether the polygons of a vector file are wanted as one area, and nothing is shown.
        outcome: where the outcome is written.
        memory, seconds: that the process may take.
        bytes: of one written file.
        decoded: bytes that the pixels of what is shown may have before they are compressed.
    """

    path: str
    name: str
    format: str
    max_pixels: int
    corners: tuple[float, float, float, float] | None = None
    display: str | None = None
    area: bool = False
    outcome: str
    memory: int = 2 * 2**30
    bytes: int = 16 * 2**30
    decoded: int = 16 * 2**30
    seconds: int = 600


class ReaderReply(BaseModel):
    """What came of it: a sentence if nothing did.

    Attributes:
        error: why the file cannot be taken.
        box: west, south, east, north.
        footprint: GeoJSON geometry, in degrees.
        details: what is shown of it, as in `Dataset.details`.
    """

    error: str | None = None
    box: tuple[float, float, float, float] | None = None
    footprint: dict[str, Any] | None = None
    details: dict[str, Any] = {}


@dataclass(frozen=True)
class Outcome:
    """A file that was read.

    Attributes:
        box: where it is.
        footprint: GeoJSON geometry, in degrees.
        details: what is shown of it.
    """

    box: Box
    footprint: dict[str, Any]
    details: dict[str, Any]
