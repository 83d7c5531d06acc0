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
"""A pod that should have gone so long ago is on such a node."""


@dataclass(frozen=True)
class PodState:
    """A pod of a request.

    Attributes:
        name: of the pod.
        uid: of this very pod.
        step: what it does.
        job_uid: of its Job.
        index: its range, in a tiles Job.
        image: of its worker.
        node: where it runs, if it is placed.
        created: when.
        leaving_since: when its deletion was due; None if nobody deletes it.
        phase: Pending, Running, Succeeded or Failed.
        reason: why it failed as a whole, in Kubernetes' word: DeadlineExceeded, Evicted, …
        message: what Kubernetes says to that.
        exit_code: of the worker, if it has ended.
        ended_by: why the worker ended, in Kubernetes' word: Completed, Error, OOMKilled, …
        ended: when the worker ended.
        said: the termination message.
        waiting_for: why the worker does not start, in Kubernetes' word: ErrImagePull, ContainerCreating, …
        waiting_message: what Kubernetes says to that.
        unplaced: why no node was found; empty where one was.
        memory: the worker's limit.
        disrupted: whether it was ended for the sake of its node, which nobody counts against it.
    """

    name: str
    uid: str
    step: Step
    job_uid: str
    index: int | None
    image: str
    node: str
    created: datetime
    leaving_since: datetime | None
    phase: str
    reason: str
    message: str
    exit_code: int | None
    ended_by: str
    ended: datetime | None
    said: str
    waiting_for: str
    waiting_message: str
    unplaced: str
    memory: str
    disrupted: bool

    @staticmethod
    def of(pod: Document) -> "PodState":
        """A pod of the API."""
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
            node=spec.get("nodeName", ""),
            created=time_or_none(metadata["creationTimestamp"]) or datetime.min.replace(tzinfo=UTC),
            leaving_since=time_or_none(metadata.get("deletionTimestamp")),
            phase=status.get("phase", "Pending"),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            exit_code=ended.get("exitCode"),
            ended_by=ended.get("reason", ""),
            ended=time_or_none(ended.get("finishedAt")),
            said=ended.get("message", ""),
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
        """Whether it has ended."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def answer(self) -> dict[str, Any] | None:
        """What the worker left as JSON in its termination message."""
        try:
            found = parse_json(self.said, "a termination message")
        except RequestError:
            return None
        return found if isinstance(found, dict) else None


def lost(pods: Iterable[PodState], now: datetime) -> list[str]:
    """The names of those that should have gone long ago.

    Args:
        pods: any.
        now: with a zone.
    """
    return [
        pod.name
        for pod in pods
        if pod.leaving_since is not None and (now - pod.leaving_since).total_seconds() > LEFT_SECONDS
    ]
