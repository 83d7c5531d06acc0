"""Which Job belongs to which request: its owner reference says so, and never a label, which anybody may write."""

from dataclasses import dataclass

from mosaic_crds.names import API_VERSION, KIND, Step, job_name

from mosaic_operator.observed import JobState
from mosaic_operator.parsing import Document, controller


@dataclass(frozen=True)
class OwnedJob:
    """A Job that a request owns.

    Attributes:
        owner: the uid of the request.
        request: the name of the request.
        namespace: of both.
        step: which step it does.
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
        """A Job of the API; None for one that no request owns, whatever its labels say."""
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
