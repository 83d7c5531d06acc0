"""What a process does beside answering: it brings what is shared to the central installation, purges and sweeps.

Each is a loop of its own, so that none waits for another. Any number of processes may do it at once.
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
"""After which what was not told is looked for: attempts that are due again."""
PURGE_SECONDS = 3600.0
LONGEST_PURGE_SECONDS = 3 * 3600.0
"""After which a purge or a sweep that does not end counts as stuck."""


class Maintenance:
    """Loops that do them."""

    def __init__(self, settings: Settings, database: Database, store: Store, loops: Loops) -> None:
        self._settings, self._database, self._store, self._loops = settings, database, store, loops
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        if self._settings.central_url:
            self._loops.start("outbox", self._share, self._ended, silence=2 * UPLOAD_SECONDS)
        days = self._settings.restore_days
        self._hourly("purge", lambda: purge(self._database, self._store, days))
        self._hourly("sweep", lambda: sweep(self._database, self._store))

    def stop(self) -> None:
        """End, when what is under way is done."""
        self._ended.set()

    def _share(self, beat: Beat) -> None:
        outbox = Outbox(self._settings, self._database, self._store)
        for change in self._database.changes(LOOK_SECONDS):
            if self._ended.is_set():
                return
            beat()
            if change is None or change.startswith("datasets "):
                outbox.work_off(beat)

    def _hourly(self, name: str, do: Callable[[], object]) -> None:
        """Start a loop that does something each hour; not at once, when a process has other things to do."""

        def work(beat: Beat) -> None:
            if not self._ended.wait(PURGE_SECONDS):
                beat()
                do()

        self._loops.start(name, work, self._ended, silence=PURGE_SECONDS + LONGEST_PURGE_SECONDS)
