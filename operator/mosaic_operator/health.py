"""HTTP endpoints for the kubelet, the test of the chart and Prometheus, in a separate thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from time import monotonic

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from mosaic_operator.cluster import Cluster

SILENT_SECONDS = 90
"""The operator is not ready if the API server has not responded for this long."""
STUCK_SECONDS = 120
"""The operator is not healthy if the event loop has been blocked for this long; Kubernetes restarts it."""
BEAT_SECONDS = 1


@contextmanager
def serving(cluster: Cluster, registry: CollectorRegistry, port: int) -> Iterator[None]:
    """Serve /healthz, /readyz and /metrics. Enter it in a running event loop.

    Raises:
        OSError: the port is in use.
    """
    beat = [monotonic()]

    async def pulse() -> None:
        while True:
            beat[0] = monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    async def healthz(_: web.Request) -> web.Response:
        stuck = monotonic() - beat[0]
        if stuck > STUCK_SECONDS:
            return web.Response(status=503, text=f"the event loop has been stuck for {stuck:.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        silent = monotonic() - cluster.answered
        if silent > SILENT_SECONDS:
            return web.Response(status=503, text=f"the API server did not answer for {silent:.0f} s\n")
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    started: Future[Callable[[], object]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(app, port, started)), name="health", daemon=True)
    thread.start()
    end = started.result()
    beating = asyncio.get_running_loop().create_task(pulse())
    try:
        yield
    finally:
        beating.cancel()
        end()
        thread.join()


async def _serve(app: web.Application, port: int, started: "Future[Callable[[], object]]") -> None:
    """Serve until somebody calls the result of `started`."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        await runner.setup()
        await web.TCPSite(runner, port=port).start()  # all IPv4 and IPv6 addresses: the pod's own is not known
    except OSError as error:
        started.set_exception(error)
    else:
        started.set_result(lambda: loop.call_soon_threadsafe(over.set))
        await over.wait()
    await runner.cleanup()
