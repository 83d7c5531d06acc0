"""Applies what happens to a request to its status, in a cluster and on one machine."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mosaic_crds.lifecycle import messages
from mosaic_crds.lifecycle.phases import Condition, Phase
from mosaic_crds.lifecycle.trouble import Trouble
from mosaic_crds.times import duration_seconds, time_or_none, timestamp

AS_EXPECTED = "AsExpected"
"""The reason of a condition that warns, while there is nothing to warn of."""
_STEPS = (Condition.PLANNED, Condition.TILES_READY, Condition.PUBLISHED)


@dataclass(frozen=True)
class Event:
    """What Kubernetes shows below a request."""

    type: str
    reason: str
    message: str
    when: datetime


class StatusWriter:
    """A status while it is being changed.

    Attributes:
        status: the new status, as JSON.
        now: the time, with a zone.
        events: what changed, for those who follow the request.
    """

    def __init__(self, status: Mapping[str, Any], now: datetime, generation: int = 1) -> None:
        """Copy a status; `generation` is that of the spec."""
        self.status = copy.deepcopy(dict(status))
        if "phase" not in self.status:  # it has at most the default, which the API server sets
            self.status.pop("conditions", None)
        self.now, self._generation = now, generation
        self.events: list[Event] = []

    # -- before the work

    def accept(self) -> None:
        """Record that the request is valid."""
        self.say(Condition.ACCEPTED, True, "Valid", messages.VALID)

    def reject(self, message: str) -> None:
        """End a request that is invalid, or not allowed here; an earlier version may have accepted it."""
        self.say(Condition.ACCEPTED, False, "Invalid", message)
        self.end(Phase.FAILED, "Invalid", message)

    def wait(self, message: str) -> None:
        """Let the request wait for its turn."""
        if "startTime" in self.status:
            self.stop_clock()
        self.enter(Phase.PENDING, message)

    def suspend(self) -> None:
        """Pause the work."""
        self.stop_clock()
        self.enter(Phase.SUSPENDED, messages.suspended(self.status))

    # -- the steps; `trouble` and `waits` say what keeps a step from working

    def planning(self, trouble: Trouble | None = None, waits: str = "") -> None:
        """Record that the plan is being made."""
        self._work(Phase.PLANNING, messages.PLANNING, trouble, waits)

    def computing(self, trouble: Trouble | None = None, waits: str = "") -> None:
        """Record that tiles are being computed, as many as `count` said."""
        self._work(Phase.RUNNING, messages.progress(self.status), trouble, waits)

    def finalizing(self, trouble: Trouble | None = None, waits: str = "") -> None:
        """Record that the files are being written."""
        self._work(Phase.FINALIZING, messages.FINALIZING, trouble, waits)

    def work(self, trouble: Trouble | None = None) -> None:
        """Record that the first unfinished step is at work."""
        step = self._unfinished_step()
        if step is Condition.PLANNED:
            self.planning(trouble)
        elif step is Condition.TILES_READY:
            self.computing(trouble)
        else:
            self.finalizing(trouble)

    def plan(self, summary: Mapping[str, Any]) -> None:
        """Record the plan; its summary is empty if the mosaic is published and the plan is deleted already."""
        if summary:
            self.status["plan"] = {key: value for key, value in summary.items() if value or key != "warnings"}
        message = messages.planned(self.status)
        self.say(Condition.PLANNED, True, "Planned", message)
        if "warnings" in self.status.get("plan", {}):
            self.events.append(Event("Warning", "Planned", message, self.now))

    def count(self, done: int, total: int, eta_seconds: int | None = None) -> None:
        """Record how many ranges are done."""
        self.status["progress"] = {"rangesDone": done, "rangesTotal": total, "percent": 100 * done // total}
        if eta_seconds is not None:
            self.status["progress"]["etaSeconds"] = eta_seconds

    def computed(self, total: int) -> None:
        """Record that all ranges are done."""
        self.count(total, total)
        self.say(Condition.TILES_READY, True, "AllRangesDone", messages.progress(self.status))

    def recompute(self, tiles: object) -> None:
        """Return to computing, since tiles are missing or outdated."""
        message = messages.recomputing(tiles)
        self.say(Condition.TILES_READY, None, "Recomputing", message)
        self.enter(Phase.RUNNING, message)

    # -- the end

    def publish(self, result: Mapping[str, Any]) -> None:
        """Record the mosaic."""
        self.status["result"] = dict(result)
        message = messages.published(self.status)
        self.say(Condition.PUBLISHED, True, "Published", message)
        self.enter(Phase.SUCCEEDED, message)

    def fail(self, trouble: Trouble) -> None:
        """End a request whose current step failed for good."""
        self.say(Condition.DEGRADED, True, trouble.reason, trouble.message)
        self.end(Phase.FAILED, trouble.reason, trouble.message)

    def exceed_deadline(self, deadline: str) -> None:
        """End a request that took longer than its deadline allows."""
        self.end(Phase.FAILED, "DeadlineExceeded", messages.deadline_exceeded(self.status, deadline))

    def cancel(self, why: str = "") -> None:
        """End a request that is cancelled; `why` is for those that nobody cancelled."""
        self.end(Phase.CANCELLED, "Cancelled", messages.cancelled(self.status, why))

    def end(self, phase: Phase, reason: str, message: str) -> None:
        """End a request without a mosaic."""
        self.enter(phase, message, reason)

    # -- the clock of the deadline, which stops while a request cannot work

    def start(self, *, paused: bool = False) -> None:
        """Start the clock, or resume it.

        Args:
            paused: whether the request has started, but cannot work yet.
        """
        if "startTime" not in self.status:
            self.status["startTime"] = timestamp(self.now)
            self.status.pop("suspendedSince", None)
        if paused:
            self.stop_clock()
        else:
            self._resume_clock()

    def stop_clock(self, when: datetime | None = None) -> None:
        """Stop the clock now, or at an earlier time; a stopped clock stays as it is."""
        self.status.setdefault("suspendedSince", timestamp(when or self.now))

    def seconds_left(self, deadline: str) -> float:
        """Seconds until the deadline; not above 0 when it has passed."""
        started = time_or_none(self.status.get("startTime")) or self.now
        allowed = timedelta(seconds=duration_seconds(deadline) + self._stopped_seconds())
        return (started + allowed - self.now).total_seconds()

    def _resume_clock(self) -> None:
        if "suspendedSince" in self.status:
            self.status["suspendedSeconds"] = self._stopped_seconds()
            del self.status["suspendedSince"]

    def _stopped_seconds(self) -> int:
        since = time_or_none(self.status.get("suspendedSince"))
        current = 0 if since is None else max(0, round((self.now - since).total_seconds()))
        return int(self.status.get("suspendedSeconds", 0)) + current

    # -- phases and conditions

    def enter(self, phase: Phase, message: str, reason: str = "") -> None:
        """Set the phase, the message and the conditions that follow from them; a new phase is an Event.

        Pending is none: the Event that follows says more, and hundreds of requests can wait at the same time.

        Args:
            phase: the phase.
            message: for the user.
            reason: of the conditions; by default, the phase.
        """
        self.status["observedGeneration"] = self._generation
        if phase not in {self.status.get("phase"), Phase.PENDING}:
            kind = "Warning" if phase is Phase.FAILED else "Normal"
            self.events.append(Event(kind, str(phase), message, self.now))
        self.status["phase"], self.status["message"] = str(phase), message
        if phase is Phase.SUCCEEDED:
            self._succeed(message)
        else:
            self._leave_undone(phase, message, reason or str(phase))
        if phase.terminal:
            self.status.setdefault("completionTime", timestamp(self.now))
            self._resume_clock()

    def _succeed(self, message: str) -> None:
        self.say(Condition.READY, True, str(Phase.SUCCEEDED), message)
        for step in (Condition.ACCEPTED, *_STEPS):
            if not holds(self.status, step):  # nobody saw it
                self.say(step, True, str(Phase.SUCCEEDED), "")
        self.say(Condition.DEGRADED, False, AS_EXPECTED, "")
        self.say(Condition.STALLED, False, AS_EXPECTED, "")

    def _leave_undone(self, phase: Phase, message: str, reason: str) -> None:
        """Set the conditions of a request without a mosaic: what is not true is unknown until the request ends.

        Unknown conditions have no message, because each change is a write and progress changes often. Of conditions
        that are false for the same reason, those that people and tools read first have the message.
        """
        verdict, told = (False, message) if phase.terminal else (None, "")
        self.say(Condition.READY, verdict, reason, told)
        undone = [step for step in (Condition.ACCEPTED, *_STEPS) if not holds(self.status, step)]
        for step in undone:
            self.say(step, verdict, reason, told if step is undone[0] else "")
        known = holds(self.status, Condition.DEGRADED)
        if phase is Phase.FAILED and not known:
            self.say(Condition.DEGRADED, True, reason, message)
        elif not (phase is Phase.FAILED or (phase.working and known)):
            self.say(Condition.DEGRADED, False, AS_EXPECTED, "")
        self.say(Condition.STALLED, phase.terminal, reason if phase.terminal else AS_EXPECTED, told)

    def say(self, condition: Condition, holds: bool | None, reason: str, message: str) -> None:
        """Set a condition, to Unknown if it is None; its lastTransitionTime changes only when its status does."""
        conditions = conditions_of(self.status)
        old = conditions.get(condition, {})
        status = "Unknown" if holds is None else str(holds)
        same = old.get("status") == status
        conditions[str(condition)] = {
            "type": str(condition),
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(self.now),
            "observedGeneration": self._generation,
        }
        self.status["conditions"] = [conditions[name] for name in map(str, Condition) if name in conditions]

    def _work(self, phase: Phase, message: str, trouble: Trouble | None, waits: str) -> None:
        if trouble is None:
            self.say(Condition.DEGRADED, False, AS_EXPECTED, "")
        else:
            self.say(Condition.DEGRADED, True, trouble.reason, trouble.message)
            waits = trouble.message
        if waits:
            message = f"{message}; {waits}" if phase is Phase.RUNNING else waits
        self.enter(phase, message)

    def _unfinished_step(self) -> Condition:
        """The condition of the first unfinished step."""
        if "plan" not in self.status:
            return Condition.PLANNED
        return Condition.PUBLISHED if holds(self.status, Condition.TILES_READY) else Condition.TILES_READY


def conditions_of(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The conditions of a status by their types."""
    return {condition["type"]: condition for condition in status.get("conditions", ())}


def holds(status: Mapping[str, Any], condition: Condition) -> bool:
    """Whether a condition of a status is true."""
    return conditions_of(status).get(condition, {}).get("status") == "True"
