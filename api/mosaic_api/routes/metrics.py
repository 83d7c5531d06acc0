"""/metrics: what Prometheus reads. Counts alone, no names; for the network inside: no ingress leads here."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from mosaic_api.context import ContextDep

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(context: ContextDep) -> Response:
    """All metrics."""
    return Response(await context.metrics.text(), media_type=CONTENT_TYPE_LATEST)
