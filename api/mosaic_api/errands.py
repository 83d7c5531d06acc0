"""What a process does beside answering: it brings what is shared to the central installation, and purges.

Any number of processes may do it at once.
"""

import logging
import threading
import time
from collections.abc import Iterator

from mosaic_crds.errors import MosaicError
from mosaic_worker.store import Store

from mosaic_api.central.outbox import Outbox
from mosaic_api.database import Database
from mosaic_api.entries.loose import sweep
from mosaic_api.entries.purging import purge
from mosaic_api.settings import Settings

LOOK_SECONDS = 5.0
"""After which what was not told is looked for: attempts that are due again."""
PURGE_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Errands:
    """A thread that does them."""

    def __init__(self, settings: Settings, database: Database, store: Store) -> None:
        self._settings, self._database, self._store = settings, database, store
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="errands", daemon=True).start()

    def stop(self) -> None:
        """End, when what is under way is done."""
        self._ended.set()

    def _run(self) -> None:
        outbox = Outbox(self._settings, self._database, self._store)
        purged = time.monotonic()  # not at once, when a process has other things to do
        while not self._ended.is_set():
            try:
                for change in self._moments():
                    if self._ended.is_set():
                        return
                    if self._settings.central_url and (change is None or change.startswith("entries ")):
                        outbox.work_off()
                    if time.monotonic() - purged > PURGE_SECONDS:
                        purged = time.monotonic()
                        purge(self._database, self._store, self._settings.restore_days)
                        sweep(self._database, self._store)
            except MosaicError as error:
                if not self._ended.is_set():
                    _log.warning("%s; trying again", error)
                    self._ended.wait(LOOK_SECONDS)

    def _moments(self) -> Iterator[str | None]:
        """When something may be due: changes of rows where entries are shared elsewhere, else from time to time."""
        if self._settings.central_url:
            yield from self._database.changes(LOOK_SECONDS)
        while True:
            self._ended.wait(PURGE_SECONDS)
            yield None
