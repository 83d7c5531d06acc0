"""Metrics for Prometheus."""

from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from enum import StrEnum
from typing import Any, Self

from mosaic_crds.lifecycle import TERMINAL, Condition, Phase, conditions_of
from mosaic_crds.times import time_or_none
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mosaic_operator.backoff import AWAY, RetryLaterError
from mosaic_operator.kube import ApiError
from mosaic_operator.requests import RequestState

SECONDS = (5, 10, 20, 40, 60, 120, 300, 600, 1200, 3600, 7200, 21600)
QUEUED_SECONDS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class ErrorKind(StrEnum):
    """Why a reconciliation failed."""

    CONFLICT = "conflict"
    """The request changed meanwhile; it is retried soon."""
    UNREACHABLE = "unreachable"
    """The API server did not respond, is busy, or does not know the operator."""
    REFUSED = "refused"
    """The API server refused a call."""
    UNEXPECTED = "unexpected"
    """An error of the operator."""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """The kind of an error."""
        if not isinstance(error, ApiError):
            return cls.UNEXPECTED
        if error.status in AWAY:
            return cls.UNREACHABLE
        return cls.CONFLICT if error.status == 409 else cls.REFUSED


class Metrics:
    """The operator's metrics.

    Attributes:
        registry: the exposed metrics.
        queued: seconds of each request in the work queue.
        reconciling: seconds of each reconciliation.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # Prometheus would take them for gauges
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._leading = Gauge("mosaic_leading", "Whether this replica is active", registry=self.registry)
        self._depth = Gauge("mosaic_workqueue_depth", "Requests that wait to be reconciled", registry=self.registry)
        self.queued = Histogram(
            "mosaic_workqueue_queue_duration_seconds",
            "How long requests wait to be reconciled",
            buckets=QUEUED_SECONDS,
            registry=self.registry,
        )
        self.reconciling = Histogram(
            "mosaic_reconcile_duration_seconds", "Duration of each reconciliation", registry=self.registry
        )
        self._errors = Counter("mosaic_reconcile_errors", "Failed reconciliations", ("kind",), registry=self.registry)
        for kind in ErrorKind:
            self._errors.labels(kind)
        self._over = Counter("mosaic_requests_over", "Finished requests", ("phase", "reason"), registry=self.registry)
        self._duration = Histogram(
            "mosaic_request_duration_seconds",
            "From the start to the end of a request",
            ("phase",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._ranges = Counter("mosaic_ranges_done", "Finished ranges of tiles", registry=self.registry)
        self._pixels = Counter("mosaic_published_pixels", "Pixels of published mosaics", registry=self.registry)

    def watch(
        self,
        requests: Callable[[], Iterable[RequestState]],
        calls: Mapping[tuple[str, str], int],
        queue: Sized,
        leads: Callable[[], bool],
    ) -> None:
        """Expose what others know; until then this replica is not active.

        Args:
            requests: returns the unfinished requests.
            calls: number of calls to the API server, by verb and resource.
            queue: requests that wait to be reconciled.
            leads: returns whether this replica is active.
        """
        self.registry.register(_Seen(requests, calls))
        self._depth.set_function(lambda: len(queue))
        self._leading.set_function(leads)

    def failed(self, error: Exception) -> None:
        """Count a failed reconciliation. One that waits for another object has not failed."""
        if not isinstance(error, RetryLaterError):
            self._errors.labels(ErrorKind.of(error)).inc()

    def count(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Count the changes of a status."""
        done = [status.get("progress", {}).get("rangesDone", 0) for status in (old, new)]
        self._ranges.inc(max(0, done[1] - done[0]))
        if new.get("phase") == old.get("phase") or new.get("phase") not in TERMINAL:
            return
        phase = str(new["phase"])
        ready = conditions_of(new).get(Condition.READY, {})
        self._over.labels(phase, ready.get("reason", "") if phase == Phase.FAILED else "").inc()
        started, completed = time_or_none(new.get("startTime")), time_or_none(new.get("completionTime"))
        if started is not None and completed is not None:
            self._duration.labels(phase).observe((completed - started).total_seconds())
        if phase == Phase.SUCCEEDED:
            self._pixels.inc(new["result"]["pixels"])


class _Seen(Collector):
    """Requests by phase, and calls to the API server."""

    def __init__(self, requests: Callable[[], Iterable[RequestState]], calls: Mapping[tuple[str, str], int]) -> None:
        self._requests, self._calls = requests, calls

    def collect(self) -> Iterator[Metric]:
        phases = Count(str(request.phase or Phase.PENDING) for request in self._requests())
        there = GaugeMetricFamily("mosaic_requests", "Unfinished requests", labels=["phase"])
        for phase in Phase:
            there.add_metric([str(phase)], phases[str(phase)])
        yield there
        called = CounterMetricFamily("mosaic_api_calls", "Calls to the API server", labels=["verb", "resource"])
        for (verb, resource), count in list(self._calls.items()):  # another thread counts meanwhile
            called.add_metric([verb, resource], count)
        yield called
