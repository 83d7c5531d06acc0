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

LOOK_SECONDS = 10
"""Interval at which pods are read while a step runs: not every problem of a pod changes its Job."""


def planning(seen: Observed, decision: Decision, settings: Settings) -> bool:
    """Plan the mosaic. The pod's termination message has the summary."""
    job = _job(seen, decision, settings, Step.PLAN)
    if job is not None and job.outcome == "Complete":
        summary = _answer(seen, decision, Step.PLAN)
        if summary is not None and not _fits(PlanSummary, summary):
            decision.lifecycle.fail(_unreadable(Step.PLAN))
            return False
        if summary is not None:
            decision.lifecycle.plan(summary)
            return True
    elif job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(seen, Step.PLAN))
        return False
    decision.lifecycle.planning(*_kept_from_working(seen, decision, Step.PLAN))
    return False


def running(seen: Observed, decision: Decision, settings: Settings) -> bool:
    """Compute the ranges of tiles."""
    ranges = decision.status["plan"]["ranges"]
    job = _job(seen, decision, settings, Step.TILES, ranges)
    done = job.succeeded if job is not None else 0
    decision.lifecycle.count(done, ranges, _seconds_left(done, ranges, job, decision))
    if job is not None and job.outcome == "Complete":
        decision.lifecycle.computed(ranges)
        return True
    if job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(seen, Step.TILES))
        return False
    pods = parallelism(seen.request, settings, ranges, seen.turn.pods)
    if job is not None and job.parallelism != pods:
        decision.change.setdefault(job.name, {"spec": {}})["spec"]["parallelism"] = pods
    decision.lifecycle.computing(*_kept_from_working(seen, decision, Step.TILES))
    return False


def finalizing(seen: Observed, decision: Decision, settings: Settings) -> bool:
    """Merge the tiles and publish. The pod's termination message says where the results are."""
    job = _job(seen, decision, settings, Step.FINALIZE)
    if job is not None and job.outcome == "Complete":
        result = _answer(seen, decision, Step.FINALIZE)
        if result is not None and TILES_LEFT in result:
            _compute_again(seen, decision, result[TILES_LEFT])
            return False
        if result is not None and not _fits(ResultStatus, result):
            decision.lifecycle.fail(_unreadable(Step.FINALIZE))
            return False
        if result is not None:
            decision.lifecycle.publish(result)
            return True
    elif job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(seen, Step.FINALIZE))
        return False
    decision.lifecycle.finalizing(*_kept_from_working(seen, decision, Step.FINALIZE))
    return False


def _compute_again(seen: Observed, decision: Decision, tiles: object) -> None:
    """Run the tiles Job again. Finished tiles stay in the store, so its pods compute the rest."""
    decision.delete += [seen.jobs[step].name for step in (Step.TILES, Step.FINALIZE) if step in seen.jobs]
    decision.lifecycle.recompute(tiles)


def _job(seen: Observed, decision: Decision, settings: Settings, step: Step, ranges: int = 1) -> JobState | None:
    """The Job of a step; None if it is missing and will be created."""
    if step not in seen.jobs:
        decision.create += step_manifests(
            seen.request, step, settings, decision.status["workerImage"], ranges, seen.turn.pods
        )
    return seen.jobs.get(step)


def _answer(seen: Observed, decision: Decision, step: Step) -> dict[str, Any] | None:
    """The answer of a completed step. If its pod is gone, the step runs again and finds its own results."""
    for pod in seen.pods_of(step):
        if pod.exit_code == 0 and pod.answer is not None:
            return pod.answer
    decision.delete.append(seen.jobs[step].name)
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


def _kept_from_working(seen: Observed, decision: Decision, step: Step) -> tuple[Trouble | None, str]:
    """The problem of a running step, if any, and the queue that it waits in. Without pods the known problem stays."""
    decision.again_in = min(LOOK_SECONDS, decision.again_in or LOOK_SECONDS)
    job = seen.jobs.get(step)
    found = None
    if seen.pods is None:
        known = conditions_of(decision.status).get(Condition.DEGRADED, {})
        found = Trouble(known["reason"], known["message"]) if known.get("status") == "True" else None
    elif job is not None:
        found = trouble(seen, step, (decision.now - job.started).total_seconds() if job.started else 0)
    return found, messages.queued(seen.request.execution.queue or "") if seen.queued else ""


def _seconds_left(done: int, ranges: int, job: JobState | None, decision: Decision) -> int | None:
    if not 0 < done < ranges or job is None or job.started is None:
        return None
    return round((decision.now - job.started).total_seconds() * (ranges - done) / done)
