"""The executor: processes requests, and cleans up or cancels those that are idle."""

import logging
import math
import os
import secrets
import socket
import time
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

from mosaic_crds.errors import PassingError

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Database, Request
from mosaic_api.database.workforce import OtherKindError
from mosaic_api.executor.events import Changed, Inbox
from mosaic_api.executor.fork_servers import ForkServers
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


@dataclass(eq=False)
class _Run:
    """A request that is being processed.

    Attributes:
        inbox: its events.
        cores: how many cores its tiles can use; None until it is planned.
    """

    inbox: Inbox = field(default_factory=Inbox)
    cores: int | None = None


class Executor:
    """Processes the requests of an installation on this machine.

    A request can use all cores. If it has too few tiles for that, the next one starts as soon as it is planned.
    """

    def __init__(self, settings: Settings, database: Database, loops: Loops | None = None) -> None:
        """Does not start yet. `loops` has the other background loops of this process."""
        self._settings, self._database, self._loops = settings, database, loops or Loops()
        self.queue = Queue(database, f"{socket.gethostname()[:60]}/{os.getpid()}/{secrets.token_hex(4)}")
        self._inbox = Inbox()
        self._ended = Event()
        self._changed: SimpleQueue[Changed] = SimpleQueue()
        self._cores = len(os.sched_getaffinity(0))
        self._runs: dict[_Run, Thread] = {}
        self._errors: SimpleQueue[Exception] = SimpleQueue()

    def run(self) -> None:
        """Run until `stop` is called; then release the current requests.

        Raises:
            OtherKindError: a cluster processes the requests of this database.
        """
        self._servers = ForkServers()
        try:
            self._join()
            self._work()
        finally:
            self.stop()
            for thread in list(self._runs.values()):
                thread.join()
            self._servers.close()

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
        """Start the next request, if there is one and cores are idle; raise the errors of those that run."""
        if not self._errors.empty():
            raise self._errors.get()
        claim = self.queue.claim() if self._has_room() else None
        if claim is None:
            self._inbox.next(time.monotonic() + LOOK_SECONDS)
            return
        run = _Run()
        self._runs[run] = Thread(target=self._run, args=(claim, run), name=f"executor {claim.name}")
        if self._inbox.stopped:
            run.inbox.stop()
        self._runs[run].start()

    def _has_room(self) -> bool:
        """Whether all running requests are planned, and leave cores idle."""
        used = [run.cores for run in list(self._runs)]
        return sum(cores or self._cores for cores in used) < self._cores

    def _run(self, claim: Request, run: _Run) -> None:
        """Process a request; after an error it is claimed again when its lease has ended."""

        def on_planned(tiles: int) -> None:
            run.cores = min(tiles, self._cores)
            self._inbox.put(Changed())

        try:
            run_claim(claim, self.queue, self._settings, run.inbox, self._servers, on_planned)
        except Exception as error:
            self._errors.put(error)
        finally:
            del self._runs[run]
            self._inbox.put(Changed())

    def stop(self) -> None:
        """Claim nothing more, and release the current requests; signal handlers may call it."""
        for inbox in self._inboxes():
            inbox.stop()
        self._ended.set()

    def _inboxes(self) -> list[Inbox]:
        return [self._inbox, *(run.inbox for run in list(self._runs))]

    def _listen(self, beat: Beat) -> None:
        for changes in self._database.watch(LOOK_SECONDS, self._ended, beat):
            rows = [change.removeprefix("requests ") for change in changes if change.startswith("requests ")]
            if rows or not changes:
                changed = Changed(frozenset(rows))
                for inbox in self._inboxes():
                    inbox.put(changed)
                self._changed.put(changed)

    def _settle(self, beat: Beat) -> None:
        """Settle idle requests until a cluster takes over, which the next claim notices too."""
        looked = 0.0
        while not self._ended.is_set():
            try:
                rows = self._changed.get(timeout=LOOK_SECONDS).rows
            except Empty:
                rows = frozenset()
            if self._ended.is_set():
                return
            beat()
            if time.monotonic() - looked > RETRY_ALL_SECONDS:  # even if some row changes all the time
                rows = frozenset()
            looked = looked if rows else time.monotonic()
            settle(self._database, self._settings.store, rows)
