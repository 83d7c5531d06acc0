"""What is to be done about a request, while it is being decided: changes of Jobs, the new status, Events."""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mosaic_crds.names import Condition, Phase

from mosaic_operator.manifests import Manifest
from mosaic_operator.requests import RequestState

COSMETIC = {"message", "progress"}
"""Fields that may be written a little later, so that many requests do not load the API server."""


@dataclass(frozen=True)
class Event:
    """What Kubernetes shows under a request."""

    type: str
    reason: str
    message: str
    when: datetime


@dataclass
class Decision:
    """What is to be done, in this order, and the status that is written after it.

    Attributes:
        request: the request it is about.
        now: when it is decided.
        status: the whole new status.
        create: Jobs, and before each the Secret that its pods mount.
        change: patches by Job.
        delete: Jobs.
        delete_secret: the Secret that no pod needs any more.
        give_up: pods on nodes that do not answer.
        events: told after the status is written.
        again_in: seconds after which to look again though nothing was heard.
    """

    request: RequestState
    now: datetime
    status: dict[str, Any] = field(default_factory=dict)
    create: list[Manifest] = field(default_factory=list)
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    delete_secret: str | None = None
    give_up: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    again_in: float | None = None

    def __post_init__(self) -> None:
        self.status = copy.deepcopy(dict(self.request.status))
        self.status["observedGeneration"] = self.request.generation

    @property
    def changed(self) -> bool:
        """Whether the status says something new."""
        return self.status != self.request.status

    @property
    def cosmetic(self) -> bool:
        """Whether all that is new may be written a little later."""
        new, old = self.status, self.request.status
        return all(new.get(key) == old.get(key) for key in new.keys() | old.keys() if key not in COSMETIC)

    def enter(self, phase: Phase, message: str) -> None:
        """Say where the request stands; a new phase is an Event."""
        if self.status.get("phase") != phase:
            kind = "Warning" if phase is Phase.FAILED else "Normal"
            self.events.append(Event(kind, str(phase), message, self.now))
        self.status["phase"], self.status["message"] = str(phase), message

    def say(self, condition: Condition, holds: bool, reason: str, message: str) -> None:
        """Say whether a condition holds."""
        told = {c["type"]: c for c in self.status.get("conditions", ())}
        old = told.get(condition, {})
        status = "True" if holds else "False"
        same = old.get("status") == status
        told[str(condition)] = {
            "type": str(condition),
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(self.now),
            "observedGeneration": self.request.generation,
        }
        self.status["conditions"] = [told[name] for name in map(str, Condition) if name in told]


def timestamp(when: datetime) -> str:
    """A time as the API writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge_patch(old: Any, new: Any) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) from one object to another."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old or old[key] != value:
            nested = isinstance(value, dict) and isinstance(old.get(key), dict)
            patch[key] = merge_patch(old[key], value) if nested else value
    return patch
