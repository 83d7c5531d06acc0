"""The three steps of a running request. Each function decides what its step needs and returns whether it is done."""

from typing import Any

from mosaic_crds.lifecycle import Trouble, messages
from mosaic_crds.status import PlanSummary, ResultStatus
from mosaic_crds.worker_pod import RESULT, TILES_LEFT, Step
from pydantic import BaseModel, ValidationError

from mosaic_operator.decision import Decision
from mosaic_operator.failures import failure, failure_of, trouble
from mosaic_operator.jobs import JobState
from mosaic_operator.manifests import parallelism, step_manifests
from mosaic_operator.observed import Observed
from mosaic_operator.pod_templates import digest_of, pod_template
from mosaic_operator.resources import larger_memory
from mosaic_operator.settings import Settings

LOOK_SECONDS = 10
"""Interval of looks at a running step: some problems change neither its Job nor a pod."""


def planning(observed: Observed, decision: Decision, settings: Settings) -> bool:
    """Plan the mosaic. The pod's termination message has the summary; that of a small mosaic also has the result."""
    answer = _completed(observed, decision, settings, Step.PLAN)
    if answer is None:
        return False
    result = answer.get(RESULT)
    summary = {key: value for key, value in answer.items() if key != RESULT}
    decision.lifecycle.plan(summary)
    if result is None:
        return True
    decision.lifecycle.computed(summary.get("ranges", 1))
    decision.lifecycle.publish(result)
    return False


def running(observed: Observed, decision: Decision, settings: Settings) -> bool:
    """Compute the ranges of tiles."""
    ranges = decision.status["plan"]["ranges"]
    job = _job(observed, decision, settings, Step.TILES)
    done = count_ranges(observed, decision)
    if job is not None and (job.outcome == "Complete" or done >= ranges):
        decision.lifecycle.computed(ranges)
        return True
    if _retries_with_more_memory(observed, decision, settings, Step.TILES):
        return False
    if job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(observed, Step.TILES))
        return False
    pods = parallelism(observed.request, settings, ranges, observed.admission.pods)
    if job is not None and (pods < job.parallelism or (pods > job.parallelism and not _runs_in_queue(observed, job))):
        decision.change.setdefault(job.name, {"spec": {}})["spec"]["parallelism"] = pods
    decision.lifecycle.computing(*_kept_from_working(observed, decision, Step.TILES))
    return False


def _runs_in_queue(observed: Observed, job: JobState) -> bool:
    """Whether Kueue has admitted a Job. It would stop all its pods, and admit it again, to let it have more."""
    return bool(observed.request.execution.queue) and not job.suspended


def count_ranges(observed: Observed, decision: Decision) -> int:
    """Record how many ranges are done."""
    ranges, job = decision.status["plan"]["ranges"], observed.jobs.get(Step.TILES)
    done = observed.ranges_done()
    decision.lifecycle.count(done, ranges, _seconds_left(done, ranges, job, decision))
    return done


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
    answer = observed.answer(step)
    if answer is not None:
        if _is_answer(step, answer):
            return answer
        decision.lifecycle.fail(_unreadable(step))
        return None
    if _retries_with_more_memory(observed, decision, settings, step):
        return None
    if job is not None and job.outcome == "Failed":
        decision.lifecycle.fail(failure(observed, step))
        return None
    if job is not None and job.outcome == "Complete":  # its pod is gone; the step runs again and finds its own results
        decision.delete.append(job.name)
    record = decision.lifecycle.planning if step is Step.PLAN else decision.lifecycle.finalizing
    record(*_kept_from_working(observed, decision, step))
    return None


def _compute_again(observed: Observed, decision: Decision, tiles: object) -> None:
    """Run the tiles Job again. Finished tiles stay in the store, so its pods compute the rest."""
    decision.delete += [observed.jobs[step].name for step in (Step.TILES, Step.FINALIZE) if step in observed.jobs]
    decision.lifecycle.recompute(tiles)


def _job(observed: Observed, decision: Decision, settings: Settings, step: Step) -> JobState | None:
    """The Job of a step; None if it is missing and will be created.

    A Job none of whose pods has started is deleted if the settings now give it another pod template, so that a
    corrected setting helps a request that waits.
    """
    job = observed.jobs.get(step)
    if job is None:
        decision.create += step_manifests(observed.request, step, settings, decision.status, observed.admission.pods)
    elif job.outcome is None and job.template and not any(pod.has_started for pod in observed.pods_of(step)):
        current = pod_template(observed.request, step, settings, decision.status)
        if job.template != digest_of(current) and job.name not in decision.delete:  # `choose_image` may delete it too
            decision.delete.append(job.name)
    return job


def _retries_with_more_memory(observed: Observed, decision: Decision, settings: Settings, step: Step) -> bool:
    """Run a step again with twice the memory after its first pod that ran out of memory; finished tiles are kept."""
    killed = [pod for pod in observed.pods_of(step) if pod.ended_by == "OOMKilled"]
    if not killed or "workerMemory" in decision.status:
        return False
    memory = larger_memory(killed[0].memory, settings.worker_pod.max_memory)
    if memory is None:
        return False
    decision.status["workerMemory"] = memory
    decision.delete.append(observed.jobs[step].name)
    decision.lifecycle.work(Trouble("OutOfMemory", messages.retrying(failure_of(killed[0]).message, f"with {memory}")))
    return True


def _is_answer(step: Step, answer: dict[str, Any]) -> bool:
    """Whether the answer of a step matches the contract; otherwise the API server would refuse the status."""
    if step is Step.FINALIZE:
        return TILES_LEFT in answer or _fits(ResultStatus, answer)
    summary = {key: value for key, value in answer.items() if key != RESULT}
    published = RESULT in answer
    return (not published or _fits(ResultStatus, answer[RESULT])) and (
        _fits(PlanSummary, summary) or (published and not summary)
    )


def _fits(model: type[BaseModel], answer: object) -> bool:
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
    """The problem of a running step, if any, and the queue that it waits in."""
    decision.again_in = min(LOOK_SECONDS, decision.again_in or LOOK_SECONDS)
    job = observed.jobs.get(step)
    found = None
    if job is not None:
        found = trouble(observed, step, (decision.now - job.started).total_seconds() if job.started else 0)
    return found, messages.queued(observed.request.execution.queue or "") if observed.queued else ""


def _seconds_left(done: int, ranges: int, job: JobState | None, decision: Decision) -> int | None:
    if not 0 < done < ranges or job is None or job.started is None:
        return None
    return round((decision.now - job.started).total_seconds() * (ranges - done) / done)
