"""What to do about a request: a pure function of what is seen, the settings and the time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.fields import duration_seconds
from mosaic_crds.names import LABEL_FINISHED, Condition, Phase
from mosaic_crds.validation import load_request

from mosaic_operator.decision import Decision, timestamp
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import request_input_name
from mosaic_operator.observed import Observed
from mosaic_operator.parsing import moment
from mosaic_operator.pods import lost
from mosaic_operator.requests import OVER, RequestState
from mosaic_operator.settings import Settings
from mosaic_operator.steps import finalizing, planning, running


def decide(seen: Observed, settings: Settings, now: datetime) -> Decision:
    """What to do about a request, and what to tell of it.

    Args:
        seen: the request, its Jobs and pods.
        settings: the operator's.
        now: with a zone.
    """
    draft = Decision(seen.request, now)
    if seen.request.deleting:  # Kubernetes deletes Jobs only when no finalizer keeps the request any more
        draft.delete = [job.name for job in _unfinished(seen)]
        return draft
    if seen.request.over:
        draft.status = dict(seen.request.status)
        _leave(seen, draft)
        return draft
    _decide(seen, draft, settings)
    if draft.status["phase"] in OVER and seen.request.started is not None:
        draft.delete_secret = request_input_name(seen.request)
    return draft


def _decide(seen: Observed, draft: Decision, settings: Settings) -> None:
    """Decide about a request that is not over."""
    if seen.request.execution.cancel:
        _end(seen, draft, Phase.CANCELLED, "Cancelled", f"cancelled{_done_by_then(seen)}")
        return
    new = "conditions" not in seen.request.status
    refusal = seen.request.unreadable or (_refusal(seen) if new else None) or _not_allowed(seen, settings)
    if refusal is not None:
        draft.say(Condition.ACCEPTED, False, "Invalid", refusal)
        _end(seen, draft, Phase.FAILED, "Invalid", refusal)
        return
    if new:
        draft.say(Condition.ACCEPTED, True, "Valid", "the request is valid")
    draft.give_up = lost(seen.pods or (), draft.now)
    if seen.request.execution.suspend:
        _stand_still(seen, draft)
        draft.enter(Phase.SUSPENDED, f"suspended{_done_by_then(seen)}; set execution.suspend to false to go on")
    elif not seen.turn.admitted:
        if seen.request.started is not None:
            _stand_still(seen, draft)
        draft.enter(Phase.PENDING, f"waits behind {_requests(seen.turn.ahead)}: {seen.turn.limit}")
    else:
        _go_on(seen, draft, settings)


def given_up(request: RequestState, now: datetime, message: str) -> Iterator[dict[str, Any]]:
    """Statuses with which a request ends that cannot be brought on, the barest last: the others may be refused.

    Args:
        request: the request.
        now: with a zone.
        message: why, for the person who asked.
    """
    barest = {"phase": str(Phase.FAILED), "message": message, "completionTime": timestamp(now)}
    draft = Decision(request, now)
    try:
        draft.say(Condition.PUBLISHED, False, "GivenUp", message)
    except (KeyError, TypeError):  # its conditions are not readable either
        pass
    else:
        yield draft.status | barest
    yield barest


def _go_on(seen: Observed, draft: Decision, settings: Settings) -> None:
    _move(seen, draft)
    if _too_late(seen, draft):
        limit = f"not done within {seen.request.execution.deadline} (execution.deadline){_done_by_then(seen)}"
        _end(seen, draft, Phase.FAILED, "DeadlineExceeded", f"{limit}; raise it, and apply the request again")
        return
    _advance(seen, draft, settings)
    if draft.status["phase"] in {Phase.SUCCEEDED, Phase.FAILED}:
        draft.status["completionTime"] = timestamp(draft.now)
        _leave(seen, draft)


def _advance(seen: Observed, draft: Decision, settings: Settings) -> None:
    if "plan" not in draft.status and not planning(seen, draft, settings):
        return
    if not seen.request.holds(Condition.TILES_READY) and not running(seen, draft, settings):
        return
    finalizing(seen, draft, settings)


def _refusal(seen: Observed) -> str | None:
    """Why the request cannot work, as far as the contract can tell."""
    try:
        load_request({key: value for key, value in seen.request.document.items() if key != "status"})
    except RequestError as error:
        return str(error)
    return None


def _not_allowed(seen: Observed, settings: Settings) -> str | None:
    """Why the request may not work here; asked each time, because a status can be written by others too."""
    try:
        settings.allowed.check(seen.request.execution)
    except RequestError as error:
        return str(error)
    return None


def _end(seen: Observed, draft: Decision, phase: Phase, reason: str, message: str) -> None:
    """Stop for good: what runs is stopped, what has ended is left for its logs."""
    draft.say(Condition.PUBLISHED, False, reason, message)
    draft.enter(phase, message)
    draft.status["completionTime"] = timestamp(draft.now)
    _leave(seen, draft)


def _leave(seen: Observed, draft: Decision) -> None:
    """Give ended Jobs their time to live, and delete the others: the status is the memory from now on."""
    ttl = duration_seconds(seen.request.execution.ttl_after_finished)
    for job in seen.jobs.values():
        if job.outcome is None:
            draft.delete.append(job.name)
        elif job.ttl is None:
            labels = {LABEL_FINISHED: draft.status["phase"]}
            draft.change[job.name] = {"metadata": {"labels": labels}, "spec": {"ttlSecondsAfterFinished": ttl}}


def _stand_still(seen: Observed, draft: Decision) -> None:
    """Stop for now. Kueue would let a suspended Job go again, so that one is deleted; records keep what is done."""
    draft.status.setdefault("suspendedSince", timestamp(draft.now))
    for job in _unfinished(seen):
        if seen.request.execution.queue:
            draft.delete.append(job.name)
        elif not job.suspended:
            draft.change[job.name] = {"spec": {"suspend": True}}


def _move(seen: Observed, draft: Decision) -> None:
    """Start, or go on after standing still; in a queue it stands still until Kueue lets it go."""
    draft.status.setdefault("startTime", timestamp(draft.now))
    if seen.queued:
        draft.status.setdefault("suspendedSince", timestamp(draft.now))
    else:
        stood = _stood_still(draft)
        if draft.status.pop("suspendedSince", None) is not None:
            draft.status["suspendedSeconds"] = stood
    for job in _unfinished(seen):
        if job.suspended and not seen.request.execution.queue:
            draft.change[job.name] = {"spec": {"suspend": False}}


def _too_late(seen: Observed, draft: Decision) -> bool:
    """Whether the deadline has passed; else look again when it does."""
    started = moment(draft.status["startTime"]) or draft.now
    allowed = timedelta(seconds=duration_seconds(seen.request.execution.deadline) + _stood_still(draft))
    left = (started + allowed - draft.now).total_seconds()
    draft.again_in = left
    return left <= 0


def _stood_still(draft: Decision) -> int:
    """Seconds in which nothing was to be done, until now."""
    since = moment(draft.status.get("suspendedSince"))
    now = 0 if since is None else max(0, round((draft.now - since).total_seconds()))
    return int(draft.status.get("suspendedSeconds", 0)) + now


def _unfinished(seen: Observed) -> list[JobState]:
    return [job for job in seen.jobs.values() if job.outcome is None]


def _done_by_then(seen: Observed) -> str:
    progress = seen.request.status.get("progress")
    return f" with {progress['rangesDone']} of {progress['rangesTotal']} ranges done" if progress else ""


def _requests(count: int) -> str:
    return "1 other request" if count == 1 else f"{count} other requests"
