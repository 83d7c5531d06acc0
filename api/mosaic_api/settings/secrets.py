"""Hides a server's secrets from the processes beside it that read untrusted files."""

import logging
import subprocess
import sys
from collections.abc import MutableMapping
from threading import Thread

from mosaic_worker.isolation import hide_memory

from mosaic_api.settings import SECRETS

PROBE_SECONDS = 60
_NEEDED = ("Landlock", "seccomp")
_log = logging.getLogger(__name__)


def guard_secrets(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Remove the secrets from the environment, which children inherit, and hide this process's memory from others.

    Returns the environment as it was.
    """
    whole = dict(environment)
    for name in SECRETS & environment.keys():
        del environment[name]
    hide_memory()
    return whole


def log_isolation() -> None:
    """Log how processes that read untrusted files are isolated; a background process tries it."""
    Thread(target=_probe, name="isolation", daemon=True).start()


def _probe() -> None:
    command = [sys.executable, "-P", "-m", "mosaic_worker.isolation"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("cannot test the isolation of processes that read files: %s", error)
        return
    isolation = done.stdout.strip() or f"not isolated ({done.stderr.strip()[-200:]})"
    lacking = [wall for wall in _NEEDED if wall not in isolation.partition(";")[0]]
    _log.log(logging.WARNING if lacking else logging.INFO, "processes that read untrusted files are %s", isolation)
