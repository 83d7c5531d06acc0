"""Metrics for Prometheus."""

from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mosaic_crds.lifecycle import TERMINAL, Condition, Phase, conditions_of
from mosaic_crds.times import time_or_none
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mosaic_operator.requests import RequestState

SECONDS = (5, 10, 20, 40, 60, 120, 300, 600, 1200, 3600, 7200, 21600)


class Metrics:
    """The operator's metrics.

    Attributes:
        registry: the exposed metrics.
        reconciling: seconds of each reconciliation.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # Prometheus would take them for gauges
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciling = Histogram(
            "mosaic_reconcile_duration_seconds", "Duration of each reconciliation", registry=self.registry
        )
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

    def watch(self, requests: Callable[[], Iterable[RequestState]], calls: Mapping[tuple[str, str], int]) -> None:
        """Expose counts that others keep."""
        self.registry.register(_Seen(requests, calls))

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
