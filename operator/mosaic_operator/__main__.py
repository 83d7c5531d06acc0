"""`python -m mosaic_operator` runs the operator; with `check` it tests an installed one (helm test)."""

import asyncio
import logging
import os
import signal
import sys
from functools import partial
from time import monotonic

from kubernetes.aio.client import Configuration
from mosaic_crds.json_input import read_json_of_any_depth
from mosaic_crds.reports import guarded

from mosaic_operator.cache import Cache
from mosaic_operator.check import CheckError, check
from mosaic_operator.cluster import Cluster
from mosaic_operator.connection import configuration, connection_of
from mosaic_operator.health import serving
from mosaic_operator.leader_election import lead
from mosaic_operator.logs import log_to_stderr
from mosaic_operator.metrics import Metrics
from mosaic_operator.reconciler import Reconciler
from mosaic_operator.resync import compare_now_and_then, fill
from mosaic_operator.settings import Settings, SettingsError, settings_from
from mosaic_operator.sweeping import sweep_now_and_then
from mosaic_operator.tasks import Task, together, until_stopped
from mosaic_operator.watch import watch

WORKERS = 8
"""Requests that are reconciled concurrently; each mostly waits for the API server."""

log = logging.getLogger("mosaic_operator")


async def run(settings: Settings) -> int:
    """Run until a signal, the loss of the Lease or the failure of a task; return the exit code."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    found = await configuration()
    metrics = Metrics()
    async with Cluster(found) as cluster:
        with serving(cluster, metrics.registry, settings.port):
            held = await lead(cluster, settings, lambda: operate(settings, cluster, metrics, found, stop), stop)
    return 0 if held else 1


async def operate(
    settings: Settings, cluster: Cluster, metrics: Metrics, found: Configuration, stop: asyncio.Event
) -> None:
    """Reconcile all requests, as the one active replica, until stop is set.

    Raises:
        BaseExceptionGroup: a task failed or ended too early; the process ends, so that Kubernetes starts another.
    """
    cache = Cache()
    reconciler = Reconciler(cluster, settings, metrics, cache)
    metrics.watch(
        lambda: list(cache.requests.values()),
        cluster.calls,
        reconciler.queue,
        lambda: monotonic() < cluster.leads_until,
    )
    tell = reconciler.queue.add
    log.info("serving %s", ", ".join(settings.namespaces) or "all namespaces")

    async def work() -> None:
        await fill(cluster, settings, cache)
        for key in cache.requests.keys() | cache.jobs.keys():
            tell(key)
        endless: dict[str, Task] = {f"worker {number}": reconciler.work for number in range(WORKERS)}
        endless["the sweep"] = partial(sweep_now_and_then, cluster, settings)
        endless["the comparison"] = partial(compare_now_and_then, cluster, settings, cache, tell)
        await together(partial(watch, settings, lambda: connection_of(found), cache, tell, stop), endless, stop)

    await until_stopped(work, stop)


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    if arguments not in ([], ["check"]):
        print("usage: python -m mosaic_operator [check]", file=sys.stderr)  # noqa: T201
        return 2
    try:
        if arguments == ["check"]:
            print(asyncio.run(check(os.environ)))  # noqa: T201
            return 0
        settings = settings_from(os.environ)
        read_json_of_any_depth()
        log_to_stderr(settings.log_level)
        return asyncio.run(run(settings))
    except (SettingsError, CheckError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(guarded("mosaic_operator", lambda: main(sys.argv[1:])))
