"""The status of a request that an executor processes, from the messages of its process."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import RETRYING, Condition, StatusWriter, Trouble, holds, messages

Status = dict[str, Any]


class ExecutorStatus(StatusWriter):
    """The status of a request that an executor processes; each tile is a range.

    Attributes:
        item: the STAC Item of the published mosaic.
        failure: why the process failed, if it did.
    """

    def __init__(self, status: Mapping[str, Any], now: datetime) -> None:
        super().__init__(status, now)
        self.item: dict[str, Any] | None = None
        self.failure: Trouble | None = None
        self._pixels = self._pixels_done = self._pixels_before = 0
        self._began = 0.0

    def begin(self, last_seen: datetime | None) -> None:
        """Start or resume. `last_seen` is when another executor last wrote the status; None for a new request."""
        if last_seen is not None:
            self.stop_clock(last_seen)
        self.start()
        self.accept()
        self.work()

    def receive(self, message: Mapping[str, Any], seconds: float) -> None:
        """Apply a message of `child.make_mosaic`, received at a time of the monotonic clock."""
        if "planned" in message:
            self._pixels, self._pixels_done = message["pixels"], message["pixelsDone"]
            self._pixels_before, self._began = self._pixels_done, seconds
            self.plan(message["planned"])
            self._computing(message["tilesDone"], seconds)
        elif "tile" in message:
            self._pixels_done += message["tile"]
            self._computing(self.status["progress"]["rangesDone"] + 1, seconds)
        elif "finalizing" in message:
            self.computed(self.status["plan"]["tiles"])
            self.finalizing()
        elif "published" in message:
            self.item = message["item"]
            self.publish(message["published"])
        elif "failed" in message:
            self.failure = Trouble(message["reason"], message["failed"])

    def retry(self, failure: str, when: str) -> None:
        """Record that the current step failed, and when it is tried again."""
        self.stop_clock()
        self.work(Trouble(RETRYING, messages.retrying(failure, when)))

    def _computing(self, done: int, seconds: float) -> None:
        total = self.status["plan"]["tiles"]
        computed = self._pixels_done - self._pixels_before
        left = (seconds - self._began) / computed * (self._pixels - self._pixels_done) if computed else None
        self.count(done, total, None if left is None else math.ceil(left))
        if done < total or not holds(self.status, Condition.TILES_READY):
            self.computing()
