"""Which worker image the pods of a request run.

The image that planned a request also computes and publishes it, even after an upgrade of the operator. Only the same
code may continue a plan, because the pixels of a mosaic must not come from two versions.
"""

from mosaic_crds.lifecycle import Trouble
from mosaic_crds.worker_pod import Step

from mosaic_operator.decision import Decision
from mosaic_operator.jobs import JobState
from mosaic_operator.observed import Observed
from mosaic_operator.settings import Settings


def choose_image(observed: Observed, decision: Decision, settings: Settings) -> Trouble | None:
    """Record the request's worker image in the new status.

    Without a plan it is the image of the settings: an unfinished planning Job with another image is deleted, so that a
    corrected or newer image plans the request. The Job is deleted as long as the cache has it, because the event of
    its deletion can be missed. With a plan the image stays.

    Returns:
        Why the recorded image is not started, if so: it comes from another repository than the image of the settings.
        Its pods would get the store's credentials, and the status may have been written by others.
    """
    current, job = settings.worker_pod.image, observed.jobs.get(Step.PLAN)
    image = str(decision.status.get("workerImage") or (job.image if job is not None else current))
    if "plan" not in decision.status and (job is None or _can_be_replaced(job, observed)):
        image = current
        if job is not None and job.image != image:
            decision.delete.append(job.name)
    decision.status["workerImage"] = image
    if repository(image) == repository(current):
        return None
    return Trouble(
        "WorkerImage",
        f"the image {image} planned this request, and worker.image of the chart is now from another repository "
        f"({repository(current)}); delete the request and apply it again",
    )


def _can_be_replaced(job: JobState, observed: Observed) -> bool:
    """Whether a planning Job has planned nothing yet."""
    return job.outcome is None and observed.answer(Step.PLAN) is None


def repository(image: str) -> str:
    """An image reference without its tag and digest."""
    path, slash, name = image.partition("@")[0].rpartition("/")
    return path + slash + name.partition(":")[0]
