"""A request at work: what each of its three steps needs next. Each function gives whether its step is done."""

from typing import Any

from mosaic_crds.names import Condition, Phase
from mosaic_crds.status import PlanSummary, ResultStatus
from mosaic_crds.worker_pod import TILES_LEFT, Step
from pydantic import BaseModel, ValidationError

from mosaic_operator.decision import Decision, Event
from mosaic_operator.failures import Trouble, failure, trouble
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import parallelism, step_manifests
from mosaic_operator.observed import Observed
from mosaic_operator.settings import Settings

LOOK_SECONDS = 10
"""How often pods are looked at while a step is at work: not all their troubles change the Job."""


def planning(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Plan the mosaic; the summary comes with the pod's last words."""
    message = "the plan is being made"
    job = _job(seen, draft, settings, Step.PLAN)
    if job is not None and job.outcome == "Complete":
        summary = _answer(seen, draft, Step.PLAN)
        if summary is not None and not _fits(PlanSummary, summary):
            _fail(draft, Condition.PLANNED, _unreadable(Step.PLAN))
            return False
        if summary is not None:
            draft.status["plan"] = {key: value for key, value in summary.items() if value or key != "warnings"}
            told = f"scenes: {summary['scenes']}, tiles: {summary['tiles']}, ranges: {summary['ranges']}"
            draft.say(Condition.PLANNED, True, "Planned", _with_warnings(told, draft))
            if "warnings" in draft.status["plan"]:
                draft.events.append(Event("Warning", "Planned", _with_warnings(told, draft), draft.now))
            return True
    elif job is not None and job.outcome == "Failed":
        _fail(draft, Condition.PLANNED, failure(seen, Step.PLAN))
        return False
    draft.say(Condition.PLANNED, False, "Planning", message)
    _at_work(seen, draft, Step.PLAN, Phase.PLANNING, message)
    return False


def running(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Compute the ranges of tiles."""
    ranges = draft.status["plan"]["ranges"]
    job = _job(seen, draft, settings, Step.TILES, ranges)
    done = job.succeeded if job is not None else 0
    draft.status["progress"] = _progress(done, ranges, job, draft)
    if job is not None and job.outcome == "Complete":
        draft.status["progress"] = _progress(ranges, ranges, None, draft)
        draft.say(Condition.TILES_READY, True, "AllRangesDone", f"all {ranges} ranges are done")
        return True
    if job is not None and job.outcome == "Failed":
        found = failure(seen, Step.TILES)
        _fail(draft, Condition.TILES_READY, found)
        return False
    pods = parallelism(seen.request, settings, ranges, seen.turn.pods)
    if job is not None and job.parallelism != pods:
        draft.change.setdefault(job.name, {"spec": {}})["spec"]["parallelism"] = pods
    draft.say(Condition.TILES_READY, False, "Running", "ranges of tiles are being computed")
    _at_work(seen, draft, Step.TILES, Phase.RUNNING, f"{done} of {ranges} ranges are done")
    return False


def finalizing(seen: Observed, draft: Decision, settings: Settings) -> bool:
    """Merge the tiles and publish; where the results are comes with the pod's last words."""
    message = "the mosaic is being put together"
    job = _job(seen, draft, settings, Step.FINALIZE)
    if job is not None and job.outcome == "Complete":
        result = _answer(seen, draft, Step.FINALIZE)
        if result is not None and TILES_LEFT in result:
            _compute_again(seen, draft, result[TILES_LEFT])
            return False
        if result is not None and not _fits(ResultStatus, result):
            _fail(draft, Condition.PUBLISHED, _unreadable(Step.FINALIZE))
            return False
        if result is not None:
            draft.status["result"] = result
            published = _with_warnings(f"published {result.get('cog') or result['item']}", draft)
            published = "; ".join([published, *result.get("notes", ())])
            draft.say(Condition.PUBLISHED, True, "Published", published)
            draft.say(Condition.DEGRADED, False, "AsExpected", "")
            draft.enter(Phase.SUCCEEDED, published)
            return True
    elif job is not None and job.outcome == "Failed":
        _fail(draft, Condition.PUBLISHED, failure(seen, Step.FINALIZE))
        return False
    draft.say(Condition.PUBLISHED, False, "Finalizing", message)
    _at_work(seen, draft, Step.FINALIZE, Phase.FINALIZING, message)
    return False


def _compute_again(seen: Observed, draft: Decision, tiles: object) -> None:
    """Start the ranges again: what is done in the store stays, so their pods compute what is left."""
    message = f"{tiles} tiles are computed again, because they were lost or a scene of theirs proved unreadable"
    draft.delete += [seen.jobs[step].name for step in (Step.TILES, Step.FINALIZE) if step in seen.jobs]
    draft.say(Condition.TILES_READY, False, "ComputedAgain", message)
    draft.enter(Phase.RUNNING, message)


def _job(seen: Observed, draft: Decision, settings: Settings, step: Step, ranges: int = 1) -> JobState | None:
    """The Job of a step, which is made if it is not there."""
    if step not in seen.jobs:
        draft.create += step_manifests(seen.request, step, settings, ranges, seen.turn.pods)
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


def _at_work(seen: Observed, draft: Decision, step: Step, phase: Phase, message: str) -> None:
    """Say that a step is at work, or what keeps it from that; where nobody looked, what was said before stays."""
    draft.again_in = min(LOOK_SECONDS, draft.again_in or LOOK_SECONDS)
    job = seen.jobs.get(step)
    if seen.pods is None:
        told = {c["type"]: c for c in draft.status.get("conditions", ())}.get(Condition.DEGRADED, {})
        found = Trouble(told["reason"], told["message"]) if told.get("status") == "True" else None
    else:
        began = job.started if job is not None else None
        found = trouble(seen, step, (draft.now - began).total_seconds() if began else 0) if job is not None else None
    waits = ""
    if found is not None:
        draft.say(Condition.DEGRADED, True, found.reason, found.message)
        waits = found.message
    else:
        draft.say(Condition.DEGRADED, False, "AsExpected", "")
        if seen.queued:
            waits = f"waits for its turn in the queue {seen.request.execution.queue}"
    if waits:
        message = f"{message}; {waits}" if phase is Phase.RUNNING else waits
    draft.enter(phase, message)


def _with_warnings(told: str, draft: Decision) -> str:
    """What is told, and what the plan warned of."""
    return "; ".join([told, *draft.status["plan"].get("warnings", ())])


def _fail(draft: Decision, condition: Condition, found: Trouble) -> None:
    draft.say(condition, False, found.reason, found.message)
    draft.say(Condition.DEGRADED, True, found.reason, found.message)
    draft.enter(Phase.FAILED, found.message)


def _progress(done: int, ranges: int, job: JobState | None, draft: Decision) -> dict[str, int]:
    found = {"rangesDone": done, "rangesTotal": ranges, "percent": 100 * done // ranges}
    if done and done < ranges and job is not None and job.started is not None:
        found["etaSeconds"] = round((draft.now - job.started).total_seconds() * (ranges - done) / done)
    return found
