"""The observed state of a request: the input of a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mosaic_crds.worker_pod import Step

from mosaic_operator.jobs import JobState
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState


@dataclass(frozen=True)
class Admission:
    """Whether a request may run now, and what it waits for.

    Attributes:
        admitted: whether it may run now.
        ahead: number of requests that come first.
        limit: the limit that it waits for, as a clause.
        pods: the most pods it may have at once, if requests share a service; None for no limit.
    """

    admitted: bool
    ahead: int = 0
    limit: str = ""
    pods: int | None = None


@dataclass(frozen=True)
class Observed:
    """The observed state of a request.

    Attributes:
        request: the request.
        jobs: its Jobs by step, without those that are being deleted.
        pods: its pods.
        refusals: messages of Kubernetes on why it creates or starts no pods, newest first.
        admission: whether it may run.
    """

    request: RequestState
    jobs: Mapping[Step, JobState]
    pods: Sequence[PodState] = ()
    refusals: Sequence[str] = field(default_factory=tuple)
    admission: Admission = Admission(admitted=True)

    def answer(self, step: Step) -> dict[str, Any] | None:
        """The answer of the pod that has done a step, if any."""
        return next((pod.answer for pod in self.pods_of(step) if pod.done and pod.answer is not None), None)

    def ranges_done(self) -> int:
        """How many ranges are done. Pods say it before their Job does, but finished ones may be deleted."""
        job = self.jobs.get(Step.TILES)
        done = {pod.index for pod in self.pods_of(Step.TILES) if pod.done}
        return max(len(done), job.succeeded if job is not None else 0)

    @property
    def queued(self) -> bool:
        """Whether one of its Jobs waits in a queue of Kueue."""
        return bool(self.request.execution.queue) and any(
            job.suspended and job.outcome is None for job in self.jobs.values()
        )

    def pods_of(self, step: Step) -> list[PodState]:
        """The pods of the current Job of a step."""
        job = self.jobs.get(step)
        return [pod for pod in self.pods if pod.step == step and job is not None and pod.job_uid == job.uid]
