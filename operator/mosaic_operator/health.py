"""What the kubelet, the chart's test and Prometheus ask the operator."""

from time import monotonic

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from mosaic_operator.kube import Cluster

SILENT_SECONDS = 90
"""After so long without an answer of the API server the operator is not ready."""


async def serve(cluster: Cluster, registry: CollectorRegistry, port: int) -> web.AppRunner:
    """Serve /healthz, /readyz and /metrics until the runner is cleaned up."""

    async def healthz(_: web.Request) -> web.Response:
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
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 (the pod's own address is not known)
    return runner
