"""What is to be done about a request, while it is being decided: changes of Jobs, the new status, Events."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import Event, StatusWriter

from mosaic_operator.manifests import Manifest
from mosaic_operator.requests import RequestState

COSMETIC = {"message", "progress"}
"""Fields that may be written a little later, so that many requests do not load the API server."""


@dataclass
class Decision:
    """What is to be done, in this order, and the status that is written after it.

    Attributes:
        request: the request it is about.
        now: when it is decided.
        lifecycle: writes the new status.
        create: Jobs, and before each the Secret that its pods mount.
        change: patches by Job.
        delete: Jobs.
        delete_secret: the Secret that no pod needs any more.
        give_up: pods on nodes that do not answer.
        again_in: seconds after which to look again though nothing was heard.
    """

    request: RequestState
    now: datetime
    lifecycle: StatusWriter = field(init=False)
    create: list[Manifest] = field(default_factory=list)
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    delete_secret: str | None = None
    give_up: list[str] = field(default_factory=list)
    again_in: float | None = None

    def __post_init__(self) -> None:
        self.lifecycle = StatusWriter(self.request.status, self.now, self.request.generation)

    @property
    def status(self) -> dict[str, Any]:
        """The whole new status."""
        return self.lifecycle.status

    @property
    def events(self) -> list[Event]:
        """What is to be told when the status is written."""
        return self.lifecycle.events

    @property
    def changed(self) -> bool:
        """Whether the status says something new."""
        return self.status != self.request.status

    @property
    def cosmetic(self) -> bool:
        """Whether all that is new may be written a little later."""
        new, old = self.status, self.request.status
        return all(new.get(key) == old.get(key) for key in new.keys() | old.keys() if key not in COSMETIC)


def merge_patch(old: Any, new: Any) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from one object to another."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old or old[key] != value:
            nested = isinstance(value, dict) and isinstance(old.get(key), dict)
            patch[key] = merge_patch(old[key], value) if nested else value
    return patch
