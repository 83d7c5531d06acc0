"""The gate of requests, separate from the settings for processes that need nothing else of them."""

from collections.abc import Sequence
from pathlib import Path

from mosaic_worker.sources.access.gate import Gate, own_folders, pod


def gate_of(allowed_hosts: str | None, scenes: Sequence[Path]) -> Gate:
    """The gate for these settings."""
    return own_folders(scenes) if allowed_hosts is None else pod(allowed_hosts)
