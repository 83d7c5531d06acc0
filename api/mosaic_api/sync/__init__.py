"""Rows become MosaicRequests, and what the cluster tells of these becomes rows: observe, decide, act, whenever needed.

Either side may be away for any time. Any number of processes may run it; the database lets one of them work.
"""

from mosaic_api.sync.runner import run_sync

__all__ = ["run_sync"]
