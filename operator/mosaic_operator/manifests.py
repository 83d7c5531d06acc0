"""Builds the manifests of Jobs and Secrets: pure functions of the request and the settings."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mosaic_crds import names, worker_pod
from mosaic_crds.crd import spec_schema
from mosaic_crds.errors import RequestError
from mosaic_crds.request import request_manifest
from mosaic_crds.schema import without_defaults
from mosaic_crds.times import duration_seconds
from mosaic_crds.worker_pod import PodInput, Step

from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

Manifest = dict[str, Any]

USER = 65532
"""The user of workers, as in their image."""
ATTEMPTS = 3
"""Retries of plan and finalize; the request sets those of ranges."""
LOST_NODE_SECONDS = 30
"""A pod is evicted from a node that has not responded for this long."""
GRACE_SECONDS = 10
"""Grace period of a worker; an interrupted write leaves nothing behind."""
SWEEP_SECONDS = 3600
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def step_manifests(
    request: RequestState, step: Step, settings: Settings, image: str, ranges: int = 1, most: int | None = None
) -> list[Manifest]:
    """The Secret with the input of a request and the Job of a step, in order of creation.

    Args:
        request: the request, with its whole spec.
        step: plan, tiles or finalize.
        settings: the operator's.
        image: the worker image.
        ranges: number of ranges of a tiles Job.
        most: the most parallel pods, if requests share a service.
    """
    execution = request.execution
    labels = {names.LABEL_REQUEST: request.name, names.LABEL_STEP: str(step)}
    deadline = {
        Step.PLAN: settings.plan_deadline,
        Step.TILES: duration_seconds(execution.range_deadline),
        Step.FINALIZE: settings.finalize_deadline,
    }[step]
    given = request_input(request)
    secret = names.input_name(request.uid, given.digest)
    job = _job(
        request.namespace,
        names.job_name(request.name, step),
        labels,
        _pod(step, settings, image, labels, _environment(request, settings) | _reading(given), secret, deadline),
    )
    container = job["spec"]["template"]["spec"]["containers"][0]
    if request.source_kind and (account_of_source := settings.source_secrets.get(request.source_kind.key)):
        container["envFrom"] = [*container["envFrom"], {"secretRef": {"name": account_of_source}}]
    if step is not Step.FINALIZE and settings.source_buckets_secret:
        account = {"prefix": worker_pod.SOURCES_PREFIX, "secretRef": {"name": settings.source_buckets_secret}}
        container["envFrom"] = [*container["envFrom"], account]
    if execution.priority_class:
        job["spec"]["template"]["spec"]["priorityClassName"] = execution.priority_class
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
    environment = {
        worker_pod.ENV_STORE: settings.store,
        worker_pod.ENV_SHARED_BYTES: str(settings.shared_bytes),
    } | _reading(given)
    secret = names.input_name(Step.SWEEP, given.digest)
    pod = _pod(Step.SWEEP, settings, settings.worker_pod.image, labels, environment, secret, SWEEP_SECONDS)
    job = _job(settings.sweep_namespace, name, labels, pod)
    job["spec"]["ttlSecondsAfterFinished"] = min(600, settings.sweep_interval)
    return job


def sweep_secret(given: PodInput, job: Manifest) -> Manifest:
    """The Secret with the input of a sweep; Kubernetes deletes it with the Job."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    labels = {names.LABEL_STEP: str(Step.SWEEP)}
    return _secret(job["metadata"]["namespace"], names.input_name(Step.SWEEP, given.digest), labels, owner, given)


def _environment(request: RequestState, settings: Settings) -> dict[str, str]:
    return {
        worker_pod.ENV_STORE: settings.store,
        worker_pod.ENV_ALLOWED_HOSTS: settings.allowed_hosts,
        worker_pod.ENV_MAX_PIXELS: str(settings.max_pixels),
        worker_pod.ENV_MAX_SCENES: str(settings.max_scenes),
        worker_pod.ENV_RANGE_SECONDS: str(settings.range_seconds),
        worker_pod.ENV_SHARED_BYTES: str(settings.shared_bytes),
        worker_pod.ENV_PARALLELISM: str(request.execution.parallelism),
    }


def _reading(given: PodInput) -> dict[str, str]:
    return {worker_pod.ENV_INPUT: f"{worker_pod.FOLDER}/{worker_pod.FILE}", worker_pod.ENV_INPUT_DIGEST: given.digest}


def _literal(text: str) -> str:
    """Escape a value, because Kubernetes expands $(NAME) as a variable and $$ as $."""
    return text.replace("$", "$$")


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


def _pod(
    step: Step,
    settings: Settings,
    image: str,
    labels: dict[str, str],
    environment: dict[str, str],
    secret: str,
    deadline: int,
) -> Manifest:
    """A pod template that meets the `restricted` Pod Security Standard; `secret` names the Secret with its input."""
    worker = settings.worker_pod
    lost = [
        {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute"}
        | {"tolerationSeconds": LOST_NODE_SECONDS}
        for trouble in ("not-ready", "unreachable")
    ]
    metadata: Manifest = {"labels": worker.labels | labels}
    if worker.annotations:
        metadata["annotations"] = worker.annotations
    return {
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "shareProcessNamespace": True,  # as process 1 the worker would ignore SIGTERM
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "serviceAccountName": worker.service_account_name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": worker.image_pull_secrets,
            "nodeSelector": worker.node_selector,
            "tolerations": worker.tolerations + lost,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [
                *worker.volumes,
                {"name": "tmp", "emptyDir": {}},
                {"name": "input", "secret": {"secretName": secret}},
            ],
            "containers": [
                {
                    "name": worker_pod.WORKER_CONTAINER,
                    "image": image,
                    "imagePullPolicy": worker.image_pull_policy,
                    "args": [str(step)],
                    "env": worker.env
                    + [{"name": name, "value": _literal(value)} for name, value in environment.items()],
                    "envFrom": worker.env_from,
                    "resources": worker.resources.get(Step.PLAN if step is Step.SWEEP else step, {}),
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [
                        *worker.volume_mounts,
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
                        {"name": "input", "mountPath": worker_pod.FOLDER, "readOnly": True},
                    ],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
