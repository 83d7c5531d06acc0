"""Prometheus metrics of the sync."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SyncMetrics:
    """The metrics of a process: see their descriptions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "mosaic_sync_leading", "Whether this process synchronizes rows and requests", registry=registry
        )
        self.connected = Gauge(
            "mosaic_sync_connected", "Whether the cluster's MosaicRequests are known", registry=registry
        )
        self.actions = Counter(
            "mosaic_sync_actions", "Actions that synchronized rows and requests", ("action",), registry=registry
        )
        self.failures = Counter("mosaic_sync_failures", "Failed actions, which are tried again", registry=registry)
