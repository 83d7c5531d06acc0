"""The three steps of a running request. Each function decides what its step needs and returns whether it is done."""

from typing import Any

from mosaic_crds.lifecycle import Condition, Trouble, conditions_of, messages
from mosaic_crds.status import PlanSummary, ResultStatus
from mosaic_crds.worker_pod import TILES_LEFT, Step
from pydantic import BaseModel, ValidationError

from mosaic_operator.decision import Decision
from mosaic_operator.failures import failure, trouble
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import parallelism, step_manifests
from mosaic_operator.observed import Observed
from mosaic_operator.settings import Settings

_ANSWERS: dict[Step, type[BaseModel]] = {Step.PLAN: PlanSummary, Step.FINALIZE: ResultStatus}
"""The contents of termination messages."""
LOOK_SECONDS = 10
"""Interval at which pods are read while a step runs: not every problem of a pod changes its Job."""


def planning(observed: Observed, decision: Decision, settings: Settings) -> bool:
    """Plan the mosaic. The pod's termination message has the summary."""
    summary = _completed(observed, decision, settings, Step.PLAN)
    if summary is None:
        return False
    decision.lifecycle.plan(summary)
    return True


def running(observed: Observed, decision: Decision, settings: Settings) -> bool:
    """Compute the ranges of tiles."""
    ranges = decision.status["plan"]["ranges"]
    job = _job(observed, decision, settings, Step.TILES, ranges)
    done = job.succeeded if job is not None else 0
    decision.lifecycle.count(done, ranges, _seconds_left(done, ranges, job, decision))
    if job is not None and job.outcome == "Complete":
        decision.lifecycle.computed(ranges)
        return True
    if job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(observed, Step.TILES))
        return False
    pods = parallelism(observed.request, settings, ranges, observed.admission.pods)
    if job is not None and job.parallelism != pods:
        decision.change.setdefault(job.name, {"spec": {}})["spec"]["parallelism"] = pods
    decision.lifecycle.computing(*_kept_from_working(observed, decision, Step.TILES))
    return False


def finalizing(observed: Observed, decision: Decision, settings: Settings) -> bool:
    """Merge the tiles and publish. The pod's termination message says where the results are."""
    result = _completed(observed, decision, settings, Step.FINALIZE)
    if result is None:
        return False
    if TILES_LEFT in result:
        _compute_again(observed, decision, result[TILES_LEFT])
        return False
    decision.lifecycle.publish(result)
    return True


def _completed(observed: Observed, decision: Decision, settings: Settings, step: Step) -> dict[str, Any] | None:
    """The answer of the completed step plan or finalize; None if it is not completed, which is recorded."""
    job = _job(observed, decision, settings, step)
    if job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(observed, step))
        return None
    if job is not None and job.outcome == "Complete":
        answer = _answer(observed, decision, step)
        if answer is not None and (TILES_LEFT in answer or _fits(_ANSWERS[step], answer)):
            return answer
        if answer is not None:
            decision.lifecycle.fail(_unreadable(step))
            return None
    record = decision.lifecycle.planning if step is Step.PLAN else decision.lifecycle.finalizing
    record(*_kept_from_working(observed, decision, step))
    return None


def _compute_again(observed: Observed, decision: Decision, tiles: object) -> None:
    """Run the tiles Job again. Finished tiles stay in the store, so its pods compute the rest."""
    decision.delete += [observed.jobs[step].name for step in (Step.TILES, Step.FINALIZE) if step in observed.jobs]
    decision.lifecycle.recompute(tiles)


def _job(observed: Observed, decision: Decision, settings: Settings, step: Step, ranges: int = 1) -> JobState | None:
    """The Job of a step; None if it is missing and will be created."""
    if step not in observed.jobs:
        decision.create += step_manifests(
            observed.request, step, settings, decision.status["workerImage"], ranges, observed.admission.pods
        )
    return observed.jobs.get(step)


def _answer(observed: Observed, decision: Decision, step: Step) -> dict[str, Any] | None:
    """The answer of a completed step. If its pod is gone, the step runs again and finds its own results."""
    for pod in observed.pods_of(step):
        if pod.exit_code == 0 and pod.answer is not None:
            return pod.answer
    decision.delete.append(observed.jobs[step].name)
    return None


def _fits(model: type[BaseModel], answer: dict[str, Any]) -> bool:
    """Whether an answer matches the contract; otherwise the API server would refuse the status."""
    try:
        model.model_validate(answer)
    except ValidationError:
        return False
    return True


def _unreadable(step: Step) -> Trouble:
    return Trouble(
        "UnreadableAnswer",
        f"the {step} pod left an answer that the operator cannot read; "
        "use the same version for image and worker.image of the chart",
    )


def _kept_from_working(observed: Observed, decision: Decision, step: Step) -> tuple[Trouble | None, str]:
    """The problem of a running step, if any, and the queue that it waits in. Without pods the known problem stays."""
    decision.again_in = min(LOOK_SECONDS, decision.again_in or LOOK_SECONDS)
    job = observed.jobs.get(step)
    found = None
    if observed.pods is None:
        known = conditions_of(decision.status).get(Condition.DEGRADED, {})
        found = Trouble(known["reason"], known["message"]) if known.get("status") == "True" else None
    elif job is not None:
        found = trouble(observed, step, (decision.now - job.started).total_seconds() if job.started else 0)
    return found, messages.queued(observed.request.execution.queue or "") if observed.queued else ""


def _seconds_left(done: int, ranges: int, job: JobState | None, decision: Decision) -> int | None:
    if not 0 < done < ranges or job is None or job.started is None:
        return None
    return round((decision.now - job.started).total_seconds() * (ranges - done) / done)
