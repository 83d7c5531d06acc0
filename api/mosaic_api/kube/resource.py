"""A MosaicRequest in the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import Phase
from mosaic_crds.names import ANNOTATION_ROW


@dataclass(frozen=True)
class Resource:
    """A MosaicRequest as the API server returned it."""

    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the request."""
        return str(self.document["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The id of this very request; one that is created again under the same name has another."""
        return str(self.document["metadata"]["uid"])

    @property
    def row(self) -> str:
        """The id of the row that it was applied for; empty if it has none."""
        return str(self.document["metadata"].get("annotations", {}).get(ANNOTATION_ROW, ""))

    @property
    def created(self) -> datetime:
        """When it was created."""
        return datetime.fromisoformat(self.document["metadata"]["creationTimestamp"])

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.document["metadata"]

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the MosaicRequest."""
        return dict(self.document["spec"])

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return bool(self.spec.get("execution", {}).get("cancel"))

    @property
    def status(self) -> dict[str, Any]:
        """The status that the operator wrote; Pending if it has not seen the request yet."""
        return {"phase": str(Phase.PENDING)} | dict(self.document.get("status") or {})
