"""Builds the pod templates of Jobs: pure functions of the request, its plan and the settings."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mosaic_crds import worker_pod
from mosaic_crds.names import LABEL_REQUEST, LABEL_STEP
from mosaic_crds.times import duration_seconds
from mosaic_crds.worker_pod import PodInput, Step

from mosaic_operator.requests import RequestState
from mosaic_operator.resources import resources_of
from mosaic_operator.settings import Settings

Manifest = dict[str, Any]

USER = 65532
"""The user of workers, as in their image."""
LOST_NODE_SECONDS = 30
"""A pod is evicted from a node that has not responded for this long."""
GRACE_SECONDS = 10
"""Grace period of a worker; an interrupted write leaves nothing behind."""
SWEEP_SECONDS = 3600


def pod_template(request: RequestState, step: Step, settings: Settings, status: Mapping[str, Any]) -> Manifest:
    """The pod template of a step, without its input and parallelism, which Jobs can change.

    Args:
        request: the request, at least with its kind of source and its execution.
        step: plan, tiles or finalize.
        settings: the operator's.
        status: the new status of the request: its worker image, and its plan if it has one.
    """
    execution = request.execution
    labels = {LABEL_REQUEST: request.name, LABEL_STEP: str(step)}
    deadline = {
        Step.PLAN: settings.plan_deadline,
        Step.TILES: duration_seconds(execution.range_deadline),
        Step.FINALIZE: settings.finalize_deadline,
    }[step]
    resources = resources_of(step, settings.worker_pod, status)
    environment = _environment(settings)
    template = _pod(step, settings, str(status["workerImage"]), labels, environment, resources, deadline)
    (container,) = template["spec"]["containers"]
    if request.source_kind and (account_of_source := settings.source_secrets.get(request.source_kind.key)):
        container["envFrom"] = [*container["envFrom"], {"secretRef": {"name": account_of_source}}]
    if step is not Step.FINALIZE and settings.source_buckets_secret:
        account = {"prefix": worker_pod.SOURCES_PREFIX, "secretRef": {"name": settings.source_buckets_secret}}
        container["envFrom"] = [*container["envFrom"], account]
    if execution.priority_class:
        template["spec"]["priorityClassName"] = execution.priority_class
    return template


def sweep_template(settings: Settings) -> Manifest:
    """The pod template of a sweep, without its input."""
    worker = settings.worker_pod
    environment = {
        worker_pod.ENV_STORE: settings.store,
        worker_pod.ENV_SHARED_BYTES: str(settings.shared_bytes),
    }
    resources = worker.resources.get(Step.PLAN, {})
    labels = {LABEL_STEP: str(Step.SWEEP)}
    return _pod(Step.SWEEP, settings, worker.image, labels, environment, resources, SWEEP_SECONDS)


def digest_of(template: Manifest) -> str:
    """A digest of a pod template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def with_input(template: Manifest, environment: Mapping[str, str], secret: str) -> Manifest:
    """A pod template with more variables, and the Secret that has its input."""
    found = copy.deepcopy(template)
    (container,) = found["spec"]["containers"]
    container["env"] += [{"name": name, "value": value} for name, value in environment.items()]
    container["volumeMounts"].append({"name": "input", "mountPath": worker_pod.FOLDER, "readOnly": True})
    found["spec"]["volumes"].append({"name": "input", "secret": {"secretName": secret}})
    return found


def variables_of(given: PodInput) -> dict[str, str]:
    """The variables with which a worker reads its input."""
    return {worker_pod.ENV_INPUT: f"{worker_pod.FOLDER}/{worker_pod.FILE}", worker_pod.ENV_INPUT_DIGEST: given.digest}


def _environment(settings: Settings) -> dict[str, str]:
    return {
        worker_pod.ENV_STORE: settings.store,
        worker_pod.ENV_ALLOWED_HOSTS: settings.allowed_hosts,
        worker_pod.ENV_MAX_PIXELS: str(settings.max_pixels),
        worker_pod.ENV_MAX_SCENES: str(settings.max_scenes),
        worker_pod.ENV_RANGE_SECONDS: str(settings.range_seconds),
        worker_pod.ENV_INLINE_SECONDS: str(settings.inline_seconds),
        worker_pod.ENV_SHARED_BYTES: str(settings.shared_bytes),
    }


def _literal(text: str) -> str:
    """Escape a value, because Kubernetes expands $(NAME) as a variable and $$ as $."""
    return text.replace("$", "$$")


def _pod(
    step: Step,
    settings: Settings,
    image: str,
    labels: dict[str, str],
    environment: dict[str, str],
    resources: Manifest,
    deadline: int,
) -> Manifest:
    """A pod template that meets the `restricted` Pod Security Standard, without its input."""
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
            "affinity": worker.affinity,
            "topologySpreadConstraints": worker.topology_spread_constraints,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [*worker.volumes, {"name": "tmp", "emptyDir": {}}],
            "containers": [
                {
                    "name": worker_pod.WORKER_CONTAINER,
                    "image": image,
                    "imagePullPolicy": worker.image_pull_policy,
                    "args": [str(step)],
                    "env": worker.env
                    + [{"name": name, "value": _literal(value)} for name, value in environment.items()],
                    "envFrom": worker.env_from,
                    "resources": resources,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [*worker.volume_mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
