"""All that a decision about a request rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaic_crds.worker_pod import Step

from mosaic_operator.jobs import JobState
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState


@dataclass(frozen=True)
class Turn:
    """A request's place among all requests.

    Attributes:
        admitted: whether it may work now.
        ahead: how many requests go before it.
        limit: what it waits for, in words.
        pods: how many it may have at once, where requests share a service; None for no such limit.
    """

    admitted: bool
    ahead: int = 0
    limit: str = ""
    pods: int | None = None


@dataclass(frozen=True)
class Observed:
    """All that a decision about a request rests on.

    Attributes:
        request: the request.
        jobs: its Jobs by step, without those that are on their way out.
        pods: its pods; None where nobody looked, because nothing hung on them.
        refusals: why Kubernetes creates no pods, or starts none, in its words, newest first.
        turn: its place among all requests.
    """

    request: RequestState
    jobs: Mapping[Step, JobState]
    pods: Sequence[PodState] | None
    refusals: Sequence[str] = field(default_factory=tuple)
    turn: Turn = Turn(admitted=True)

    @property
    def queued(self) -> bool:
        """Whether Kueue keeps a Job of it waiting."""
        return bool(self.request.execution.queue) and any(
            job.suspended and job.outcome is None for job in self.jobs.values()
        )

    def pods_of(self, step: Step) -> list[PodState]:
        """The pods of the Job of a step that is there now."""
        job = self.jobs.get(step)
        return [pod for pod in self.pods or () if pod.step == step and job is not None and pod.job_uid == job.uid]
