"""Requests, Jobs and pods in the form of the API server, for tests of decisions without an API server."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from mosaic_crds.crd import UNSEEN
from mosaic_crds.names import API_VERSION
from mosaic_crds.worker_pod import Step
from mosaic_operator.decide import decide
from mosaic_operator.decision import Decision, merge_patch
from mosaic_operator.jobs import JobState
from mosaic_operator.observed import Admission, Observed
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings, settings_from

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = {
    "tiles": 9,
    "ranges": 3,
    "scenes": 2,
    "megapixels": 30.1,
    "estimatedCoreSeconds": 12,
    "estimatedBytes": 10**8,
    "warnings": [],
}
RESULT = {
    "cog": "file:///store/mosaics/team/ndsi/u1/mosaic.tif",
    "item": "file:///store/mosaics/team/ndsi/u1/mosaic.json",
    "bounds": [0, 0, 1, 1],
    "statistics": {"validPercent": 100, "outOfRange": 0},
    "pixels": 9,
}


def settings(**changes: Any) -> Settings:
    pod = {"image": "worker:1", "resources": {"tiles": {"limits": {"memory": "512Mi"}}}}
    environment = {"MOSAIC_STORE": "file:///store", "MOSAIC_WORKER_POD": json.dumps(pod)}
    return settings_from(environment | {f"MOSAIC_{name.upper()}": str(value) for name, value in changes.items()})


def request(name: str = "ndsi", uid: str = "u1", namespace: str = "team", **execution: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "source": {"files": {"scenes": [{"bands": {"green": "http://x/g.tif", "swir16": "http://x/s.tif"}}]}},
            "product": {"index": "NDSI"},
            "execution": execution,
        },
        "status": {"conditions": [dict(UNSEEN)]},
    }


def planned(ranges: int = 1, image: str = "worker:1") -> dict[str, Any]:
    """The status of a planned request."""
    return {"workerImage": image, "plan": PLAN | {"ranges": ranges}}


def job_of(manifest: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """A new Job."""
    job = copy.deepcopy(manifest)
    job["metadata"]["uid"] = f"job-{number}"
    job["status"] = {"startTime": "2026-01-01T00:00:00Z"}
    return job


def pod_of(job: dict[str, Any], index: int | None = None, **status: Any) -> dict[str, Any]:
    """A pod of a Job."""
    annotations = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    return {
        "metadata": {
            "name": f"{job['metadata']['name']}-{index}-abcde",
            "uid": f"pod-of-{job['metadata']['uid']}-{index}",
            "labels": dict(job["spec"]["template"]["metadata"]["labels"]),
            "annotations": annotations,
            "ownerReferences": [owner | {"controller": True}],
            "creationTimestamp": "2026-01-01T00:00:01Z",
        },
        "spec": job["spec"]["template"]["spec"] | {"nodeName": "node1"},
        "status": {"phase": "Running"} | status,
    }


def ended(code: int, said: Any = "", reason: str = "", at: str = "2026-01-01T00:00:09Z") -> dict[str, Any]:
    """The status of a pod whose worker has ended."""
    message = said if isinstance(said, str) else json.dumps(said)
    state = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "message": message}
    container = {"name": "worker", "state": {"terminated": state | {"finishedAt": at}}}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}


def finish(job: dict[str, Any], outcome: str = "Complete", reason: str = "") -> None:
    """Finish a Job."""
    job["status"]["conditions"] = [{"type": outcome, "status": "True", "reason": reason}]
    if outcome == "Complete":
        job["status"]["succeeded"] = job["spec"]["completions"]


class World:
    """The objects of one request on the API server; only these methods change them."""

    def __init__(self, requested: dict[str, Any] | None = None, configured: Settings | None = None) -> None:
        self.request = requested or request()
        self.settings = configured or settings()
        self.jobs: dict[Step, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        self.secrets: set[str] = set()
        self.now = START
        self.admission = Admission(admitted=True)
        self.refusals: list[str] = []
        self.created: list[str] = []
        self.events: list[tuple[str, str]] = []

    @property
    def status(self) -> dict[str, Any]:
        return self.request.get("status", {})

    def condition(self, name: str) -> dict[str, Any]:
        return next(c for c in self.status["conditions"] if c["type"] == name)

    def decide(self) -> Decision:
        seen = Observed(
            RequestState(copy.deepcopy(self.request)),
            {step: JobState.of(job) for step, job in self.jobs.items()},
            [PodState.of(pod) for pod in self.pods],
            self.refusals,
            self.admission,
        )
        return decide(seen, self.settings, self.now)

    def step(self, *, until: str = "end") -> Decision:
        """Reconcile once; `until` says where the operator dies: "decided", "acted", or not at all."""
        decision = self.decide()
        if until == "decided":
            return decision
        names = {job["metadata"]["name"]: step for step, job in self.jobs.items()}
        for name, patch in decision.change.items():
            self.jobs[names[name]]["spec"] |= patch["spec"]
        for name in decision.delete:
            gone = self.jobs.pop(names[name])
            self.pods = [pod for pod in self.pods if not pod["metadata"]["name"].startswith(gone["metadata"]["name"])]
        self.pods = [pod for pod in self.pods if pod["metadata"]["name"] not in decision.give_up]
        self.secrets.discard(decision.delete_secret or "")
        for manifest in decision.create:
            if manifest["kind"] == "Secret":
                self.secrets.add(manifest["metadata"]["name"])
                continue
            step = Step(manifest["metadata"]["labels"]["mosaics.arbutus.dev/step"])
            assert step not in self.jobs
            self.created.append(manifest["metadata"]["name"])
            self.jobs[step] = job_of(manifest, len(self.created))
        if until == "acted":
            return decision
        patch = merge_patch(self.status, decision.status)
        assert apply_merge_patch(self.status, patch) == decision.status
        self.request["status"] = decision.status
        self.events += [(event.reason, event.message) for event in decision.events]
        return decision

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def complete(self, step: Step, answer: Any = None) -> None:
        """Let the Job of a step succeed, with a result in its pod."""
        job = self.jobs[step]
        finish(job)
        if answer is not None:
            self.pods.append(pod_of(job, **ended(0, answer)))

    def exit(self, step: Step, answer: Any = None) -> None:
        """Let the containers of a step end, which its Job has not noticed yet."""
        job = self.jobs[step]
        if step is Step.TILES:
            self.pods += [pod_of(job, index, **ended(0)) for index in range(job["spec"]["completions"])]
        else:
            self.pods.append(pod_of(job, **ended(0, answer)))

    def fail(self, step: Step, *pods: dict[str, Any], failed: str = "") -> None:
        """Let the Job of a step fail."""
        finish(self.jobs[step], "Failed", "PodFailurePolicy")
        if failed:
            self.jobs[step]["status"]["failedIndexes"] = failed
        self.pods += pods


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Merge a patch as in RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = apply_merge_patch(found.get(key), value)
    return found
