"""Whether this process lives, and whether it can work."""

from fastapi import APIRouter, Request, Response

from mosaic_api.context import context_of
from mosaic_api.web.problems import Unavailable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """It lives."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Its database answers, and its background loops work."""
    troubles = await context_of(request).health.troubles()
    if troubles:
        raise Unavailable("; ".join(troubles))
    return Response("ok\n", media_type="text/plain")
