"""A sandbox for processes that read untrusted files: `rules` lists what they may access, `sealing` applies it."""

from mosaic_worker.isolation.kernel import hide_memory
from mosaic_worker.isolation.rules import Rules, code_files, network_files
from mosaic_worker.isolation.sealing import report, seal

__all__ = ["Rules", "code_files", "hide_memory", "network_files", "report", "seal"]
