"""Metrics for Prometheus: HTTP requests, the database and the background loops."""

import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import Phase
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute as Column
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mosaic_api.background.loops import Loops
from mosaic_api.database import Database, Dataset, Request
from mosaic_api.monitoring.health import SharedCheck

NOWHERE = "none"
"""The route of unknown paths, which could be any number."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one application."""

    def __init__(self, database: Database, loops: Loops) -> None:
        self.registry = CollectorRegistry()
        self._rows = _Rows(database)
        self._counting = SharedCheck(self._rows.count)
        self.registry.register(self._rows)
        self.registry.register(_LoopStates(loops))
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

    async def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        try:
            await self._counting.answer()
        except TimeoutError:
            self._rows.forget()
        return generate_latest(self.registry)

    def close(self) -> None:
        """End the thread."""
        self._counting.close()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class MetricsMiddleware:
    """Counts the responses of an application. Some of its routes have a prefix."""

    def __init__(self, app: ASGIApp, metrics: Metrics, prefix: str) -> None:
        self._app, self._metrics, self._prefix = app, metrics, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                duration = time.perf_counter() - began
                self._metrics.observe(_method(scope), self._route(scope), message["status"], duration)
            await send(message)

        await self._app(scope, receive, counted)

    def _route(self, scope: Scope) -> str:
        """The template of the path, with the prefix."""
        route = getattr(scope.get("route"), "path", None)
        if route is None:
            return NOWHERE
        below = scope["path"].startswith(f"{self._prefix}/") and not route.startswith(f"{self._prefix}/")
        return f"{self._prefix}{route}" if below else str(route)


class _Rows(Collector):
    """The rows of the database at the last count."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: list[Metric] = []
        self.forget()

    def describe(self) -> list[Metric]:
        """The names: registration counts nothing."""
        return [_up(0), _by_phase({}), _by_kind({})]

    def collect(self) -> Iterator[Metric]:
        """The last count."""
        yield from self._counted

    def forget(self) -> None:
        """Report that the database does not answer."""
        self._counted = [_up(0)]

    def count(self) -> None:
        """Count requests by phase and datasets by kind, and whether the database answers."""
        try:
            with self._database.transaction() as session:
                phases = _counts(session, Request.phase, Request.removed)
                kinds = _counts(session, Dataset.kind, Dataset.removed)
        except PassingError:
            self.forget()
            return
        by_phase = {str(phase): phases.get(str(phase), 0) for phase in Phase}
        self._counted = [_up(1), _by_phase(by_phase), _by_kind(kinds)]


class _LoopStates(Collector):
    """The background loops of this process."""

    def __init__(self, loops: Loops) -> None:
        self._loops = loops

    def describe(self) -> list[Metric]:
        """The names."""
        return list(self._families())

    def collect(self) -> Iterator[Metric]:
        """State, errors and silence of each loop."""
        up, failures, age = self._families()
        for loop in self._loops.all():
            up.add_metric([loop.name], 0 if loop.trouble else 1)
            failures.add_metric([loop.name], loop.failures)
            age.add_metric([loop.name], loop.age)
        yield from (up, failures, age)

    def _families(self) -> tuple[GaugeMetricFamily, CounterMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("mosaic_loop_up", "Whether a background loop is neither stuck nor dead", labels=["loop"]),
            CounterMetricFamily("mosaic_loop_failures", "Errors of a background loop, which goes on", labels=["loop"]),
            GaugeMetricFamily(
                "mosaic_loop_silent_seconds", "Since a background loop last showed that it is alive", labels=["loop"]
            ),
        )


def _counts(session: Session, column: Column[str], removed: Column[datetime | None]) -> dict[str, int]:
    """The number of rows for each value of a column, without removed ones."""
    found = session.execute(select(column, func.count()).where(removed.is_(None)).group_by(column))
    return dict(found.all())


def _up(value: int) -> Metric:
    return GaugeMetricFamily("mosaic_database_up", "Whether the database answers", value=value)


def _by_label(name: str, description: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, description, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


_by_phase = partial(_by_label, "mosaic_database_requests", "Requests by phase", "phase")
_by_kind = partial(_by_label, "mosaic_database_datasets", "Datasets by kind", "kind")


def _method(scope: Scope) -> str:
    """A known method; clients can send any word."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "OTHER"
