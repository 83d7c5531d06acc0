"""Synchronizes the rows of requests with the MosaicRequests of a cluster: observe, decide, act.

Either side may be unavailable for any time. Several processes may run it; a lock in the database lets one of them work.
"""

from mosaic_api.sync.runner import run_sync

__all__ = ["run_sync"]
