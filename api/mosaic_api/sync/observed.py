"""Observed state: the rows of a name, and the MosaicRequest of that name in the cluster."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_crds.names import ANNOTATION_ROW, API_VERSION, LABEL_OWNER
from mosaic_crds.request import request_manifest
from mosaic_crds.spec import Execution

from mosaic_api.database.models import Request
from mosaic_api.kube.resource import Resource

FOLLOWED = ("parallelism", "suspend")
"""Fields of `spec.execution` that kubectl may change at any time; `cancel` has a column of its own."""
_DEFAULTS = {name: Execution.model_fields[name].default for name in FOLLOWED}


def followed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec's execution that may change."""
    execution = spec.get("execution") or {}
    return {name: execution.get(name, default) for name, default in _DEFAULTS.items()}


@dataclass(frozen=True)
class Row:
    """A snapshot of a row of `requests`; its attributes are the columns.

    Attributes:
        owner: the id of the user.
        has_item: whether the row has the STAC Item.
        changed: shows whether the row has changed since.
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
        """The current state of a row."""
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

    def manifest(self, namespace: str) -> dict[str, Any]:
        """The MosaicRequest that is applied for the row."""
        return request_manifest(
            self.name,
            self.spec,
            api_version=self.api_version,
            namespace=namespace,
            annotations={ANNOTATION_ROW: str(self.id)},
            labels={LABEL_OWNER: str(self.owner)} if self.owner is not None else {},
        )

    @property
    def over(self) -> bool:
        """Whether it has finished."""
        return self.phase in TERMINAL

    @property
    def lacks_item(self) -> bool:
        """Whether the mosaic is published, but the row has no Item yet."""
        return self.phase == Phase.SUCCEEDED and not self.has_item


@dataclass(frozen=True)
class Observed:
    """The observed state of a name.

    Attributes:
        rows: those that may need an action; at most one of them is neither removed nor gone.
        resource: the MosaicRequest, if there is one.
    """

    rows: Sequence[Row]
    resource: Resource | None

    @property
    def name_is_held(self) -> bool:
        """Whether a row uses the name, so that no other may have it."""
        return any(not row.removed and row.gone is None for row in self.rows)

    @property
    def owner(self) -> Row | None:
        """The row of the MosaicRequest: the one with its uid, or the one it was applied for, if that has no uid yet."""
        found = self.resource
        if found is None:
            return None
        applied = [row for row in self.rows if row.uid == found.uid]
        unheard = [row for row in self.rows if row.uid is None and str(row.id) == found.row]
        return next(iter(applied + unheard), None)
