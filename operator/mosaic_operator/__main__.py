"""`python -m mosaic_operator`: run the operator; with `check`, see whether an installed one works (helm test)."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable

from kubernetes.aio.client import Configuration

from mosaic_operator.check import CheckError, check
from mosaic_operator.health import serve
from mosaic_operator.kube import Cluster, configuration, connection_of
from mosaic_operator.leadership import lead
from mosaic_operator.logs import log_to_stderr
from mosaic_operator.metrics import Metrics
from mosaic_operator.reconciler import Jobs, Key, Reconciler, Requests
from mosaic_operator.settings import Settings, SettingsError, settings_from
from mosaic_operator.sweeping import sweep_now_and_then
from mosaic_operator.watching import watch

WORKERS = 8
"""Requests that are brought on at once; each waits for the API server most of the time."""

log = logging.getLogger("mosaic_operator")


async def run(settings: Settings) -> int:
    """Run until a signal says stop, or the Lease is lost; give the exit code."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    found = await configuration()
    metrics = Metrics()
    async with Cluster(found) as cluster:
        runner = await serve(cluster, metrics.registry, settings.port)
        held = await lead(cluster, settings, lambda: operate(settings, cluster, metrics, found, stop), stop)
        await runner.cleanup()
    return 0 if held else 1


async def operate(
    settings: Settings, cluster: Cluster, metrics: Metrics, found: Configuration, stop: asyncio.Event
) -> None:
    """Bring all requests on, as the one replica that works, until it is time to stop."""
    tasks: list[asyncio.Task[None]] = []

    def started(requests: Requests, jobs: Jobs) -> Callable[[Key], None]:
        reconciler = Reconciler(cluster, settings, metrics, requests, jobs)
        metrics.watch(reconciler.all_requests, cluster.calls)
        tasks.extend(asyncio.create_task(reconciler.work()) for _ in range(WORKERS))
        tasks.append(asyncio.create_task(sweep_now_and_then(cluster, settings)))
        return reconciler.queue.add

    log.info("at work for %s", ", ".join(settings.namespaces) or "all namespaces")
    try:
        await watch(settings, lambda: connection_of(found), started, stop)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main(arguments: list[str]) -> int:
    """Do what the command line says; give the exit code."""
    if arguments not in ([], ["check"]):
        print("usage: python -m mosaic_operator [check]", file=sys.stderr)  # noqa: T201
        return 2
    try:
        if arguments == ["check"]:
            print(asyncio.run(check(os.environ)))  # noqa: T201
            return 0
        settings = settings_from(os.environ)
        log_to_stderr(settings.log_level)
        return asyncio.run(run(settings))
    except (SettingsError, CheckError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
