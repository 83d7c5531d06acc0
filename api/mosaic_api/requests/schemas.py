"""The REST schemas of requests."""

import uuid
from datetime import datetime
from typing import Any, Self

from mosaic_crds.lifecycle import Phase
from pydantic import ConfigDict, StrictBool

from mosaic_api.auth.identity import Principal
from mosaic_api.database import Request as RequestRow
from mosaic_api.requests.redaction import redacted
from mosaic_api.web.schemas import ApiModel, Spec

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
    """What is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: str | None = None
    """Small letters, digits and hyphens; made from the product if absent."""
    spec: Spec
    """The spec of a MosaicRequest."""


class RequestPatch(ApiModel):
    """What can be changed of a mosaic."""

    model_config = ConfigDict(extra="forbid")

    shared: StrictBool
    """Whether everybody here may see it."""


class Request(ApiModel):
    """A mosaic that was asked for."""

    id: uuid.UUID
    name: str
    namespace: str
    owner: str | None
    """The name of whom it belongs to."""
    mine: bool
    """Whether it belongs to who asks."""
    origin: str
    """api, cluster (kubectl), overlays (the research system's table) or command."""
    shared: bool
    created: datetime
    started: datetime | None
    completed: datetime | None
    cancelling: bool
    """Whether it is wished that it stops."""
    phase: Phase
    terminal: bool
    """Whether no other phase follows."""
    working: bool
    """Whether a step of the request is at work."""
    spec: dict[str, Any]
    """What was asked for; to others than its owner without the queries and user names of addresses."""
    redacted: bool
    """Whether anything of its addresses is left out, since it may be secret and somebody else owns it."""
    status: dict[str, Any]
    """That of the MosaicRequest: message, plan, progress, result."""
    item: dict[str, Any] | None = None
    """The STAC Item of the published mosaic; only where one mosaic is asked for."""

    @classmethod
    def of(cls, row: RequestRow, principal: Principal, *, whole: bool = True) -> Self:
        """As it is told to the principal."""
        mine = row.owner_id is not None and row.owner_id == principal.user_id
        seen: dict[str, Any] = {"spec": row.spec, "status": row.status, "item": row.item if whole else None}
        seen = seen | {"redacted": False} if mine else redacted(seen)
        phase = Phase(row.phase)
        return cls(
            id=row.id,
            name=row.name,
            namespace=row.namespace,
            owner=row.owner.name if row.owner else None,
            mine=mine,
            origin=row.origin,
            shared=row.shared,
            created=row.created,
            started=row.started,
            completed=row.completed,
            cancelling=row.cancelled is not None and not row.over,
            phase=phase,
            terminal=phase.terminal,
            working=phase.working,
            **seen,
        )


class RequestList(ApiModel):
    """A page of mosaics, newest first."""

    requests: list[Request]
    total: int
    """Of all pages."""
    next: str | None
    """The address of the next page."""
