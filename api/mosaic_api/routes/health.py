"""Liveness and readiness."""

from fastapi import APIRouter, Request, Response

from mosaic_api.context import context_of
from mosaic_api.web.problems import Unavailable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process runs."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers, and the background loops work."""
    troubles = await context_of(request).health.troubles()
    if troubles:
        raise Unavailable("; ".join(troubles))
    return Response("ok\n", media_type="text/plain")
