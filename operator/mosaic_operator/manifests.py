"""Builds the manifests of Jobs and Secrets: pure functions of the request and the settings."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mosaic_crds import names, worker_pod
from mosaic_crds.crd import spec_schema
from mosaic_crds.errors import RequestError
from mosaic_crds.request import request_manifest
from mosaic_crds.schema import without_defaults
from mosaic_crds.worker_pod import PodInput, Step

from mosaic_operator.pod_templates import (
    Manifest,
    digest_of,
    pod_template,
    sweep_template,
    variables_of,
    with_input,
)
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

ATTEMPTS = 3
"""Retries of plan and finalize; the request sets those of ranges."""
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def step_manifests(
    request: RequestState,
    step: Step,
    settings: Settings,
    status: Mapping[str, Any],
    most: int | None = None,
) -> list[Manifest]:
    """The Secret with the input of a request and the Job of a step, in order of creation.

    Args:
        request: the request, with its whole spec.
        step: plan, tiles or finalize.
        settings: the operator's.
        status: the new status of the request: its worker image, and its plan if it has one.
        most: the most parallel pods, if requests share a service.
    """
    execution = request.execution
    given = request_input(request)
    secret = names.input_name(request.uid, given.digest)
    template = pod_template(request, step, settings, status)
    labels = {names.LABEL_REQUEST: request.name, names.LABEL_STEP: str(step)}
    environment = variables_of(given) | {worker_pod.ENV_PARALLELISM: str(execution.parallelism)}
    whole = with_input(template, environment, secret)
    job = _job(request.namespace, names.job_name(request.name, step), labels, whole)
    job["metadata"]["annotations"] = {names.ANNOTATION_TEMPLATE: digest_of(template)}
    if execution.queue:
        job["metadata"]["labels"][KUEUE_LABEL] = execution.queue
        job["spec"]["suspend"] = True  # Kueue starts it
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": request.name,
        "uid": request.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    job["metadata"]["ownerReferences"] = [owner]
    if step is Step.TILES:
        ranges = status["plan"]["ranges"]
        job["spec"] |= {
            "completionMode": "Indexed",
            "completions": ranges,
            "parallelism": parallelism(request, settings, ranges, most),
            "backoffLimitPerIndex": execution.retries_per_range,
            "maxFailedIndexes": 0,
        }
        job["spec"]["podFailurePolicy"]["rules"][1]["action"] = "FailIndex"
    return [_secret(request.namespace, secret, {names.LABEL_REQUEST: request.name}, owner, given), job]


def request_input(request: RequestState) -> PodInput:
    """The input of a request's pods: the request without spec.execution, which can change at any time.

    Defaults are left out. After an upgrade the API server adds the defaults of new fields to older requests too, and
    the image that planned such a request does not know these fields.
    """
    spec = {key: value for key, value in request.document["spec"].items() if key != "execution"}
    spec = without_defaults(spec, spec_schema())
    return PodInput.of(request_manifest(request.name, spec, namespace=request.namespace, uid=request.uid))


def request_input_name(request: RequestState) -> str:
    """The name of the Secret with that input."""
    return names.input_name(request.uid, request_input(request).digest)


def parallelism(request: RequestState, settings: Settings, ranges: int, most: int | None = None) -> int:
    """The parallel pods of a tiles Job; arguments as in `step_manifests`."""
    return min(ranges, request.execution.parallelism, settings.max_parallelism, most or ranges)


def sweep_input(living: Sequence[str], settings: Settings, now: datetime) -> PodInput:
    """The input of the pod of a sweep.

    Args:
        living: uids whose work folders stay.
        settings: the operator's.
        now: a time before the requests were listed; the pod may run much later, when there are new requests.
    """
    return PodInput.of({"living": list(living), "before": int(now.timestamp()) - settings.sweep_age})


def sweep_manifest(name: str, given: PodInput, settings: Settings) -> Manifest:
    """The Job that deletes work folders that no unfinished request owns.

    Args:
        name: the name of the Job.
        given: the input; its Secret is created after the Job, which owns it.
        settings: the operator's.
    """
    labels = {names.LABEL_STEP: str(Step.SWEEP)}
    secret = names.input_name(Step.SWEEP, given.digest)
    template = with_input(sweep_template(settings), variables_of(given), secret)
    job = _job(settings.sweep_namespace, name, labels, template)
    job["spec"]["ttlSecondsAfterFinished"] = min(600, settings.sweep_interval)
    return job


def sweep_secret(given: PodInput, job: Manifest) -> Manifest:
    """The Secret with the input of a sweep; Kubernetes deletes it with the Job."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    labels = {names.LABEL_STEP: str(Step.SWEEP)}
    return _secret(job["metadata"]["namespace"], names.input_name(Step.SWEEP, given.digest), labels, owner, given)


def _secret(namespace: str, name: str, labels: dict[str, str], owner: Manifest, given: PodInput) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "immutable": True,
        "data": {worker_pod.FILE: b64encode(given.content).decode()},
    }


def _job(namespace: str, name: str, labels: dict[str, str], template: Manifest) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": ATTEMPTS,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": worker_pod.WORKER_CONTAINER,
                            "operator": "In",
                            "values": [RequestError.exit_code],
                        },
                    },
                ]
            },
            "template": template,
        },
    }
