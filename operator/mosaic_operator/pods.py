"""A pod as the API server returns it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.names import LABEL_STEP
from mosaic_crds.times import time_or_none
from mosaic_crds.worker_pod import WORKER_CONTAINER, Step

from mosaic_operator.parsing import Document, controller, worker_image

INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
LEFT_SECONDS = 15
"""If the deletion of a pod is overdue by this much, its node does not respond."""


@dataclass(frozen=True)
class PodState:
    """A pod of a request.

    Attributes:
        name: the name of the pod.
        uid: the uid of the pod.
        step: its step.
        job_uid: the uid of its Job.
        index: its range, in a tiles Job.
        image: the image of its worker.
        created: when it was created.
        leaving_since: when its deletion is due; None if it is not being deleted.
        phase: Pending, Running, Succeeded or Failed.
        reason: why the pod failed, as Kubernetes calls it: DeadlineExceeded, Evicted, …
        message: the message with that reason.
        exit_code: the exit code of the worker, if it has finished.
        ended_by: why the worker ended, as Kubernetes calls it: Completed, Error, OOMKilled, …
        ended: when the worker ended.
        termination_message: the termination message.
        waiting_for: why the worker does not start, as Kubernetes calls it: ErrImagePull, ContainerCreating, …
        waiting_message: the message with that reason.
        unplaced: why it cannot be scheduled; empty if it can.
        memory: the memory limit of the worker.
        disrupted: whether it ended because of its node; such an end does not count as a failure.
    """

    name: str
    uid: str
    step: Step
    job_uid: str
    index: int | None
    image: str
    created: datetime
    leaving_since: datetime | None
    phase: str
    reason: str
    message: str
    exit_code: int | None
    ended_by: str
    ended: datetime | None
    termination_message: str
    waiting_for: str
    waiting_message: str
    unplaced: str
    memory: str
    disrupted: bool

    @staticmethod
    def of(pod: Document) -> "PodState":
        """Parse a pod."""
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
        workers = [c for c in status.get("containerStatuses", ()) if c["name"] == WORKER_CONTAINER]
        state = workers[0].get("state", {}) if workers else {}
        ended, waiting = state.get("terminated", {}), state.get("waiting", {})
        index = metadata.get("annotations", {}).get(INDEX_ANNOTATION)
        unplaced = [
            c.get("message", "no node fits")
            for c in status.get("conditions", ())
            if c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
        ]
        limits = [c.get("resources", {}).get("limits", {}) for c in spec["containers"] if c["name"] == WORKER_CONTAINER]
        return PodState(
            name=metadata["name"],
            uid=metadata["uid"],
            step=Step(metadata["labels"][LABEL_STEP]),
            job_uid=str((controller(pod, "batch/v1", "Job") or {}).get("uid", "")),
            index=int(index) if isinstance(index, str) and index.isdecimal() and len(index) < 10 else None,
            image=worker_image(spec),
            created=time_or_none(metadata["creationTimestamp"]) or datetime.min.replace(tzinfo=UTC),
            leaving_since=time_or_none(metadata.get("deletionTimestamp")),
            phase=status.get("phase", "Pending"),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            exit_code=ended.get("exitCode"),
            ended_by=ended.get("reason", ""),
            ended=time_or_none(ended.get("finishedAt")),
            termination_message=ended.get("message", ""),
            waiting_for=waiting.get("reason", ""),
            waiting_message=waiting.get("message", ""),
            unplaced=unplaced[0] if unplaced else "",
            memory=limits[0].get("memory", "") if limits else "",
            disrupted=any(
                c["type"] == "DisruptionTarget" and c["status"] == "True" for c in status.get("conditions", ())
            ),
        )

    @property
    def over(self) -> bool:
        """Whether it has finished."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def has_started(self) -> bool:
        """Whether its worker has started."""
        return self.phase == "Running" or self.over or self.exit_code is not None

    @property
    def done(self) -> bool:
        """Whether its worker has succeeded. Kubernetes needs seconds more until the pod and its Job have finished."""
        return self.exit_code == 0

    @property
    def answer(self) -> dict[str, Any] | None:
        """The termination message of the worker, if it is a JSON object."""
        try:
            found = parse_json(self.termination_message, "a termination message")
        except RequestError:
            return None
        return found if isinstance(found, dict) else None


def lost(pods: Iterable[PodState], now: datetime) -> list[str]:
    """The names of the pods whose deletion is long overdue: no kubelet is left to report their end.

    Args:
        pods: any pods.
        now: with a time zone.
    """
    return [
        pod.name
        for pod in pods
        if pod.leaving_since is not None and (now - pod.leaving_since).total_seconds() > LEFT_SECONDS
    ]
