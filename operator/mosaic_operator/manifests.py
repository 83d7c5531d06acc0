"""The Jobs of a request, as pure functions of the request and the settings: built here, submitted elsewhere."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mosaic_crds import names
from mosaic_crds.errors import RequestError
from mosaic_crds.fields import duration_seconds
from mosaic_crds.names import Step

from mosaic_operator.observed import RequestState
from mosaic_operator.settings import Settings

Manifest = dict[str, Any]

USER = 65532
"""Of the workers, as in their image."""
ATTEMPTS = 3
"""Of plan and finalize after the first; the ranges' are the request's to say."""
LOST_NODE_SECONDS = 30
"""After so long on a node that does not answer, a pod is given up."""
GRACE_SECONDS = 10
"""For a worker to end; what it was writing is not there, which is as well."""
SWEEP_SECONDS = 3600
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def step_manifest(
    request: RequestState, step: Step, settings: Settings, ranges: int = 1, most: int | None = None
) -> Manifest:
    """The Job of a request's step.

    Args:
        request: the request.
        step: plan, tiles or finalize.
        settings: the operator's.
        ranges: of a tiles Job.
        most: pods that it may have at once, where requests share a service.
    """
    execution = request.execution
    labels = {names.LABEL_REQUEST: request.name, names.LABEL_STEP: str(step)}
    deadline = {
        Step.PLAN: settings.plan_deadline,
        Step.TILES: duration_seconds(execution.range_deadline),
        Step.FINALIZE: settings.finalize_deadline,
    }[step]
    job = _job(
        request.namespace,
        names.job_name(request.name, step),
        labels,
        _pod(step, settings, labels, _environment(request, settings), deadline),
    )
    if request.reads_earth_daily and settings.earth_daily_secret:
        container = job["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [*container["envFrom"], {"secretRef": {"name": settings.earth_daily_secret}}]
    if execution.priority_class:
        job["spec"]["template"]["spec"]["priorityClassName"] = execution.priority_class
    if execution.queue:
        job["metadata"]["labels"][KUEUE_LABEL] = execution.queue
        job["spec"]["suspend"] = True  # Kueue lets it go
    job["metadata"]["ownerReferences"] = [
        {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": request.name,
            "uid": request.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    if step is Step.TILES:
        job["spec"] |= {
            "completionMode": "Indexed",
            "completions": ranges,
            "parallelism": parallelism(request, settings, ranges, most),
            "backoffLimitPerIndex": execution.retries_per_range,
            "maxFailedIndexes": 0,
        }
        job["spec"]["podFailurePolicy"]["rules"][1]["action"] = "FailIndex"
    return job


def parallelism(request: RequestState, settings: Settings, ranges: int, most: int | None = None) -> int:
    """Pods of a request's tiles Job at once; arguments as of `step_manifest`."""
    return min(ranges, request.execution.parallelism, settings.max_parallelism, most or ranges)


def sweep_manifest(name: str, living: Sequence[str], settings: Settings, now: datetime) -> Manifest:
    """The Job that deletes work folders of which no living request is the owner.

    Args:
        name: of the Job.
        living: uids whose folders stay.
        settings: the operator's.
        now: before it was asked who lives; the pod may run much later, when others live too.
    """
    labels = {names.LABEL_STEP: str(Step.SWEEP)}
    environment = {
        names.ENV_STORE: settings.store,
        names.ENV_LIVING: ",".join(living),
        names.ENV_SWEEP_BEFORE: str(int(now.timestamp()) - settings.sweep_age),
    }
    job = _job(settings.sweep_namespace, name, labels, _pod(Step.SWEEP, settings, labels, environment, SWEEP_SECONDS))
    job["spec"]["ttlSecondsAfterFinished"] = min(600, settings.sweep_interval)
    return job


def _environment(request: RequestState, settings: Settings) -> dict[str, str]:
    metadata = {"name": request.name, "namespace": request.namespace, "uid": request.uid}
    document = {key: request.document[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}
    return {
        names.ENV_REQUEST: json.dumps(document, sort_keys=True),
        names.ENV_STORE: settings.store,
        names.ENV_ALLOWED_HOSTS: settings.allowed_hosts,
        names.ENV_MAX_PIXELS: str(settings.max_pixels),
        names.ENV_MAX_SCENES: str(settings.max_scenes),
        names.ENV_RANGE_SECONDS: str(settings.range_seconds),
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
                            "containerName": names.WORKER_CONTAINER,
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
    step: Step, settings: Settings, labels: dict[str, str], environment: dict[str, str], deadline: int
) -> Manifest:
    """A pod template that the `restricted` Pod Security Standard allows."""
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
            "shareProcessNamespace": True,  # or the worker, as process 1, would not hear SIGTERM
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
            "volumes": [*worker.volumes, {"name": "tmp", "emptyDir": {}}],
            "containers": [
                {
                    "name": names.WORKER_CONTAINER,
                    "image": worker.image,
                    "imagePullPolicy": worker.image_pull_policy,
                    "args": [str(step)],
                    "env": worker.env + [{"name": name, "value": value} for name, value in environment.items()],
                    "envFrom": worker.env_from,
                    "resources": worker.resources.get(Step.PLAN if step is Step.SWEEP else step, {}),
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
