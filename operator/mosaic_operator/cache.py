"""The operator's cache: unfinished requests, their Jobs and pods, as last seen or written."""

from collections.abc import Iterable

from mosaic_crds.names import LABEL_FINISHED
from mosaic_crds.worker_pod import Step

from mosaic_operator.jobs import JobState, OwnedJob
from mosaic_operator.parsing import Document, readable
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState, version

Key = tuple[str, str]
"""Namespace and name of a request."""


class Cache:
    """Requests, Jobs and pods, without most of their specs.

    Events of different objects can arrive out of order: the newest version of a request wins, and only the deleted
    object is removed.

    Attributes:
        requests: by key.
        jobs: by the key of the request, then by uid.
        pods: by the uid of the Job, then by uid.
        strays: keys of unfinished requests that others labelled as finished.
        moved: whether requests were added, removed, started or finished since it was set to False.
    """

    def __init__(self) -> None:
        self.requests: dict[Key, RequestState] = {}
        self.jobs: dict[Key, dict[str, OwnedJob]] = {}
        self.pods: dict[str, dict[str, PodState]] = {}
        self.strays: set[Key] = set()
        self._keys: dict[str, Key] = {}
        self.moved = True

    def see_request(self, kind: str | None, document: Document) -> Key | None:
        """Add or remove a request.

        Args:
            kind: of the event: ADDED, MODIFIED, DELETED, or None for an item of a list. For a watch that excludes
                finished requests, a request that gets their label is DELETED.
            document: the request.

        Returns:
            The key, if something changed.
        """
        request = RequestState(document).slim
        key = request.namespace, request.name
        if kind != "DELETED":
            return key if self.put(request) else None
        self.remove(key, request.uid)
        if request.labelled_finished and not request.over:
            self.strays.add(key)
        return key

    def put(self, request: RequestState) -> bool:
        """Store a request that was read or written; return whether it is newer than the cached one."""
        key = request.namespace, request.name
        known = self.requests.get(key)
        if known is not None and version(known) and version(request) <= version(known):
            return False
        self.moved = self.moved or known is None or _admission_state(known) != _admission_state(request)
        self.requests[key] = request.slim if request.whole else request
        return True

    def remove(self, key: Key, uid: str) -> None:
        """Remove the request of this uid."""
        known = self.requests.get(key)
        if known is not None and known.uid == uid:
            del self.requests[key]
            self.moved = True

    def see_job(self, kind: str | None, document: Document) -> Key | None:
        """Add or remove a Job; arguments as in `see_request`.

        Returns:
            The key of the request that owns it, if any.
        """
        for job in readable(OwnedJob.of, [document]):
            key = job.namespace, job.request
            if kind == "DELETED" or LABEL_FINISHED in (document["metadata"].get("labels") or {}):
                self.remove_job(key, job.state.uid)
            else:
                self.jobs.setdefault(key, {})[job.state.uid] = job
                self._keys[job.state.uid] = key
            return key
        return None

    def remove_job(self, key: Key, uid: str) -> None:
        """Remove the Job of this uid."""
        of_request = self.jobs.get(key, {})
        of_request.pop(uid, None)
        self.pods.pop(uid, None)
        self._keys.pop(uid, None)
        if not of_request:
            self.jobs.pop(key, None)

    def see_pod(self, kind: str | None, document: Document) -> Key | None:
        """Add or remove a pod, if its Job is here; arguments as in `see_job`.

        A pod that appears before its Job is seen later, because its status changes several times.
        """
        for pod in readable(PodState.of, [document]):
            key = self._keys.get(pod.job_uid)
            if key is None:
                return None
            of_job = self.pods.setdefault(pod.job_uid, {})
            if kind == "DELETED":
                of_job.pop(pod.uid, None)
            else:
                of_job[pod.uid] = pod
            return key
        return None

    def replace_pods(self, jobs: Iterable[JobState], pods: Iterable[PodState]) -> None:
        """Replace the pods of some Jobs by those of a list."""
        found: dict[str, dict[str, PodState]] = {job.uid: {} for job in jobs}
        for pod in pods:
            if pod.job_uid in found:
                found[pod.job_uid][pod.uid] = pod
        self.pods |= found

    def pods_of(self, jobs: Iterable[JobState]) -> list[PodState]:
        """The pods of some Jobs."""
        return [pod for job in jobs for pod in self.pods.get(job.uid, {}).values()]

    def forget_job(self, key: Key, name: str) -> None:
        """Remove a Job that is gone without an event, because it was deleted between a list and the watch."""
        for uid, job in list(self.jobs.get(key, {}).items()):
            if job.state.name == name:
                self.remove_job(key, uid)

    def jobs_of(self, request: RequestState) -> dict[Step, JobState]:
        """The Jobs that this request owns, without those that are being deleted."""
        of_name = self.jobs.get((request.namespace, request.name), {}).values()
        return {job.step: job.state for job in of_name if job.owner == request.uid and not job.leaving}


def _admission_state(request: RequestState) -> tuple[object, ...]:
    """The state that admissions depend on."""
    out = request.over or request.deleting or request.execution.suspend
    return request.uid, out, request.working
