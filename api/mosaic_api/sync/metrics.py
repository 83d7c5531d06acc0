"""What Prometheus reads of the sync."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SyncMetrics:
    """The metrics of one process.

    Attributes:
        leading: whether this process is the one that keeps rows and requests in step.
        connected: whether the cluster's MosaicRequests are known to it.
        actions: what was done to bring rows and requests in step, by its kind.
        failures: what could not be done, and is tried again.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "mosaic_sync_leading", "Whether this process keeps rows and requests in step", registry=registry
        )
        self.connected = Gauge(
            "mosaic_sync_connected", "Whether the cluster's MosaicRequests are known", registry=registry
        )
        self.actions = Counter(
            "mosaic_sync_actions", "What was done to bring rows and requests in step", ("action",), registry=registry
        )
        self.failures = Counter("mosaic_sync_failures", "What could not be done, and is tried again", registry=registry)
