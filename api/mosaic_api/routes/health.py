"""Whether this process lives, and whether it can work."""

from fastapi import APIRouter, Request, Response

from mosaic_api.context import context_of
from mosaic_api.problems import Unavailable

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """It lives."""
    return Response("ok\n", media_type="text/plain")


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """Its database answers."""
    if not context_of(request).database.answers():
        raise Unavailable("the database does not answer")
    return Response("ok\n", media_type="text/plain")
