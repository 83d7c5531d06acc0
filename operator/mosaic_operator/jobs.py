"""A Job as the API server returns it, and the request that owns it.

The owner reference names the request. Labels do not count, because anyone can write them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mosaic_crds.names import ANNOTATION_TEMPLATE, API_VERSION, KIND, job_name
from mosaic_crds.times import time_or_none
from mosaic_crds.worker_pod import Step

from mosaic_operator.parsing import Document, controller, worker_image


@dataclass(frozen=True)
class JobState:
    """A Job of a request.

    Attributes:
        name: the name of the Job.
        uid: the uid of the Job.
        image: the image of its worker.
        template: the digest of its pod template, as this operator or an earlier one has noted it.
        parallelism: the most pods at once.
        suspended: whether it is suspended.
        outcome: how it finished, if it has.
        reason: why it failed, as Kubernetes calls it.
        succeeded: number of finished ranges.
        active: number of unfinished pods.
        failed: number of failed pods.
        failed_indexes: ranges that have failed for good.
        started: when it last started.
        ttl: seconds from its end to its deletion; None for never.
    """

    name: str
    uid: str
    image: str
    template: str
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
        """Parse a Job."""
        spec, status = job["spec"], job.get("status", {})
        ends = [
            c for c in status.get("conditions", ()) if c["status"] == "True" and c["type"] in {"Complete", "Failed"}
        ]
        return JobState(
            name=job["metadata"]["name"],
            uid=job["metadata"]["uid"],
            image=worker_image(spec["template"]["spec"]),
            template=str((job["metadata"].get("annotations") or {}).get(ANNOTATION_TEMPLATE, "")),
            parallelism=spec.get("parallelism", 1),
            suspended=bool(spec.get("suspend")),
            outcome=ends[0]["type"] if ends else None,
            reason=ends[0].get("reason", "") if ends else "",
            succeeded=status.get("succeeded", 0),
            active=status.get("active", 0),
            failed=status.get("failed", 0),
            failed_indexes=_indexes(status.get("failedIndexes", "")),
            started=time_or_none(status.get("startTime")),
            ttl=spec.get("ttlSecondsAfterFinished"),
        )


def _indexes(text: str) -> frozenset[int]:
    """Parse numbers in the form 1,3-5."""
    spans = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
    return frozenset(number for span in spans for number in range(span[0], span[-1] + 1))


@dataclass(frozen=True)
class OwnedJob:
    """A Job that a request owns.

    Attributes:
        owner: the uid of the request.
        request: the name of the request.
        namespace: of both.
        step: its step.
        leaving: whether it is being deleted.
        state: the Job.
    """

    owner: str
    request: str
    namespace: str
    step: Step
    leaving: bool
    state: JobState

    @staticmethod
    def of(job: Document) -> "OwnedJob | None":
        """Parse a Job; None if no request owns it, whatever its labels say."""
        metadata = job["metadata"]
        owner = controller(job, API_VERSION, KIND)
        if owner is None:
            return None
        for step in Step:
            if metadata["name"] == job_name(str(owner["name"]), step):
                leaving = "deletionTimestamp" in metadata
                namespace = str(metadata["namespace"])
                return OwnedJob(str(owner["uid"]), str(owner["name"]), namespace, step, leaving, JobState.of(job))
        return None
