"""What the operator sees: requests, Jobs and pods, in its own words. Pure functions of what the API server gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.names import LABEL_FINISHED, LABEL_OWNER, LABEL_STEP, WORKER_CONTAINER, Phase, Step
from mosaic_crds.spec import Execution
from mosaic_crds.validation import load_execution

from mosaic_operator.parsing import Document, controller, moment

OVER = {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED}
AT_WORK = {Phase.PLANNING, Phase.RUNNING, Phase.FINALIZING}
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class RequestState:
    """A MosaicRequest in the API server.

    Every property has an answer, whatever an older version or another program wrote: one odd request must not stop
    the work on the others.

    Attributes:
        document: the object, or what `slim` keeps of it.
        whole: whether the whole spec is there.
    """

    document: Document
    whole: bool = True

    @property
    def namespace(self) -> str:
        """Of the request."""
        return str(self.document["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Of the request."""
        return str(self.document["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Of this very request: one that is applied again under its name has another."""
        return str(self.document["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """Of the spec."""
        return int(self.document["metadata"].get("generation", 1))

    @property
    def created(self) -> str:
        """When it was applied; as text it sorts as the times do."""
        return str(self.document["metadata"]["creationTimestamp"])

    @property
    def owner(self) -> str:
        """The id of the user of the API who owns it; empty for none. Anybody may have written it: see `admission`."""
        return str((self.document["metadata"].get("labels") or {}).get(LABEL_OWNER, ""))

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return "deletionTimestamp" in self.document["metadata"]

    @cached_property
    def _execution(self) -> tuple[Execution, str]:
        try:
            return load_execution(self.document.get("spec")), ""
        except RequestError as error:
            return Execution(), str(error)

    @property
    def execution(self) -> Execution:
        """How the work is to be done; the defaults where that cannot be read."""
        return self._execution[0]

    @property
    def unreadable(self) -> str:
        """Why the execution cannot be read, if it cannot: an older version accepted what this one refuses."""
        return self._execution[1]

    @property
    def labelled_finished(self) -> bool:
        """Whether it has the label that keeps finished requests out of the watch."""
        return LABEL_FINISHED in (self.document["metadata"].get("labels") or {})

    @property
    def reads_earth_daily(self) -> bool:
        """Whether its scenes come from EarthDaily."""
        return "earthDaily" in ((self.document.get("spec") or {}).get("source") or {})

    @property
    def status(self) -> Document:
        """What was last told of it."""
        found: Document = self.document.get("status") or {}
        return found

    @property
    def phase(self) -> Phase | None:
        """Where it stood when the status was written."""
        try:
            return Phase(self.status["phase"]) if "phase" in self.status else None
        except ValueError:
            return None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase in OVER

    @property
    def started(self) -> datetime | None:
        """When work began."""
        return moment(self.status.get("startTime"))

    def holds(self, condition: str) -> bool:
        """Whether a condition was told to be true."""
        return any(c["type"] == condition and c["status"] == "True" for c in self.status.get("conditions", ()))

    @property
    def slim(self) -> "RequestState":
        """The same without what is only needed to start a pod: most of the spec, and metadata that nobody here reads.

        A spec may take a megabyte, and there may be thousands of requests.
        """
        metadata = {key: value for key, value in self.document["metadata"].items() if key in _KEPT}
        labels = metadata.get("labels") or {}
        metadata["labels"] = {key: labels[key] for key in (LABEL_FINISHED, LABEL_OWNER) if key in labels}
        spec = self.document.get("spec") or {}
        kept = {"source": dict.fromkeys(spec.get("source") or {}, None)}
        kept |= {"execution": spec["execution"]} if "execution" in spec else {}
        rest = {key: self.document[key] for key in ("apiVersion", "kind", "status") if key in self.document}
        return RequestState(rest | {"metadata": metadata, "spec": kept}, whole=False)


_KEPT = {
    "name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels",
}  # fmt: skip
"""What is used of the metadata of a request."""


def version(request: RequestState) -> int:
    """The resource version, which grows with each change; 0 where it is no number."""
    try:
        return int(request.document["metadata"]["resourceVersion"])
    except (KeyError, ValueError):
        return 0


@dataclass(frozen=True)
class JobState:
    """A Job of a request.

    Attributes:
        name: of the Job.
        uid: of this very Job.
        completions: how many ranges it has.
        parallelism: pods at once.
        suspended: whether it stands still.
        outcome: how it ended, if it has.
        reason: why it failed, in Kubernetes' word.
        succeeded: ranges that are done.
        active: pods that are there and not over.
        failed: pods that failed.
        failed_indexes: ranges that are given up.
        started: when it last began.
        ttl: seconds until it is deleted, once it has ended; None for never.
    """

    name: str
    uid: str
    completions: int
    parallelism: int
    suspended: bool
    outcome: Literal["Complete", "Failed"] | None
    reason: str
    succeeded: int
    active: int
    failed: int
    failed_indexes: frozenset[int]
    started: datetime | None
    ttl: int | None

    @staticmethod
    def of(job: Document) -> "JobState":
        """A Job of the API."""
        spec, status = job["spec"], job.get("status", {})
        ends = [
            c for c in status.get("conditions", ()) if c["status"] == "True" and c["type"] in {"Complete", "Failed"}
        ]
        return JobState(
            name=job["metadata"]["name"],
            uid=job["metadata"]["uid"],
            completions=spec.get("completions", 1),
            parallelism=spec.get("parallelism", 1),
            suspended=bool(spec.get("suspend")),
            outcome=ends[0]["type"] if ends else None,
            reason=ends[0].get("reason", "") if ends else "",
            succeeded=status.get("succeeded", 0),
            active=status.get("active", 0),
            failed=status.get("failed", 0),
            failed_indexes=_indexes(status.get("failedIndexes", "")),
            started=moment(status.get("startTime")),
            ttl=spec.get("ttlSecondsAfterFinished"),
        )


def _indexes(text: str) -> frozenset[int]:
    """Numbers written as in 1,3-5."""
    spans = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
    return frozenset(number for span in spans for number in range(span[0], span[-1] + 1))


@dataclass(frozen=True)
class PodState:
    """A pod of a request.

    Attributes:
        name: of the pod.
        uid: of this very pod.
        step: what it does.
        job_uid: of its Job.
        index: its range, in a tiles Job.
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
            node=spec.get("nodeName", ""),
            created=moment(metadata["creationTimestamp"]) or datetime.min.replace(tzinfo=UTC),
            leaving_since=moment(metadata.get("deletionTimestamp")),
            phase=status.get("phase", "Pending"),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            exit_code=ended.get("exitCode"),
            ended_by=ended.get("reason", ""),
            ended=moment(ended.get("finishedAt")),
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
