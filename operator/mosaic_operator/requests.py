"""A MosaicRequest as the API server returns it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from mosaic_crds.errors import RequestError
from mosaic_crds.lifecycle import Phase
from mosaic_crds.names import LABEL_FINISHED, LABEL_OWNER
from mosaic_crds.source_kinds import SourceKind, kind_among
from mosaic_crds.spec import Execution
from mosaic_crds.times import time_or_none
from mosaic_crds.validation import load_execution

from mosaic_operator.parsing import Document

SHORT_SPEC = 2000
"""Characters of the texts of a spec that is kept in memory, that of a few scenes or of a search. Other values count as
ten."""
_SOURCES = ("source", "minus")
"""Fields of the spec that say where scenes come from."""


@dataclass(frozen=True)
class RequestState:
    """A MosaicRequest in the API server.

    Every property has a value, whatever an older version or another program wrote: one invalid request must not stop
    the others.

    Attributes:
        document: the object, or what `slim` keeps of it.
        whole: whether the document has the whole spec.
    """

    document: Document
    whole: bool = True

    @property
    def namespace(self) -> str:
        """The namespace."""
        return str(self.document["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The name."""
        return str(self.document["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The uid; a request that is applied again under the same name has another."""
        return str(self.document["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """The generation of the spec."""
        return int(self.document["metadata"].get("generation", 1))

    @property
    def created(self) -> str:
        """When it was created, as text that sorts by time."""
        return str(self.document["metadata"]["creationTimestamp"])

    @property
    def owner(self) -> str:
        """The id of the API user who owns it; empty for none. Anyone can write this label: see `admission`."""
        return str((self.document["metadata"].get("labels") or {}).get(LABEL_OWNER, ""))

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.document["metadata"]

    @cached_property
    def _execution(self) -> tuple[Execution, str]:
        try:
            return load_execution(self.document.get("spec")), ""
        except RequestError as error:
            return Execution(), str(error)

    @property
    def execution(self) -> Execution:
        """spec.execution; the defaults if it cannot be read."""
        return self._execution[0]

    @property
    def unreadable(self) -> str:
        """Why spec.execution cannot be read, if so: an older version accepted what this one refuses."""
        return self._execution[1]

    @property
    def labelled_finished(self) -> bool:
        """Whether it has the label that excludes finished requests from the watch."""
        return LABEL_FINISHED in (self.document["metadata"].get("labels") or {})

    @property
    def source_kind(self) -> SourceKind | None:
        """Where its scenes come from; None if that cannot be read. Of two sources, the one that needs an account."""
        spec = self.document.get("spec") or {}
        kinds = [kind_among(spec.get(field) or {}) for field in _SOURCES]
        return next((kind for kind in kinds if kind and kind.credentials), kinds[0])

    @property
    def status(self) -> Document:
        """The last written status."""
        found: Document = self.document.get("status") or {}
        return found

    @property
    def phase(self) -> Phase | None:
        """The phase of the last written status."""
        try:
            return Phase(self.status["phase"]) if "phase" in self.status else None
        except ValueError:
            return None

    @property
    def working(self) -> bool:
        """Whether a step was at work."""
        return self.phase is not None and self.phase.working

    @property
    def over(self) -> bool:
        """Whether it has finished."""
        return self.phase is not None and self.phase.terminal

    @property
    def started(self) -> datetime | None:
        """When its work started."""
        return time_or_none(self.status.get("startTime"))

    @property
    def slim(self) -> "RequestState":
        """A copy without what is only needed to start a pod: unused metadata, and most of a long spec.

        A spec can have a megabyte, and there can be thousands of requests. Short specs stay, because reading them
        again would be calls to the API server for each request.
        """
        metadata = {key: value for key, value in self.document["metadata"].items() if key in _KEPT}
        labels = metadata.get("labels") or {}
        metadata["labels"] = {key: labels[key] for key in (LABEL_FINISHED, LABEL_OWNER) if key in labels}
        kept = {key: self.document[key] for key in ("apiVersion", "kind", "spec", "status") if key in self.document}
        whole = self.whole and _is_short(kept.get("spec"))
        if not whole:
            spec = self.document.get("spec") or {}
            kept["spec"] = {field: dict.fromkeys(spec[field] or {}, None) for field in _SOURCES if field in spec}
            kept["spec"] |= {"execution": spec["execution"]} if "execution" in spec else {}
        return RequestState(kept | {"metadata": metadata}, whole)


def _is_short(spec: object) -> bool:
    """Whether a spec is kept in memory. It can be of any depth, so there is no recursion."""
    left, found = SHORT_SPEC, [spec]
    while found and left > 0:
        each = found.pop()
        left -= len(each) if isinstance(each, str) else 10
        if isinstance(each, dict):
            found += [*each, *each.values()]
        elif isinstance(each, list):
            found += each
    return left > 0


_KEPT = {
    "name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels",
}  # fmt: skip
"""The used metadata of a request."""


def version(request: RequestState) -> int:
    """The resource version, which grows with each change; 0 if it is not a number."""
    try:
        return int(request.document["metadata"]["resourceVersion"])
    except (KeyError, ValueError):
        return 0
