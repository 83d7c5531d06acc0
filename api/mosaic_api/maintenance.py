"""Maintenance loops of an API process: sharing with the central installation, purging, and deleting orphans.

Each is a loop of its own, so that none waits for another. Several processes may run them at the same time.
"""

import threading
from collections.abc import Callable

from mosaic_worker.store import Store

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.central.client import UPLOAD_SECONDS
from mosaic_api.central.outbox import Outbox
from mosaic_api.database import Database
from mosaic_api.datasets.orphans import sweep
from mosaic_api.datasets.purge import purge
from mosaic_api.settings import Settings

LOOK_SECONDS = 5.0
"""Interval of checks for attempts that are due again."""
PURGE_SECONDS = 3600.0
LONGEST_PURGE_SECONDS = 3 * 3600.0
"""Time after which a purge or sweep counts as stuck."""


class Maintenance:
    """Starts and stops the loops."""

    def __init__(self, settings: Settings, database: Database, store: Store, loops: Loops) -> None:
        self._settings, self._database, self._store, self._loops = settings, database, store, loops
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the loops."""
        if self._settings.central_url:
            self._loops.start("outbox", self._share, self._ended, silence=2 * UPLOAD_SECONDS)
        days = self._settings.restore_days
        self._hourly("purge", lambda: purge(self._database, self._store, days))
        self._hourly("sweep", lambda: sweep(self._database, self._store))

    def stop(self) -> None:
        """End the loops after their current step."""
        self._ended.set()

    def _share(self, beat: Beat) -> None:
        outbox = Outbox(self._settings, self._database, self._store)
        for changes in self._database.watch(LOOK_SECONDS, self._ended, beat):
            if not changes or any(change.startswith("datasets ") for change in changes):
                outbox.process(beat)

    def _hourly(self, name: str, do: Callable[[], object]) -> None:
        """Start a loop that does something each hour; first after an hour, because a starting process is busy."""

        def work(beat: Beat) -> None:
            if not self._ended.wait(PURGE_SECONDS):
                beat()
                do()

        self._loops.start(name, work, self._ended, silence=PURGE_SECONDS + LONGEST_PURGE_SECONDS)
