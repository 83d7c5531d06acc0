"""What Prometheus is told: how HTTP goes, and what is in the database."""

import time
from collections.abc import Iterator
from datetime import datetime

from mosaic_crds.errors import PassingError
from mosaic_crds.names import Phase
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute as Column
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.database import Database, Entry, Mosaic

NOWHERE = "none"
"""The route of requests that no route is for: their paths are not told, for there are any number of them."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one application."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Rows(database))
        self._requests = Counter(
            "mosaic_http_requests", "HTTP requests", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "mosaic_http_request_seconds",
            "Until the headers of an answer were sent",
            ["method", "route"],
            buckets=BUCKETS,
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class Measured:
    """Counts the answers of an application, of which some routes are below a prefix."""

    def __init__(self, app: ASGIApp, metrics: Metrics, prefix: str) -> None:
        self._app, self._metrics, self._prefix = app, metrics, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, and count how it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken = time.perf_counter() - began
                self._metrics.observe(_method(scope), self._route(scope), message["status"], taken)
            await send(message)

        await self._app(scope, receive, counted)

    def _route(self, scope: Scope) -> str:
        """The template of the path, which may know nothing of the prefix."""
        route = getattr(scope.get("route"), "path", None)
        if route is None:
            return NOWHERE
        below = scope["path"].startswith(f"{self._prefix}/") and not route.startswith(f"{self._prefix}/")
        return f"{self._prefix}{route}" if below else str(route)


class _Rows(Collector):
    """What is in the database, counted when somebody asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Names alone: nothing is counted when it is registered."""
        return [_family(name) for name in _DESCRIBED]

    def collect(self) -> Iterator[Metric]:
        """Mosaics by phase, entries by kind, and whether the database answers."""
        answers = _family("mosaic_database_up")
        try:
            with self._database.transaction() as session:
                phases = _counts(session, Mosaic.phase, Mosaic.removed)
                kinds = _counts(session, Entry.kind, Entry.removed)
        except PassingError:
            answers.add_metric([], 0)
            yield answers
            return
        answers.add_metric([], 1)
        yield answers
        yield _counted("mosaic_mosaics", {str(phase): phases.get(str(phase), 0) for phase in Phase})
        yield _counted("mosaic_entries", kinds)


_DESCRIBED = {
    "mosaic_database_up": ("Whether the database answers", ()),
    "mosaic_mosaics": ("Mosaics by phase", ("phase",)),
    "mosaic_entries": ("Entries by kind", ("kind",)),
}


def _counts(session: Session, column: Column[str], removed: Column[datetime | None]) -> dict[str, int]:
    """How many rows there are of each value of a column, without those that are removed."""
    found = session.execute(select(column, func.count()).where(removed.is_(None)).group_by(column))
    return dict(found.all())


def _family(name: str) -> GaugeMetricFamily:
    told, labels = _DESCRIBED[name]
    return GaugeMetricFamily(name, told, labels=labels)


def _counted(name: str, counts: dict[str, int]) -> Metric:
    family = _family(name)
    for label, count in counts.items():
        family.add_metric([label], count)
    return family


def _method(scope: Scope) -> str:
    """A method that there is; anybody can send another word."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "OTHER"
