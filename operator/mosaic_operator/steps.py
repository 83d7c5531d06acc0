"""A request at work: what each of its three steps needs next. Each function gives whether its step is done."""

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
"""How often pods are looked at while a step is at work: not all their troubles change the Job."""


def planning(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Plan the mosaic; the summary comes with the pod's last words."""
    job = _job(seen, draft, settings, Step.PLAN)
    if job is not None and job.outcome == "Complete":
        summary = _answer(seen, draft, Step.PLAN)
        if summary is not None and not _fits(PlanSummary, summary):
            draft.lifecycle.fail(_unreadable(Step.PLAN))
            return False
        if summary is not None:
            draft.lifecycle.plan(summary)
            return True
    elif job is not None and job.outcome == "Failed":
        draft.lifecycle.fail(failure(seen, Step.PLAN))
        return False
    draft.lifecycle.planning(*_kept_from_working(seen, draft, Step.PLAN))
    return False


def running(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Compute the ranges of tiles."""
    ranges = draft.status["plan"]["ranges"]
    job = _job(seen, draft, settings, Step.TILES, ranges)
    done = job.succeeded if job is not None else 0
    draft.lifecycle.count(done, ranges, _seconds_left(done, ranges, job, draft))
    if job is not None and job.outcome == "Complete":
        draft.lifecycle.computed(ranges)
        return True
    if job is not None and job.outcome == "Failed":
        draft.lifecycle.fail(failure(seen, Step.TILES))
        return False
    pods = parallelism(seen.request, settings, ranges, seen.turn.pods)
    if job is not None and job.parallelism != pods:
        draft.change.setdefault(job.name, {"spec": {}})["spec"]["parallelism"] = pods
    draft.lifecycle.computing(*_kept_from_working(seen, draft, Step.TILES))
    return False


def finalizing(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Merge the tiles and publish; where the results are comes with the pod's last words."""
    job = _job(seen, draft, settings, Step.FINALIZE)
    if job is not None and job.outcome == "Complete":
        result = _answer(seen, draft, Step.FINALIZE)
        if result is not None and TILES_LEFT in result:
            _compute_again(seen, draft, result[TILES_LEFT])
            return False
        if result is not None and not _fits(ResultStatus, result):
            draft.lifecycle.fail(_unreadable(Step.FINALIZE))
            return False
        if result is not None:
            draft.lifecycle.publish(result)
            return True
    elif job is not None and job.outcome == "Failed":
        draft.lifecycle.fail(failure(seen, Step.FINALIZE))
        return False
    draft.lifecycle.finalizing(*_kept_from_working(seen, draft, Step.FINALIZE))
    return False


def _compute_again(seen: Observed, draft: Decision, tiles: object) -> None:
    """Start the ranges again: what is done in the store stays, so their pods compute what is left."""
    draft.delete += [seen.jobs[step].name for step in (Step.TILES, Step.FINALIZE) if step in seen.jobs]
    draft.lifecycle.recompute(tiles)


def _job(seen: Observed, draft: Decision, settings: Settings, step: Step, ranges: int = 1) -> JobState | None:
    """The Job of a step, which is made if it is not there."""
    if step not in seen.jobs:
        draft.create += step_manifests(
            seen.request, step, settings, draft.status["workerImage"], ranges, seen.turn.pods
        )
    return seen.jobs.get(step)


def _answer(seen: Observed, draft: Decision, step: Step) -> dict[str, Any] | None:
    """What a completed step's pod left; if the pod has gone unheard, the step is done again, which finds its work."""
    for pod in seen.pods_of(step):
        if pod.exit_code == 0 and pod.answer is not None:
            return pod.answer
    draft.delete.append(seen.jobs[step].name)
    return None


def _fits(model: type[BaseModel], answer: dict[str, Any]) -> bool:
    """Whether an answer is what the contract says of it; the API server would refuse the status otherwise."""
    try:
        model.model_validate(answer)
    except ValidationError:
        return False
    return True


def _unreadable(step: Step) -> Trouble:
    return Trouble(
        "UnreadableAnswer",
        f"the {step} pod left an answer that the operator cannot read; "
        "check that image and worker.image of the chart have the same version",
    )


def _kept_from_working(seen: Observed, draft: Decision, step: Step) -> tuple[Trouble | None, str]:
    """What keeps a step from working, and what it waits for; where nobody looked, the trouble that is known stays."""
    draft.again_in = min(LOOK_SECONDS, draft.again_in or LOOK_SECONDS)
    job = seen.jobs.get(step)
    found = None
    if seen.pods is None:
        known = conditions_of(draft.status).get(Condition.DEGRADED, {})
        found = Trouble(known["reason"], known["message"]) if known.get("status") == "True" else None
    elif job is not None:
        found = trouble(seen, step, (draft.now - job.started).total_seconds() if job.started else 0)
    return found, messages.queued(seen.request.execution.queue or "") if seen.queued else ""


def _seconds_left(done: int, ranges: int, job: JobState | None, draft: Decision) -> int | None:
    if not 0 < done < ranges or job is None or job.started is None:
        return None
    return round((draft.now - job.started).total_seconds() * (ranges - done) / done)
