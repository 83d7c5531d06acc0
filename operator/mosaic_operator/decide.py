"""What to do about a request: a pure function of what is seen, the settings and the time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.fields import duration_seconds
from mosaic_crds.lifecycle import Condition, Phase, StatusWriter, holds, messages
from mosaic_crds.names import LABEL_FINISHED
from mosaic_crds.times import timestamp
from mosaic_crds.validation import load_request

from mosaic_operator.decision import Decision
from mosaic_operator.image import choose_image
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import request_input_name
from mosaic_operator.observed import Observed
from mosaic_operator.pods import lost
from mosaic_operator.requests import RequestState
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
        _leave(seen, draft)
        return draft
    _decide(seen, draft, settings)
    if Phase(draft.status["phase"]).terminal and seen.request.started is not None:
        draft.delete_secret = request_input_name(seen.request)
    return draft


def _decide(seen: Observed, draft: Decision, settings: Settings) -> None:
    """Decide about a request that is not over."""
    if seen.request.execution.cancel:
        draft.lifecycle.cancel()
        _leave(seen, draft)
        return
    new = "conditions" not in seen.request.status
    refusal = seen.request.unreadable or (_refusal(seen) if new else None) or _not_allowed(seen, settings)
    if refusal is not None:
        draft.lifecycle.reject(refusal)
        _leave(seen, draft)
        return
    if new:
        draft.lifecycle.accept()
    draft.give_up = lost(seen.pods or (), draft.now)
    if seen.request.execution.suspend:
        _pause(seen, draft)
        draft.lifecycle.suspend()
    elif not seen.turn.admitted:
        if seen.request.started is not None:
            _pause(seen, draft)
        draft.lifecycle.wait(messages.waiting(seen.turn.ahead, seen.turn.limit))
    else:
        _go_on(seen, draft, settings)


def given_up(request: RequestState, now: datetime, message: str) -> Iterator[dict[str, Any]]:
    """Statuses with which a request ends that cannot be brought on, the barest last: the others may be refused.

    Args:
        request: the request.
        now: with a zone.
        message: why, for the person who asked.
    """
    lifecycle = StatusWriter(request.status, now, request.generation)
    try:
        lifecycle.end(Phase.FAILED, "GivenUp", message)
    except (KeyError, TypeError):  # its conditions are not readable either
        pass
    else:
        yield lifecycle.status
    yield {"phase": str(Phase.FAILED), "message": message, "completionTime": timestamp(now)}


def _go_on(seen: Observed, draft: Decision, settings: Settings) -> None:
    _resume(seen, draft)
    draft.again_in = draft.lifecycle.seconds_left(seen.request.execution.deadline)
    if draft.again_in <= 0:
        draft.lifecycle.exceed_deadline(seen.request.execution.deadline)
    else:
        _advance(seen, draft, settings)
    if Phase(draft.status["phase"]).terminal:
        _leave(seen, draft)


def _advance(seen: Observed, draft: Decision, settings: Settings) -> None:
    problem = choose_image(seen, draft, settings)
    if problem is not None:
        draft.lifecycle.fail(problem)
        return
    if "plan" not in draft.status and not planning(seen, draft, settings):
        return
    if not holds(seen.request.status, Condition.TILES_READY) and not running(seen, draft, settings):
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


def _leave(seen: Observed, draft: Decision) -> None:
    """Give ended Jobs their time to live, and delete the others: the status is the memory from now on."""
    ttl = duration_seconds(seen.request.execution.ttl_after_finished)
    for job in seen.jobs.values():
        if job.outcome is None:
            draft.delete.append(job.name)
        elif job.ttl is None:
            labels = {LABEL_FINISHED: draft.status["phase"]}
            draft.change[job.name] = {"metadata": {"labels": labels}, "spec": {"ttlSecondsAfterFinished": ttl}}


def _pause(seen: Observed, draft: Decision) -> None:
    """Stop Jobs for now. Kueue would resume a suspended Job, so that one is deleted; records keep what is done."""
    for job in _unfinished(seen):
        if seen.request.execution.queue:
            draft.delete.append(job.name)
        elif not job.suspended:
            draft.change[job.name] = {"spec": {"suspend": True}}


def _resume(seen: Observed, draft: Decision) -> None:
    """Start, or resume after a pause; a request in a queue of Kueue is paused until Kueue starts its Job."""
    draft.lifecycle.start(paused=seen.queued)
    for job in _unfinished(seen):
        if job.suspended and not seen.request.execution.queue:
            draft.change[job.name] = {"spec": {"suspend": False}}


def _unfinished(seen: Observed) -> list[JobState]:
    return [job for job in seen.jobs.values() if job.outcome is None]
