"""The outcome of a decision about a request: changes of Jobs, the new status, Events."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mosaic_crds.lifecycle import Event, StatusWriter

from mosaic_operator.pod_templates import Manifest
from mosaic_operator.requests import RequestState

COSMETIC = {"message", "progress"}
"""Fields that may be written later, so that many requests do not load the API server."""


@dataclass
class Decision:
    """Changes to make, and the status to write after them.

    Attributes:
        request: the request.
        now: the time of the decision, with a time zone.
        lifecycle: writes the new status.
        create: Jobs to create, each after the Secret that its pods mount.
        change: patches by name of the Job.
        delete: names of Jobs to delete.
        delete_secret: the name of the Secret that no pod needs any more.
        give_up: names of pods on nodes that do not respond.
        again_in: seconds until the next look, without an event.
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
        """Events to create after the status is written."""
        return self.lifecycle.events

    @property
    def changed(self) -> bool:
        """Whether the status changed."""
        return self.status != self.request.status

    @property
    def cosmetic(self) -> bool:
        """Whether all changes of the status may be written later."""
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
