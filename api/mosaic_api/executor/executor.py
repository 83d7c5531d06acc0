"""The executor: takes requests one after the other, fulfils what is wished of the others, and hears of both at once."""

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
from mosaic_api.executor.idle_requests import fulfil
from mosaic_api.executor.queue import Queue
from mosaic_api.executor.worker import RETRY_SECONDS, work_off
from mosaic_api.overlays import service as overlays
from mosaic_api.settings import Settings

LOOK_SECONDS = 5.0
"""After which it looks by itself: for leases that ended, and for what it was not told."""
RETRY_ALL_SECONDS = 30.0
"""After which wishes that could not be fulfilled are tried again."""
LONGEST_WISHES = 3600.0
"""Seconds after which a look at all wishes counts as stuck; it may delete many files."""
_log = logging.getLogger(__name__)


class Executor:
    """Works off an installation's requests on this machine, with all cores for each."""

    def __init__(self, settings: Settings, database: Database, loops: Loops | None = None) -> None:
        """Nothing is done yet.

        Args:
            settings: of the installation.
            database: of the installation.
            loops: what works in the background of this process.
        """
        self._settings, self._database, self._loops = settings, database, loops or Loops()
        self.queue = Queue(database, f"{socket.gethostname()[:60]}/{os.getpid()}/{secrets.token_hex(4)}")
        self._inbox = Inbox()
        self._ended = Event()
        self._wished: SimpleQueue[str | None] = SimpleQueue()

    def run(self) -> None:
        """Work until `stop` is called; what is in hand then is given back.

        Raises:
            OtherKindError: a cluster works this database off.
        """
        try:
            self._join()
            self._work()
        finally:
            self.stop()

    def _join(self) -> None:
        """Wait for the database, if it is away."""
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
        self._loops.start("executor wishes", self._fulfil, over, silence=LONGEST_WISHES, ends=(OtherKindError,))
        overlays.keep_served(self._settings, self._database, self._loops, over)
        self._loops.run("executor", self._work_next, over, silence=math.inf, ends=(OtherKindError,))

    def _work_next(self, _: Beat) -> None:
        """Work off the next request, if there is one; after an error it is taken again when its lease has ended."""
        claim = self.queue.claim()
        if claim is None:
            self._inbox.next(time.monotonic() + LOOK_SECONDS)
        else:
            work_off(claim, self.queue, self._settings, self._inbox)

    def stop(self) -> None:
        """Take nothing more, and give back what is in hand; a handler of a signal may call it."""
        self._inbox.stop()
        self._ended.set()

    def _listen(self, beat: Beat) -> None:
        for change in self._database.changes(LOOK_SECONDS):
            if self._ended.is_set():
                return
            beat()
            table, _, row = (change or "requests").partition(" ")
            if table == "requests":
                self._inbox.put(Changed(row or None))
                self._wished.put(row or None)

    def _fulfil(self, beat: Beat) -> None:
        """Fulfil wishes, until a cluster takes over, as the next claim finds too."""
        looked = 0.0
        while not self._ended.is_set():
            try:
                row = self._wished.get(timeout=LOOK_SECONDS)
            except Empty:
                row = None
            if self._ended.is_set():
                return
            beat()
            if time.monotonic() - looked > RETRY_ALL_SECONDS:  # also while there is always news of some row
                row = None
            looked = time.monotonic() if row is None else looked
            fulfil(self._database, self._settings.store, row)
