"""The sync at work: what is heard from either side is looked at, and everything from time to time."""

import logging
import threading
from time import monotonic

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import Phase, messages
from mosaic_worker.store import Store
from sqlalchemy import and_, select

from mosaic_api.background.loops import Beat, Loops
from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.workforce import OtherKindError
from mosaic_api.overlays import service as overlays
from mosaic_api.settings import Settings
from mosaic_api.sync.actions import Actor, LookAgainError
from mosaic_api.sync.decide import Wait, decide
from mosaic_api.sync.kube import Cluster
from mosaic_api.sync.leader import lead
from mosaic_api.sync.metrics import SyncMetrics
from mosaic_api.sync.observed import Observed
from mosaic_api.sync.queue import NameQueue
from mosaic_api.sync.rows import followed, rows_of, wait
from mosaic_api.sync.watcher import Watcher

WORKERS = 4
"""Names that are worked on at once; each waits for the API server, the database or the store most of the time."""
LOOK_SECONDS = 60.0
"""After which all is looked at, whatever was heard."""
HEAR_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""Between tries of what failed."""
WATCH_SILENCE = 600.0
"""Longer than a watch in which nothing happens."""
WORK_SILENCE = 3600.0
"""Longer than the work on one name; it may delete many files."""
_log = logging.getLogger(__name__)


def run_sync(
    settings: Settings,
    database: Database,
    store: Store,
    cluster: Cluster,
    stop: threading.Event,
    metrics: SyncMetrics,
    loops: Loops,
) -> None:
    """Keep the rows of `mosaics` and the MosaicRequests of a namespace in step, until it is time to stop.

    While another process does, this one waits to take over.

    Raises:
        OtherKindError: executors work off what is in the database.
    """

    def work(over: threading.Event) -> None:
        metrics.leading.set(1)
        try:
            _Sync(settings, database, store, cluster, metrics, loops).run(over)
        finally:
            metrics.leading.set(0)
            metrics.connected.set(0)

    loops.run("sync lead", lambda beat: lead(database, work, stop, beat), stop, ends=(OtherKindError,))


class _Sync:
    """One time of being the one at work; what it knows ends with it."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        store: Store,
        cluster: Cluster,
        metrics: SyncMetrics,
        loops: Loops,
    ) -> None:
        self._settings, self._database, self._namespace = settings, database, settings.namespace
        self._metrics, self._loops = metrics, loops
        self._hands = Actor(settings.namespace, database, store, cluster)
        self._line = NameQueue()
        self._watcher = Watcher(cluster, self._line.add, self._on_listed, self._on_lost)
        self._looked = 0.0

    def run(self, over: threading.Event) -> None:
        """Work until it is over; what has begun by then is ended first."""
        self._loops.start("sync watch", lambda beat: self._watcher.run(over, beat), over, silence=WATCH_SILENCE)
        self._loops.start("sync listen", lambda beat: self._listen(over, beat), over)
        overlays.keep_served(self._settings, self._database, self._loops, over)
        workers = [
            self._loops.start(f"sync {number}", self._work, over, silence=WORK_SILENCE) for number in range(WORKERS)
        ]
        over.wait()
        self._line.close()
        for thread in workers:
            thread.join()

    def _listen(self, over: threading.Event, beat: Beat) -> None:
        """Hear of changed rows."""
        self._looked = 0.0
        for change in self._database.changes(HEAR_SECONDS):
            if over.is_set():
                return
            beat()
            if change is not None and change.startswith("requests "):
                self._hear(change.removeprefix("requests "))
            elif change is None and monotonic() - self._looked > LOOK_SECONDS:
                self._look_at_all()

    def _hear(self, request_id: str) -> None:
        with self._database.transaction() as session:
            name = session.scalar(select(Request.name).where(Request.id == request_id, *followed(self._namespace)))
        if name is not None:
            self._line.add(name)

    def _on_listed(self) -> None:
        self._metrics.connected.set(1)
        self._look_at_all()

    def _look_at_all(self) -> None:
        """Put into the line what needs something."""
        resources = self._watcher.resources
        if resources is None:
            return
        self._looked = monotonic()
        try:
            rows = rows_of(self._database, self._namespace)
        except PassingError as error:
            _log.warning("%s; trying again", error)
            self._looked = 0.0
            return
        for name in rows.keys() | resources.keys():
            if _needs_something(Observed(rows.get(name, []), resources.get(name))):
                self._line.add(name)

    def _work(self, beat: Beat) -> None:
        while (name := self._line.take(beat)) is not None:
            beat()
            failed = True
            try:
                self._bring_on(name)
                failed = False
            except LookAgainError as error:
                _log.debug("%s", error)
            except PassingError as error:
                self._metrics.failures.inc()
                _log.warning("%s: %s; trying again", name, error)
            except Exception:
                self._metrics.failures.inc()
                _log.exception("%s: this is a fault of the program; trying again", name)
            finally:
                self._line.give_back(name, failed=failed, longest=LONGEST_SECONDS)

    def _bring_on(self, name: str) -> None:
        """Look at a name, and do what is to be done."""
        resources = self._watcher.resources
        if resources is None:
            return  # all is looked at when they are known again
        # the cluster is looked at first: what this process wrote into a row after that is what the cluster told later
        seen = Observed(rows_of(self._database, self._namespace, name).get(name, []), resources.get(name))
        for action in decide(seen, now()):
            if isinstance(action, Wait):
                self._line.add(name, action.seconds)
                continue
            self._hands.do(action)
            kind = type(action).__name__
            self._metrics.actions.labels(kind).inc()
            _log.info("%s: %s", name, kind)
            self._line.add(name)  # to see whether that was all

    def _on_lost(self, why: str) -> None:
        """Tell those who wait for the cluster, in their rows."""
        self._metrics.connected.set(0)
        try:
            with self._database.transaction() as session:
                unasked = and_(Request.uid.is_(None), Request.phase == Phase.PENDING, Request.removed.is_(None))
                for request in session.scalars(select(Request).where(*followed(self._namespace), unasked)):
                    wait(request, messages.waiting_for_cluster(why))
        except PassingError as error:
            _log.warning("%s", error)


def _needs_something(seen: Observed) -> bool:
    """Whether there is something to do; also where that cannot be told, so that one odd request does not stop others.

    Whoever takes its name meets the same error, logs it, and tries again later.
    """
    try:
        return bool(decide(seen, now()))
    except Exception:
        return True
