"""Explains in one sentence for the user why a step failed or does not progress."""

import re
from collections.abc import Sequence

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.lifecycle import CRASHED, REFUSED, RETRYING, SOURCE_OR_STORE, Trouble, messages
from mosaic_crds.worker_pod import Step

from mosaic_operator.jobs import JobState
from mosaic_operator.observed import Observed
from mosaic_operator.pods import PodState

LONGEST_QUOTE = 600
"""Most characters that are quoted from Kubernetes or a log."""
STARTING_SECONDS = 20
"""Seconds in which a container should start; later, Events are read."""
MISSING_SECONDS = 3
"""Seconds after the start of a Job without pods until Events are read."""
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
_CONFIGURATION = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def failure_of(pod: PodState) -> Trouble:
    """Why a pod failed."""
    who, step = _who(pod), pod.step
    answer = _quoted(str((pod.answer or {}).get("message", "")))
    if pod.reason == "DeadlineExceeded":
        advice = "raise execution.rangeDeadline" if step is Step.TILES else f"raise deadlines.{step} of the chart"
        found = ("Stuck", f"{who} timed out; {advice}, or check whether the sources are slow")
    elif pod.ended_by == "OOMKilled":
        limit = f" ({pod.memory})" if pod.memory else ""
        found = (
            "OutOfMemory",
            f"{who} ran out of memory{limit}; raise worker.resources.{step}.limits.memory of the chart",
        )
    elif pod.reason == "Evicted":
        found = ("Evicted", f"{who} was evicted from its node: {_quoted(pod.message)}")
    elif pod.exit_code == RequestError.exit_code:
        found = (REFUSED, answer or f"{who} refused the request")
    elif pod.exit_code == PassingError.exit_code:
        found = (SOURCE_OR_STORE, answer or f"{who} could not read a source or write to the store")
    elif pod.exit_code in {None, 137, 143}:
        found = ("Killed", f"{who} was killed from outside" + (f": {_quoted(pod.message)}" if pod.message else ""))
    else:
        last = answer or _quoted("".join(pod.termination_message.strip().splitlines()[-1:]))
        found = (CRASHED, f"{who} ended with exit code {pod.exit_code}" + (f": {last}" if last else ""))
    return Trouble(*found)


def failure(observed: Observed, step: Step) -> Trouble:
    """Why the Job of a step failed: the refusal of a worker, or why the last pod that counts failed."""
    job = observed.jobs[step]
    failed = sorted(
        (
            pod
            for pod in observed.pods_of(step)
            if pod.phase == "Failed"
            and not pod.disrupted
            and (not job.failed_indexes or pod.index in job.failed_indexes)  # the others were stopped with the Job
        ),
        key=lambda pod: (pod.exit_code == RequestError.exit_code, pod.ended or pod.created),
    )
    if not failed:
        reason = f" ({job.reason})" if job.reason else ""
        return Trouble(
            job.reason or "JobFailed",
            f"the Job {job.name} failed{reason}, and no pod is left to show why; submit the request again",
        )
    trouble = failure_of(failed[-1])
    tried = sum(pod.index == failed[-1].index for pod in failed)
    if trouble.reason == REFUSED:
        return trouble
    return Trouble(trouble.reason, messages.given_up(trouble.message, tried))


def trouble(observed: Observed, step: Step, seconds_since: float) -> Trouble | None:
    """The problem of an unfinished step, if it has one.

    Args:
        observed: the state, with pods.
        step: the running step.
        seconds_since: seconds since its Job started.
    """
    job = observed.jobs[step]
    if job.suspended:  # Kubernetes deletes its pods, whose ends are no failures
        return None
    pods = observed.pods_of(step)
    for pod in pods:
        found = None if pod.over else _does_not_start(pod, observed.refusals)
        if found is not None:
            return found
    if not pods and job.active == 0 and observed.refusals:
        return _not_created(job, observed.refusals[0])
    if not any(not pod.over for pod in pods) and seconds_since > STARTING_SECONDS and observed.refusals:
        return _not_created(job, observed.refusals[0])
    failed = [pod for pod in pods if pod.phase == "Failed" and not pod.disrupted]
    done = {pod.index for pod in pods if pod.phase == "Succeeded"}
    again = [pod for pod in failed if pod.index not in done]
    if not again:
        return None
    last = max(again, key=lambda pod: pod.ended or pod.created)
    return Trouble(RETRYING, messages.retrying(failure_of(last).message))


def needs_refusals(job: JobState, pods: Sequence[PodState], seconds_since: float) -> bool:
    """Whether Events must be read: pods are missing, or do not start."""
    waiting = any(not pod.over and pod.waiting_for in {"ContainerCreating", *_CONFIGURATION, *_IMAGE} for pod in pods)
    missing = not any(not pod.over for pod in pods) and not job.suspended and seconds_since > MISSING_SECONDS
    return missing or (waiting and seconds_since > STARTING_SECONDS)


def _does_not_start(pod: PodState, refusals: Sequence[str]) -> Trouble | None:
    step = pod.step
    if pod.unplaced:
        return Trouble(
            "Unschedulable",
            f"no node has room for a {step} pod: {_quoted(pod.unplaced)}; "
            f"free or add nodes, or lower worker.resources.{step}.requests of the chart",
        )
    if pod.waiting_for in _IMAGE:
        return Trouble(
            "ImagePull",
            f"the image {pod.image} cannot be pulled: {_quoted(pod.waiting_message or pod.waiting_for)}; "
            + (
                "correct worker.image of the chart"
                if step is Step.PLAN
                else "it planned this request: make it available again, or delete the request and apply it again"
            ),
        )
    if pod.waiting_for in _CONFIGURATION:
        return Trouble(
            "PodConfiguration",
            f"a {step} pod cannot start: {_quoted(pod.waiting_message or pod.waiting_for)}; "
            "check that the Secrets of the chart's values exist in this namespace",
        )
    if pod.waiting_for == "ContainerCreating" and refusals:
        return Trouble("PodStart", f"a {step} pod cannot start: {_quoted(refusals[0])}")
    return None


def _not_created(job: JobState, refusal: str) -> Trouble:
    quoted = _quoted(refusal)
    if "exceeded quota" in refusal:
        return Trouble(
            "Quota", f"the namespace's quota allows no more pods of {job.name}: {quoted}; raise the quota, or wait"
        )
    if "violates PodSecurity" in refusal:
        return Trouble("PodSecurity", f"the namespace's policy refuses the pods of {job.name}: {quoted}")
    return Trouble("PodsRefused", f"Kubernetes creates no pods of {job.name}: {quoted}")


def _who(pod: PodState) -> str:
    return f"range {pod.index}" if pod.index is not None else f"the {pod.step} pod"


def _quoted(text: str) -> str:
    """A foreign message, on one line and shortened."""
    line = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 3] + "..."
