"""Walls around a process that reads files from strangers: what it may touch (`rules`), and how it is shut in."""

from mosaic_worker.isolation.kernel import hide_memory
from mosaic_worker.isolation.rules import Rules, code_files, network_files
from mosaic_worker.isolation.sealing import report, seal

__all__ = ["Rules", "code_files", "hide_memory", "network_files", "report", "seal"]
