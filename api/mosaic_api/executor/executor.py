"""The executor: processes requests one at a time, and cleans up or cancels those that are idle."""

import logging
import math
import os
import secrets
import socket
import time
from queue import Empty, SimpleQueue
from threading import Event

from mosaic_crds.errors import PassingError

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Database
from mosaic_api.database.workforce import OtherKindError
from mosaic_api.executor.events import Changed, Inbox
from mosaic_api.executor.idle_requests import settle
from mosaic_api.executor.queue import Queue
from mosaic_api.executor.worker import RETRY_SECONDS, run_claim
from mosaic_api.overlays import service as overlays
from mosaic_api.settings import Settings

LOOK_SECONDS = 5.0
"""Interval of checks for ended leases and missed notifications."""
RETRY_ALL_SECONDS = 30.0
"""Interval of checks of all idle requests."""
LONGEST_CHECK = 3600.0
"""Seconds after which a check of all idle requests counts as stuck; it may delete many files."""
_log = logging.getLogger(__name__)


class Executor:
    """Processes the requests of an installation on this machine, with all cores for each."""

    def __init__(self, settings: Settings, database: Database, loops: Loops | None = None) -> None:
        """Does not start yet. `loops` has the other background loops of this process."""
        self._settings, self._database, self._loops = settings, database, loops or Loops()
        self.queue = Queue(database, f"{socket.gethostname()[:60]}/{os.getpid()}/{secrets.token_hex(4)}")
        self._inbox = Inbox()
        self._ended = Event()
        self._changed: SimpleQueue[str | None] = SimpleQueue()

    def run(self) -> None:
        """Run until `stop` is called; then release the current request.

        Raises:
            OtherKindError: a cluster processes the requests of this database.
        """
        try:
            self._join()
            self._work()
        finally:
            self.stop()

    def _join(self) -> None:
        """Wait until the database answers."""
        while not self._inbox.stopped:
            try:
                self.queue.join()
            except PassingError as error:
                _log.warning("%s; trying again", error)
                self._inbox.next(time.monotonic() + RETRY_SECONDS)
            else:
                return

    def _work(self) -> None:
        over = self._ended
        self._loops.start("executor listen", self._listen, over)
        self._loops.start("executor idle", self._settle, over, silence=LONGEST_CHECK, ends=(OtherKindError,))
        overlays.keep_served(self._settings, self._database, self._loops, over)
        self._loops.run("executor", self._work_next, over, silence=math.inf, ends=(OtherKindError,))

    def _work_next(self, _: Beat) -> None:
        """Process the next request, if there is one; after an error it is claimed again when its lease has ended."""
        claim = self.queue.claim()
        if claim is None:
            self._inbox.next(time.monotonic() + LOOK_SECONDS)
        else:
            run_claim(claim, self.queue, self._settings, self._inbox)

    def stop(self) -> None:
        """Claim nothing more, and release the current request; signal handlers may call it."""
        self._inbox.stop()
        self._ended.set()

    def _listen(self, beat: Beat) -> None:
        for change in self._database.watch(LOOK_SECONDS, self._ended, beat):
            table, _, row = (change or "requests").partition(" ")
            if table == "requests":
                self._inbox.put(Changed(row or None))
                self._changed.put(row or None)

    def _settle(self, beat: Beat) -> None:
        """Settle idle requests until a cluster takes over, which the next claim notices too."""
        looked = 0.0
        while not self._ended.is_set():
            try:
                row = self._changed.get(timeout=LOOK_SECONDS)
            except Empty:
                row = None
            if self._ended.is_set():
                return
            beat()
            if time.monotonic() - looked > RETRY_ALL_SECONDS:  # even if some row changes all the time
                row = None
            looked = time.monotonic() if row is None else looked
            settle(self._database, self._settings.store, row)
