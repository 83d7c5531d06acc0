"""From what a request's process says to the request's status, in the shape that a cluster gives it."""

import math
from typing import Any

from mosaic_crds.lifecycle import Phase

GOES_ON = "it goes on where it stopped"
Status = dict[str, Any]


class Story:
    """The status of a request while its process works on it; tiles stand for ranges.

    Attributes:
        status: as it is now.
        item: the STAC Item, once the mosaic is published.
        failure: the sentence of a failure, and whether it is final, once there is one.
    """

    def __init__(self, status: Status) -> None:
        """Begins at the status that the request has."""
        self.status = dict(status)
        self.item: dict[str, Any] | None = None
        self.failure: tuple[str, bool] | None = None
        self._pixels = self._pixels_done = self._pixels_before = 0
        self._began = 0.0

    @property
    def over(self) -> bool:
        """Whether the process has said its last word."""
        return self.item is not None or self.failure is not None

    def hear(self, word: dict[str, Any], now: float) -> None:
        """Take in a word of `child.make_mosaic`, said at a time in seconds."""
        if "planned" in word:
            self._pixels, self._pixels_done = word["pixels"], word["pixelsDone"]
            self._pixels_before, self._began = self._pixels_done, now
            self.status["plan"] = word["planned"]
            self._count(word["tilesDone"], now)
        elif "tile" in word:
            self._pixels_done += word["tile"]
            self._count(self.status["progress"]["rangesDone"] + 1, now)
        elif "finalizing" in word:
            self._enter(Phase.FINALIZING, "the mosaic is being put together")
        elif "published" in word:
            self.item = word["item"]
            self.status["result"] = word["published"]
            told = word["published"].get("cog") or word["published"]["item"]
            self._enter(Phase.SUCCEEDED, "; ".join([f"published {told}", *word["published"].get("notes", ())]))
        elif "failed" in word:
            self.failure = word["failed"], word["final"]

    def _count(self, done: int, now: float) -> None:
        total = self.status["plan"]["tiles"]
        progress = {"rangesDone": done, "rangesTotal": total, "percent": 100 * done // total}
        computed = self._pixels_done - self._pixels_before
        if computed:
            left = (now - self._began) / computed * (self._pixels - self._pixels_done)
            progress["etaSeconds"] = math.ceil(left)
        self.status["progress"] = progress
        self._enter(Phase.RUNNING, f"{done} of {total} tiles are done")

    def _enter(self, phase: Phase, message: str) -> None:
        self.status |= {"phase": str(phase), "message": message}


def done_by_then(status: Status) -> str:
    """How far a request was that ends early."""
    progress = status.get("progress")
    return f" with {progress['rangesDone']} of {progress['rangesTotal']} tiles done" if progress else ""


def suspended_message(status: Status) -> str:
    """What is told of a request that stands still."""
    return f"suspended{done_by_then(status)}; set execution.suspend to false to go on"
