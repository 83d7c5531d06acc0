"""/central: datasets that others shared with the central server, and requests created on it.

All users of this installation call it with one token. It does not know which of them owns a request, so all of them
see requests without secrets.
"""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from mosaic_crds.errors import MosaicError
from mosaic_worker.sources.access.budget import Budget

from mosaic_api.auth.identity import Principal
from mosaic_api.central.client import Central, NotConfigured
from mosaic_api.central.downloads import fetch_dataset, fetch_mosaic
from mosaic_api.central.schemas import CentralDataset, CentralDatasetList, CentralRequest, CentralRequestList
from mosaic_api.context import Context, ContextDep
from mosaic_api.database import Dataset
from mosaic_api.datasets import schemas
from mosaic_api.datasets.service import DatasetService
from mosaic_api.dependencies import CurrentPrincipal, current_principal
from mosaic_api.requests.redaction import redacted
from mosaic_api.requests.schemas import RequestCreate
from mosaic_api.routes.datasets import DatasetServiceDep
from mosaic_api.web.problems import TooMany
from mosaic_api.web.schemas import ApiModel

Result = TypeVar("Result")
router = APIRouter(prefix="/central", tags=["central"], dependencies=[Depends(current_principal)])


class CentralStatus(ApiModel):
    """How it stands with the central installation."""

    configured: bool
    url: str | None
    reachable: bool
    """Whether it answers and accepts this installation."""
    message: str
    """What to do, if something is to be done."""


Call = Callable[[Central], Result]


async def called(request: Request, principal: Principal, context: Context, call: Call[Result]) -> Result:
    """What the central installation answers, within the limits of such calls."""
    work = lambda budget: call(Central(context.settings, budget))  # noqa: E731
    return await context.central_calls.ask(request, principal.user_id, work)


@router.get("")
async def get_central_status(request: Request, principal: CurrentPrincipal, context: ContextDep) -> CentralStatus:
    """Get whether a central server is configured, and whether it responds."""
    url = context.settings.central_url or None
    try:
        await called(
            request, principal, context, lambda central: central.get("datasets", CentralDatasetList, {"limit": 1})
        )
    except TooMany:
        raise
    except NotConfigured as error:
        return CentralStatus(configured=False, url=url, reachable=False, message=str(error))
    except MosaicError as error:
        return CentralStatus(configured=True, url=url, reachable=False, message=str(error))
    return CentralStatus(configured=True, url=url, reachable=True, message="it answers")


@router.get("/datasets")
async def list_central_datasets(request: Request, principal: CurrentPrincipal, context: ContextDep) -> dict[str, Any]:
    """List the datasets that others shared there, with the parameters of /datasets."""
    asked = dict(request.query_params) | {"scope": "shared"}
    told = await called(request, principal, context, lambda central: central.get("datasets", CentralDatasetList, asked))
    return _page(request, told)


@router.get("/datasets/{dataset_id}")
async def get_central_dataset(
    dataset_id: uuid.UUID, request: Request, principal: CurrentPrincipal, context: ContextDep
) -> dict[str, Any]:
    """Get a dataset there."""
    path = f"datasets/{dataset_id}"
    told = await called(request, principal, context, lambda central: central.get(path, CentralDataset))
    return told.model_dump(mode="json")


@router.post("/datasets/{dataset_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch_central_dataset(
    dataset_id: uuid.UUID,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    context: ContextDep,
    service: DatasetServiceDep,
) -> schemas.Dataset:
    """Copy a dataset from there; fetched again, it is the same one."""
    fetching = lambda central: fetch_dataset(service, central, principal, dataset_id)  # noqa: E731
    return schemas.Dataset.of(await _taken(fetching, request, response, principal, context, service), principal)


@router.post("/requests", status_code=HTTPStatus.CREATED)
async def create_central_request(
    asked: RequestCreate, request: Request, principal: CurrentPrincipal, context: ContextDep
) -> dict[str, Any]:
    """Create a request there."""
    principal.require("editor")
    told = await called(request, principal, context, lambda central: central.ask(asked.model_dump()))
    return redacted(told.model_dump(mode="json"))


@router.get("/requests")
async def list_central_requests(request: Request, principal: CurrentPrincipal, context: ContextDep) -> dict[str, Any]:
    """List the requests there that this installation's token may see, with the parameters of /requests."""
    asked = dict(request.query_params)
    told = await called(request, principal, context, lambda central: central.get("requests", CentralRequestList, asked))
    page = _page(request, told)
    return page | {"requests": [redacted(each) for each in page["requests"]]}


@router.get("/requests/{request_id}")
async def get_central_request(
    request_id: uuid.UUID, request: Request, principal: CurrentPrincipal, context: ContextDep
) -> dict[str, Any]:
    """Get a request there."""
    path = f"requests/{request_id}"
    told = await called(request, principal, context, lambda central: central.get(path, CentralRequest))
    return redacted(told.model_dump(mode="json"))


@router.post("/requests/{request_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch_central_request(
    request_id: uuid.UUID,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    context: ContextDep,
    service: DatasetServiceDep,
) -> schemas.Dataset:
    """Copy a published mosaic from there, as an image; fetched again, it is the same dataset."""
    fetching = lambda central: fetch_mosaic(service, central, principal, request_id)  # noqa: E731
    return schemas.Dataset.of(await _taken(fetching, request, response, principal, context, service), principal)


async def _taken(
    fetching: Call[tuple[Dataset, bool]],
    request: Request,
    response: Response,
    principal: Principal,
    context: Context,
    service: DatasetService,
) -> Dataset:
    """The dataset that was fetched, of which the answer says where it is and whether it was there already."""

    def work(budget: Budget) -> tuple[Dataset, bool]:
        with budget.ending(service.cancelled.set):  # so that no file is converted that nobody waits for
            return fetching(Central(context.settings, budget))

    fetched, made = await context.fetches.ask(request, principal.user_id, work)
    response.headers["Location"] = f"../../../datasets/{fetched.id}"
    if not made:
        response.status_code = HTTPStatus.OK
    return fetched


def _page(request: Request, told: CentralDatasetList | CentralRequestList) -> dict[str, Any]:
    """A page there, with the address here of the next one."""
    following = f"{request.url.path}?{told.next.partition('?')[2]}" if told.next else None
    return told.model_dump(mode="json") | {"next": following}
