"""/metrics: what Prometheus reads. Counts alone, no names; for the network inside: no ingress leads here."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from mosaic_api.context import HERE

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(here: HERE) -> Response:
    """All metrics."""
    return Response(await here.metrics.text(), media_type=CONTENT_TYPE_LATEST)
