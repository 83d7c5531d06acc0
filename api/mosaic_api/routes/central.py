"""/central: what others shared with the central installation, and mosaics asked of it.

All who are here call it with one token, so that it cannot say who of them owns a request: all see it as others do.
"""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Request, Response
from mosaic_crds.errors import MosaicError

from mosaic_api.access import Who, who
from mosaic_api.bodies import Body
from mosaic_api.central.client import Central, NotConfigured
from mosaic_api.central.fetching import fetch_entry, fetch_mosaic
from mosaic_api.context import HERE, Context
from mosaic_api.database import Entry
from mosaic_api.entries.telling import Told
from mosaic_api.identity import Principal
from mosaic_api.redaction import redacted
from mosaic_api.routes.entries import KEEPER
from mosaic_api.routes.mosaics import Asked

router = APIRouter(prefix="/central", tags=["central"], dependencies=[Depends(who)])


class Standing(Body):
    """How it stands with the central installation."""

    configured: bool
    url: str | None
    reachable: bool
    """Whether it answers and accepts this installation."""
    message: str
    """What to do, if something is to be done."""


def central(here: HERE) -> Iterator[Central]:
    """The central installation, for one request."""
    with Central(here.settings) as opened:
        yield opened


CENTRAL = Annotated[Central, Depends(central)]


@router.get("")
def standing(here: HERE) -> Standing:
    """Whether there is a central installation, and whether it answers."""
    url = here.settings.central_url or None
    try:
        with Central(here.settings) as opened:
            opened.get("entries", {"limit": 1})
    except NotConfigured as error:
        return Standing(configured=False, url=url, reachable=False, message=str(error))
    except MosaicError as error:
        return Standing(configured=True, url=url, reachable=False, message=str(error))
    return Standing(configured=True, url=url, reachable=True, message="it answers")


@router.get("/entries")
def entries(request: Request, central: CENTRAL) -> dict[str, Any]:
    """What others shared there, with the parameters of /entries."""
    told = central.get("entries", dict(request.query_params) | {"scope": "shared"})
    return told | {"next": _here(request, told)}


@router.get("/entries/{entry_id}")
def entry(entry_id: uuid.UUID, central: CENTRAL) -> dict[str, Any]:
    """An entry there."""
    return central.get(f"entries/{entry_id}")


@router.post("/entries/{entry_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch(
    entry_id: uuid.UUID, response: Response, principal: Who, here: HERE, keeper: KEEPER, central: CENTRAL
) -> Told:
    """Take an entry over from there; fetched again, it is the same one."""
    fetching = partial(fetch_entry, keeper, central, principal, entry_id)
    return Told.of(await _taken(fetching, principal, response, here), principal)


@router.post("/requests", status_code=HTTPStatus.CREATED)
def ask(asked: Asked, principal: Who, central: CENTRAL) -> dict[str, Any]:
    """Ask it for a mosaic."""
    principal.require("editor")
    return redacted(central.ask(asked.model_dump()))


@router.get("/requests")
def requests(request: Request, central: CENTRAL) -> dict[str, Any]:
    """The mosaics there that this installation's token may see, with the parameters of /requests."""
    told = central.get("requests", dict(request.query_params))
    seen = [redacted(each) for each in told.get("requests", []) if isinstance(each, dict)]
    return told | {"requests": seen, "next": _here(request, told)}


@router.get("/requests/{mosaic_id}")
def asked_for(mosaic_id: uuid.UUID, central: CENTRAL) -> dict[str, Any]:
    """A mosaic there."""
    return redacted(central.get(f"requests/{mosaic_id}"))


@router.post("/requests/{mosaic_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch_published(
    mosaic_id: uuid.UUID, response: Response, principal: Who, here: HERE, keeper: KEEPER, central: CENTRAL
) -> Told:
    """Take a published mosaic over from there, as an image; fetched again, it is the same one."""
    fetching = partial(fetch_mosaic, keeper, central, principal, mosaic_id)
    return Told.of(await _taken(fetching, principal, response, here), principal)


async def _taken(
    fetching: Callable[[], tuple[Entry, bool]], principal: Principal, response: Response, here: Context
) -> Entry:
    """The entry that was fetched, of which the answer says where it is and whether it was there already."""
    with here.fetches.slot(principal.user_id):
        fetched, made = await anyio.to_thread.run_sync(fetching, limiter=here.working)
    response.headers["Location"] = f"../../../entries/{fetched.id}"
    if not made:
        response.status_code = HTTPStatus.OK
    return fetched


def _here(request: Request, told: dict[str, Any]) -> str | None:
    """The address here of the next page there."""
    following = told.get("next")
    return f"{request.url.path}?{str(following).partition('?')[2]}" if following else None
