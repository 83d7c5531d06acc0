"""What a decision rests on: the rows of a name, and the MosaicRequest of that name in the cluster."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.names import ANNOTATION_ROW, API_VERSION
from mosaic_crds.spec import Execution

from mosaic_api.database.models import Request

FOLLOWED = ("parallelism", "suspend")
"""What kubectl may change of `spec.execution` at any time; `cancel` is a wish, and stands in a column of its own."""
_DEFAULTS = {name: Execution.model_fields[name].default for name in FOLLOWED}


@dataclass(frozen=True)
class Resource:
    """A MosaicRequest as the API server gave it."""

    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the request."""
        return str(self.document["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of this very request: one that is applied again under its name has another."""
        return str(self.document["metadata"]["uid"])

    @property
    def row(self) -> str:
        """The id of the row that it was applied for; empty if nobody says so."""
        return str(self.document["metadata"].get("annotations", {}).get(ANNOTATION_ROW, ""))

    @property
    def created(self) -> datetime:
        """When it was applied."""
        return datetime.fromisoformat(self.document["metadata"]["creationTimestamp"])

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.document["metadata"]

    @property
    def spec(self) -> dict[str, Any]:
        """What is asked for."""
        return dict(self.document["spec"])

    @property
    def cancelled(self) -> bool:
        """Whether it is wished that it stops."""
        return bool(self.spec.get("execution", {}).get("cancel"))

    @property
    def execution(self) -> dict[str, Any]:
        """What may be changed of it at any time."""
        return followed(self.spec)

    @property
    def status(self) -> dict[str, Any]:
        """What the operator tells; of a request that it has not seen yet, that it waits."""
        return {"phase": str(Phase.PENDING)} | dict(self.document.get("status") or {})


def followed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """How a spec wants to be executed, as far as that may change."""
    execution = spec.get("execution") or {}
    return {name: execution.get(name, default) for name, default in _DEFAULTS.items()}


@dataclass(frozen=True)
class Row:
    """A row of `mosaics` as it was when it was looked at; its attributes are the columns' own.

    Attributes:
        owner: the id of the user.
        has_item: whether the STAC Item is known.
        changed: by which one sees whether it is still so.
    """

    id: uuid.UUID
    name: str
    changed: datetime
    owner: uuid.UUID | None = None
    api_version: str = API_VERSION
    spec: Mapping[str, Any] = field(default_factory=dict)
    phase: str = str(Phase.PENDING)
    status: Mapping[str, Any] = field(default_factory=dict)
    uid: str | None = None
    cancelled: bool = False
    removed: bool = False
    gone: datetime | None = None
    has_item: bool = False

    @classmethod
    def of(cls, request: Request) -> Self:
        """As it is now."""
        return cls(
            id=request.id,
            name=request.name,
            changed=request.changed,
            owner=request.owner_id,
            api_version=request.api_version,
            spec=request.spec,
            phase=request.phase,
            status=request.status,
            uid=request.uid,
            cancelled=request.cancelled is not None,
            removed=request.removed is not None,
            gone=request.gone,
            has_item=request.item is not None,
        )

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.phase in TERMINAL

    @property
    def lacks_item(self) -> bool:
        """Whether its mosaic is published, and its Item is not known yet."""
        return self.phase == Phase.SUCCEEDED and not self.has_item


@dataclass(frozen=True)
class Observed:
    """All that is known under a name.

    Attributes:
        rows: those that may still need something: of all that are not removed, at most one has not gone.
        resource: the MosaicRequest, if there is one.
    """

    rows: Sequence[Row]
    resource: Resource | None

    @property
    def name_is_held(self) -> bool:
        """Whether there is a row beside which no other one may have its name."""
        return any(not row.removed and row.gone is None for row in self.rows)

    @property
    def owner(self) -> Row | None:
        """The row that the MosaicRequest belongs to.

        It is the one that knows its uid, or the one that it was applied for if that row has not heard of its uid yet.
        """
        found = self.resource
        if found is None:
            return None
        applied = [row for row in self.rows if row.uid == found.uid]
        unheard = [row for row in self.rows if row.uid is None and str(row.id) == found.row]
        return next(iter(applied + unheard), None)
