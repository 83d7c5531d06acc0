"""The input and output of the reader process, both as JSON."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mosaic_api.datasets.boxes import Box

ENV_JOB = "MOSAIC_JOB"
"""The variable with the job."""


class Job(BaseModel):
    """A file to read.

    Attributes:
        path: of the file, with the suffix of its format.
        name: that the user gave it, without a suffix.
        format: name of its format.
        max_pixels: of an image.
        corners: west, south, east, north of a picture without a georeference.
        display: path of the display copy; None if the file itself is shown.
        area: whether to read the polygons of a vector file as one area.
        outcome: path of the reply.
        memory, seconds: limits of the process.
        bytes: limit of one written file.
        decoded: limit of the display copy's pixels in bytes before compression.
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


@dataclass(frozen=True)
class Outcome:
    """The result of reading a file: its box, its footprint as GeoJSON in degrees, and `Dataset.details`."""

    box: Box
    footprint: dict[str, Any]
    details: dict[str, Any]


class ReaderReply(BaseModel):
    """The result of a job, or why the file cannot be used."""

    outcome: Outcome | None = None
    error: str = "file: it has no location"
