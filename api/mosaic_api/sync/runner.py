"""Runs the sync: changes on either side are queued, and everything from time to time."""

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
from mosaic_api.kube.client import Cluster
from mosaic_api.overlays import service as overlays
from mosaic_api.settings import Settings
from mosaic_api.sync.actions import Actor, LookAgainError
from mosaic_api.sync.decide import Wait, decide
from mosaic_api.sync.leader import lead
from mosaic_api.sync.metrics import SyncMetrics
from mosaic_api.sync.observed import Observed
from mosaic_api.sync.queue import NameQueue
from mosaic_api.sync.rows import followed, rows_of, wait
from mosaic_api.sync.watcher import Watcher

WORKERS = 4
"""Names that are processed in parallel; each mostly waits for the API server, the database or the store."""
LOOK_SECONDS = 60.0
"""Interval in which everything is checked, whatever changed."""
HEAR_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""Maximum time between retries."""
WATCH_SILENCE = 600.0
"""Longer than a quiet watch."""
WORK_SILENCE = 3600.0
"""Longer than the processing of one name, which may delete many files."""
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
    """Synchronize the rows of `requests` with the MosaicRequests of a namespace until `stop` is set.

    While another process does this, this one waits to take over.

    Raises:
        OtherKindError: executors process the requests of the database.
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
    """One term as leader; its state ends with it."""

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
        self._actor = Actor(settings.namespace, database, store, cluster)
        self._queue = NameQueue()
        self._watcher = Watcher(cluster, self._queue.add, self._on_listed, self._on_lost)
        self._looked = 0.0

    def run(self, over: threading.Event) -> None:
        """Work until `over` is set, and finish what has begun."""
        self._loops.start("sync watch", lambda beat: self._watcher.run(over, beat), over, silence=WATCH_SILENCE)
        self._loops.start("sync listen", lambda beat: self._listen(over, beat), over)
        overlays.keep_served(self._settings, self._database, self._loops, over)
        workers = [
            self._loops.start(f"sync {number}", self._work, over, silence=WORK_SILENCE) for number in range(WORKERS)
        ]
        over.wait()
        self._queue.close()
        for thread in workers:
            thread.join()

    def _listen(self, over: threading.Event, beat: Beat) -> None:
        """Queue changed rows."""
        self._looked = 0.0
        for changes in self._database.watch(HEAR_SECONDS, over, beat):
            for change in changes:
                if change.startswith("requests "):
                    self._hear(change.removeprefix("requests "))
            if not changes and monotonic() - self._looked > LOOK_SECONDS:
                self._look_at_all()

    def _hear(self, request_id: str) -> None:
        with self._database.transaction() as session:
            name = session.scalar(select(Request.name).where(Request.id == request_id, *followed(self._namespace)))
        if name is not None:
            self._queue.add(name)

    def _on_listed(self) -> None:
        self._metrics.connected.set(1)
        self._look_at_all()

    def _look_at_all(self) -> None:
        """Queue all names that need an action."""
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
            if _needs_action(Observed(rows.get(name, []), resources.get(name))):
                self._queue.add(name)

    def _work(self, beat: Beat) -> None:
        while (name := self._queue.take(beat)) is not None:
            beat()
            failed = True
            try:
                self._process(name)
                failed = False
            except LookAgainError as error:
                _log.debug("%s", error)
            except PassingError as error:
                self._metrics.failures.inc()
                _log.warning("%s: %s; trying again", name, error)
            except Exception:
                self._metrics.failures.inc()
                _log.exception("%s: internal error; trying again", name)
            finally:
                self._queue.done(name, failed=failed, longest=LONGEST_SECONDS)

    def _process(self, name: str) -> None:
        """Observe a name, decide and act."""
        resources = self._watcher.resources
        if resources is None:
            return  # everything is checked when they are known again
        # the cluster is observed first: a row that this process changed later has newer information
        seen = Observed(rows_of(self._database, self._namespace, name).get(name, []), resources.get(name))
        for action in decide(seen, now()):
            if isinstance(action, Wait):
                self._queue.add(name, action.seconds)
                continue
            self._actor.do(action)
            kind = type(action).__name__
            self._metrics.actions.labels(kind).inc()
            _log.info("%s: %s", name, kind)
            self._queue.add(name)  # to check whether something is left

    def _on_lost(self, why: str) -> None:
        """Write into the rows that wait for the cluster why it is not available."""
        self._metrics.connected.set(0)
        try:
            with self._database.transaction() as session:
                unasked = and_(Request.uid.is_(None), Request.phase == Phase.PENDING, Request.removed.is_(None))
                for request in session.scalars(select(Request).where(*followed(self._namespace), unasked)):
                    wait(request, messages.waiting_for_cluster(why))
        except PassingError as error:
            _log.warning("%s", error)


def _needs_action(seen: Observed) -> bool:
    """Whether a name needs an action; true for an error, so that one invalid request does not stop others.

    The worker that takes the name gets the same error, logs it, and tries again later.
    """
    try:
        return bool(decide(seen, now()))
    except Exception:
        return True
