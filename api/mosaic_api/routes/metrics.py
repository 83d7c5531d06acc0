"""/metrics, for Prometheus in the internal network: no ingress exposes it. It has counts, but no names."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from mosaic_api.context import ContextDep

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(context: ContextDep) -> Response:
    """All metrics."""
    return Response(await context.metrics.text(), media_type=CONTENT_TYPE_LATEST)
