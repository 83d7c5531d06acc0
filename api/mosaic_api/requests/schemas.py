"""The REST schemas of requests."""

import uuid
from datetime import datetime
from typing import Any, Self

from mosaic_crds.lifecycle import Phase
from pydantic import ConfigDict, StrictBool

from mosaic_api.auth.identity import Principal
from mosaic_api.auth.ownership import owns
from mosaic_api.database import Request as RequestRow
from mosaic_api.requests.redaction import redacted
from mosaic_api.web.schemas import ApiModel, Spec, Status

EXAMPLE: dict[str, Any] = {
    "name": "ndvi-victoria",
    "spec": {
        "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]},
        "source": {
            "stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-06-15/2024-08-31"}
        },
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud", "shadow"]},
    },
}


class RequestCreate(ApiModel):
    """A new request."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: str | None = None
    """Lower-case letters, digits and hyphens; generated from the product if absent."""
    spec: Spec
    """The spec of a MosaicRequest."""


class RequestPatch(ApiModel):
    """The fields of a request that can change."""

    model_config = ConfigDict(extra="forbid")

    shared: StrictBool
    """Whether all users of this installation may see it."""


class Request(ApiModel):
    """A request, and what is known of its progress and result."""

    id: uuid.UUID
    name: str
    namespace: str
    owner: str | None
    """The name of its owner."""
    mine: bool
    """Whether you own it."""
    origin: str
    """api, cluster (kubectl), overlays (the research system's table) or command."""
    shared: bool
    created: datetime
    started: datetime | None
    completed: datetime | None
    cancelling: bool
    """Whether it has been cancelled and still runs."""
    phase: Phase
    terminal: bool
    """Whether no other phase follows."""
    working: bool
    """Whether a step of the request is at work."""
    spec: Spec
    """The spec of the MosaicRequest; users other than the owner see URLs without queries and user names."""
    redacted: bool
    """Whether parts of URLs are removed, because they may be secret and another user owns the request."""
    status: Status
    """The status of the MosaicRequest: message, plan, progress, result."""
    item: dict[str, Any] | None = None
    """The STAC Item of the published mosaic; only in the response for a single request."""

    @classmethod
    def of(cls, row: RequestRow, principal: Principal, *, whole: bool = True) -> Self:
        """The request as the principal may see it."""
        mine = owns(principal, row)
        seen: dict[str, Any] = {"spec": row.spec, "status": row.status, "item": row.item if whole else None}
        seen = seen | {"redacted": False} if mine else redacted(seen)
        phase = Phase(row.phase)
        return cls.from_row(
            row,
            owner=row.owner.name if row.owner else None,
            mine=mine,
            cancelling=row.cancelled is not None and not row.over,
            phase=phase,
            terminal=phase.terminal,
            working=phase.working,
            **seen,
        )


class RequestList(ApiModel):
    """A page of requests, newest first."""

    requests: list[Request]
    total: int
    """The number of requests on all pages."""
    next: str | None
    """The URL of the next page."""
