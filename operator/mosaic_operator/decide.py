"""Decides what to do about a request: a pure function of the observed state, the settings and the time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.lifecycle import Condition, Phase, StatusWriter, holds, messages
from mosaic_crds.names import LABEL_FINISHED
from mosaic_crds.times import duration_seconds
from mosaic_crds.validation import load_request
from mosaic_crds.worker_pod import Step

from mosaic_operator.decision import Decision
from mosaic_operator.image import choose_image
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import request_input_name
from mosaic_operator.observed import Observed
from mosaic_operator.pods import lost
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings
from mosaic_operator.steps import count_ranges, finalizing, planning, running


def decide(observed: Observed, settings: Settings, now: datetime) -> Decision:
    """Decide what to do about a request, and its new status.

    Args:
        observed: the request, its Jobs and pods.
        settings: the operator's.
        now: with a time zone.
    """
    decision = Decision(observed.request, now)
    if observed.request.deleting:  # Kubernetes deletes Jobs only when no finalizer keeps the request
        decision.delete = [job.name for job in _unfinished(observed)]
        return decision
    if observed.request.over:
        _leave(observed, decision)
        return decision
    _decide(observed, decision, settings)
    if Phase(decision.status["phase"]).terminal and observed.request.started is not None:
        decision.delete_secret = request_input_name(observed.request)
    return decision


def _decide(observed: Observed, decision: Decision, settings: Settings) -> None:
    """Decide about a request that has not finished."""
    if observed.request.execution.cancel:
        decision.lifecycle.cancel()
        _leave(observed, decision)
        return
    new = "phase" not in observed.request.status
    refusal = observed.request.unreadable or (_refusal(observed) if new else None) or _not_allowed(observed, settings)
    if refusal is not None:
        decision.lifecycle.reject(refusal)
        _leave(observed, decision)
        return
    if new:
        decision.lifecycle.accept()
    decision.give_up = lost(observed.pods, decision.now)
    if observed.request.execution.suspend:
        _pause(observed, decision)
        if Step.TILES in observed.jobs and "plan" in decision.status:
            count_ranges(observed, decision)
        decision.lifecycle.suspend()
    elif not observed.admission.admitted:
        if observed.request.started is not None:
            _pause(observed, decision)
        decision.lifecycle.wait(messages.waiting(observed.admission.ahead, observed.admission.limit))
    else:
        _go_on(observed, decision, settings)


def given_up(request: RequestState, now: datetime, message: str) -> Iterator[dict[str, Any]]:
    """Statuses that end a request that cannot be reconciled: with what it had, and without, if that cannot be read.

    Args:
        request: the request.
        now: with a time zone.
        message: why, for the user.
    """
    for status in (request.status, {}):
        lifecycle = StatusWriter(status, now, request.generation)
        try:
            lifecycle.end(Phase.FAILED, "GivenUp", message)
        except (KeyError, TypeError, ValueError):  # other parts of its status cannot be read either
            continue
        yield lifecycle.status


def _go_on(observed: Observed, decision: Decision, settings: Settings) -> None:
    _resume(observed, decision)
    decision.again_in = decision.lifecycle.seconds_left(observed.request.execution.deadline)
    if decision.again_in <= 0:
        decision.lifecycle.exceed_deadline(observed.request.execution.deadline)
    else:
        _advance(observed, decision, settings)
    if Phase(decision.status["phase"]).terminal:
        _leave(observed, decision)


def _advance(observed: Observed, decision: Decision, settings: Settings) -> None:
    problem = choose_image(observed, decision, settings)
    if problem is not None:
        decision.lifecycle.fail(problem)
        return
    if "plan" not in decision.status and not planning(observed, decision, settings):
        return
    if not holds(observed.request.status, Condition.TILES_READY) and not running(observed, decision, settings):
        return
    finalizing(observed, decision, settings)


def _refusal(observed: Observed) -> str | None:
    """Why the request is invalid, if it is."""
    try:
        load_request({key: value for key, value in observed.request.document.items() if key != "status"})
    except RequestError as error:
        return str(error)
    return None


def _not_allowed(observed: Observed, settings: Settings) -> str | None:
    """Why this installation refuses the request, if so. Checked each time, because others can write a status too."""
    try:
        settings.allowed.check(observed.request.execution)
    except RequestError as error:
        return str(error)
    return None


def _leave(observed: Observed, decision: Decision) -> None:
    """Set the time to live of finished Jobs and delete the others. From now on the status is the only record."""
    ttl = duration_seconds(observed.request.execution.ttl_after_finished)
    done = decision.status["phase"] == Phase.SUCCEEDED  # Kubernetes has only not noticed it of all Jobs
    for job in observed.jobs.values():
        if job.outcome is None and not done:
            decision.delete.append(job.name)
        elif job.ttl is None:
            labels = {LABEL_FINISHED: decision.status["phase"]}
            decision.change[job.name] = {"metadata": {"labels": labels}, "spec": {"ttlSecondsAfterFinished": ttl}}


def _pause(observed: Observed, decision: Decision) -> None:
    """Suspend Jobs. Kueue would resume a suspended Job, so a Job in a queue is deleted; records keep finished tiles."""
    for job in _unfinished(observed):
        if observed.request.execution.queue:
            decision.delete.append(job.name)
        elif not job.suspended:
            decision.change[job.name] = {"spec": {"suspend": True}}


def _resume(observed: Observed, decision: Decision) -> None:
    """Start, or resume after a pause; a request in a queue of Kueue is paused until Kueue starts its Job."""
    decision.lifecycle.start(paused=observed.queued)
    for job in _unfinished(observed):
        if job.suspended and not observed.request.execution.queue:
            decision.change[job.name] = {"spec": {"suspend": False}}


def _unfinished(observed: Observed) -> list[JobState]:
    return [job for job in observed.jobs.values() if job.outcome is None]
