"""/central: datasets that others shared with the central server, and requests created on it.

All users of this installation call it with one token. It does not know which of them owns a request, so all of them
see requests without secrets.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from mosaic_crds.errors import MosaicError
from mosaic_worker.sources.access.budget import Budget

from mosaic_api.auth.identity import Principal
from mosaic_api.central.client import Central, NotConfigured
from mosaic_api.central.downloads import fetch_dataset, fetch_mosaic
from mosaic_api.central.schemas import CentralDataset, CentralDatasetList, CentralRequest, CentralRequestList
from mosaic_api.context import ContextDep
from mosaic_api.database import Dataset
from mosaic_api.datasets import schemas
from mosaic_api.datasets.service import DatasetService
from mosaic_api.dependencies import CurrentPrincipal, current_principal
from mosaic_api.requests.redaction import redacted
from mosaic_api.requests.schemas import RequestCreate
from mosaic_api.routes.datasets import dataset_service
from mosaic_api.web.problems import TooMany
from mosaic_api.web.schemas import ApiModel

Result = TypeVar("Result")
router = APIRouter(prefix="/central", tags=["central"], dependencies=[Depends(current_principal)])


class CentralStatus(ApiModel):
    """The state of the connection to the central server."""

    configured: bool
    url: str | None
    reachable: bool
    """Whether it answers and accepts this installation's token."""
    message: str
    """What to do if it is not reachable."""


Call = Callable[[Central], Result]


@dataclass(frozen=True)
class Caller:
    """Calls the central installation for the caller of a route, within the limits of such calls."""

    request: Request
    principal: CurrentPrincipal
    context: ContextDep

    async def __call__(self, call: Call[Result]) -> Result:
        """The result of a call."""
        work = lambda budget: call(Central(self.context.settings, budget))  # noqa: E731
        return await self.context.central_calls.run(self.request, self.principal.user_id, work)

    async def fetch(
        self,
        copy: Callable[[DatasetService, Central, Principal, uuid.UUID], tuple[Dataset, bool]],
        central_id: uuid.UUID,
        response: Response,
    ) -> schemas.Dataset:
        """Copy something, and set the location and status of the response."""
        service = dataset_service(self.context)

        def work(budget: Budget) -> tuple[Dataset, bool]:
            with budget.ending(service.cancelled.set):  # so that no file is converted for a caller who is gone
                return copy(service, Central(self.context.settings, budget), self.principal, central_id)

        dataset, created = await self.context.fetches.run(self.request, self.principal.user_id, work)
        response.headers["Location"] = f"../../../datasets/{dataset.id}"
        if not created:
            response.status_code = HTTPStatus.OK
        return schemas.Dataset.of(dataset, self.principal)


CallerDep = Annotated[Caller, Depends()]


@router.get("")
async def get_central_status(caller: CallerDep) -> CentralStatus:
    """Get whether a central server is configured, and whether it responds."""
    url = caller.context.settings.central_url or None
    try:
        await caller(lambda central: central.get("datasets", CentralDatasetList, {"limit": 1}))
    except TooMany:
        raise
    except NotConfigured as error:
        return CentralStatus(configured=False, url=url, reachable=False, message=str(error))
    except MosaicError as error:
        return CentralStatus(configured=True, url=url, reachable=False, message=str(error))
    return CentralStatus(configured=True, url=url, reachable=True, message="the central installation answers")


@router.get("/datasets")
async def list_central_datasets(request: Request, caller: CallerDep) -> CentralDatasetList:
    """List the datasets that others shared there, with the parameters of /datasets."""
    query = dict(request.query_params) | {"scope": "shared"}
    page = await caller(lambda central: central.get("datasets", CentralDatasetList, query))
    return page.model_copy(update={"next": _next(request, page.next)})


@router.get("/datasets/{dataset_id}")
async def get_central_dataset(dataset_id: uuid.UUID, caller: CallerDep) -> CentralDataset:
    """Get a dataset there."""
    return await caller(lambda central: central.get(f"datasets/{dataset_id}", CentralDataset))


@router.post("/datasets/{dataset_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch_central_dataset(dataset_id: uuid.UUID, response: Response, caller: CallerDep) -> schemas.Dataset:
    """Copy a dataset from there; copied again, it is the same one."""
    return await caller.fetch(fetch_dataset, dataset_id, response)


@router.post("/requests", status_code=HTTPStatus.CREATED)
async def create_central_request(asked: RequestCreate, caller: CallerDep) -> CentralRequest:
    """Create a request there."""
    caller.principal.require("editor")
    return _redacted(await caller(lambda central: central.submit(asked.model_dump())))


@router.get("/requests")
async def list_central_requests(request: Request, caller: CallerDep) -> CentralRequestList:
    """List the requests there that this installation's token may see, with the parameters of /requests."""
    query = dict(request.query_params)
    page = await caller(lambda central: central.get("requests", CentralRequestList, query))
    shown = [_redacted(each) for each in page.requests]
    return page.model_copy(update={"next": _next(request, page.next), "requests": shown})


@router.get("/requests/{request_id}")
async def get_central_request(request_id: uuid.UUID, caller: CallerDep) -> CentralRequest:
    """Get a request there."""
    return _redacted(await caller(lambda central: central.get(f"requests/{request_id}", CentralRequest)))


@router.post("/requests/{request_id}/fetch", status_code=HTTPStatus.CREATED)
async def fetch_central_request(request_id: uuid.UUID, response: Response, caller: CallerDep) -> schemas.Dataset:
    """Copy a published mosaic from there, as an image; copied again, it is the same dataset."""
    return await caller.fetch(fetch_mosaic, request_id, response)


def _redacted(request: CentralRequest) -> CentralRequest:
    return CentralRequest.model_validate(redacted(request.model_dump(mode="json")))


def _next(request: Request, following: str | None) -> str | None:
    """The URL here of the next page there."""
    return f"{request.url.path}?{following.partition('?')[2]}" if following else None
