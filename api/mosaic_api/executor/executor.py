"""The executor: takes requests one after the other, fulfils what is wished of the others, and hears of both at once."""

import logging
import os
import secrets
import socket
import time
from queue import Empty, SimpleQueue
from threading import Event, Thread

from mosaic_crds.errors import PassingError

from mosaic_api import overlays
from mosaic_api.database import Database
from mosaic_api.executor.events import Changed, Inbox
from mosaic_api.executor.queue import Queue
from mosaic_api.executor.wishes import fulfil
from mosaic_api.executor.working import RETRY_SECONDS, work_off
from mosaic_api.settings import Settings
from mosaic_api.workforce import OtherKindError

LOOK_SECONDS = 5.0
"""After which it looks by itself: for leases that ended, and for what it was not told."""
RETRY_ALL_SECONDS = 30.0
"""After which wishes that could not be fulfilled are tried again."""
_log = logging.getLogger(__name__)


class Executor:
    """Works off an installation's requests on this machine, with all cores for each."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Nothing is done yet."""
        self._settings, self._database = settings, database
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
        for task in (self._listen, self._fulfil, self._serve_overlays):
            Thread(target=task, daemon=True).start()
        while not self._inbox.stopped:
            wait = 0.0
            try:
                claim = self.queue.claim()
                if claim is None:
                    wait = LOOK_SECONDS
                else:
                    work_off(claim, self.queue, self._settings, self._inbox)
            except OtherKindError:  # a cluster took over
                raise
            except PassingError as error:
                _log.warning("%s; trying again", error)
                wait = RETRY_SECONDS
            except Exception:
                _log.exception("a fault of the program; what is in hand is taken again when its lease has ended")
                wait = RETRY_SECONDS
            if wait:
                self._inbox.next(time.monotonic() + wait)

    def stop(self) -> None:
        """Take nothing more, and give back what is in hand; a handler of a signal may call it."""
        self._inbox.stop()
        self._ended.set()

    def _listen(self) -> None:
        while not self._inbox.stopped:
            try:
                for change in self._database.changes(LOOK_SECONDS):
                    if self._inbox.stopped:
                        return
                    table, _, row = (change or "mosaics").partition(" ")
                    if table == "mosaics":
                        self._inbox.put(Changed(row or None))
                        self._wished.put(row or None)
            except PassingError as error:
                if not self._inbox.stopped:
                    _log.warning("%s; trying again", error)
                    time.sleep(RETRY_SECONDS)

    def _serve_overlays(self) -> None:
        overlays.keep_served(self._settings, self._database, self._ended)

    def _fulfil(self) -> None:
        looked = 0.0
        while not self._inbox.stopped:
            try:
                row = self._wished.get(timeout=LOOK_SECONDS)
            except Empty:
                row = None
            if self._inbox.stopped:
                return
            if time.monotonic() - looked > RETRY_ALL_SECONDS:  # also while there is always news of some row
                row = None
            looked = time.monotonic() if row is None else looked
            try:
                fulfil(self._database, self._settings.store, row)
            except OtherKindError:  # a cluster took over, as the next claim finds too
                return
            except PassingError as error:
                _log.warning("%s", error)
            except Exception:
                _log.exception("a fault of the program; wishes are looked at again")
