"""What Prometheus reads of the sync."""

from prometheus_client import Counter, Gauge

LEADING = Gauge("mosaic_sync_leading", "Whether this process is the one that keeps rows and requests in step")
CONNECTED = Gauge("mosaic_sync_connected", "Whether the cluster's MosaicRequests are known")
ACTIONS = Counter("mosaic_sync_actions", "What was done to bring rows and requests in step", ("action",))
FAILURES = Counter("mosaic_sync_failures", "What could not be done, and is tried again")
