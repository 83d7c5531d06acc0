"""Observed state: the rows of a name, and the MosaicRequest of that name in the cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mosaic_crds.lifecycle import Phase
from mosaic_crds.names import ANNOTATION_ROW, LABEL_OWNER
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


def manifest_of(row: Request) -> dict[str, Any]:
    """The MosaicRequest that is applied for a row."""
    labels = {LABEL_OWNER: str(row.owner_id)} if row.owner_id is not None else {}
    return row.manifest(annotations={ANNOTATION_ROW: str(row.id)}, labels=labels)


def lacks_item(row: Request) -> bool:
    """Whether the mosaic is published, but the row has no Item yet."""
    return row.phase == Phase.SUCCEEDED and row.item is None


@dataclass(frozen=True)
class Observed:
    """The observed state of a name.

    Attributes:
        rows: snapshots of those that may need an action; at most one of them is neither removed nor gone.
        resource: the MosaicRequest, if there is one.
    """

    rows: Sequence[Request]
    resource: Resource | None

    @property
    def name_is_held(self) -> bool:
        """Whether a row uses the name, so that no other may have it."""
        return any(not row.removed and row.gone is None for row in self.rows)

    @property
    def owner(self) -> Request | None:
        """The row of the MosaicRequest: the one with its uid, or the one it was applied for, if that has no uid yet."""
        found = self.resource
        if found is None:
            return None
        applied = [row for row in self.rows if row.uid == found.uid]
        unheard = [row for row in self.rows if row.uid is None and str(row.id) == found.row]
        return next(iter(applied + unheard), None)
