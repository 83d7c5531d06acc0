"""Reads objects of a cluster with one connected client: a kubectl for each read takes more processor time than the pods
that tests wait for."""

import json
import os
import threading
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient
from mosaic_crds.names import API_VERSION
from urllib3.exceptions import HTTPError

Document = dict[str, Any]
TIMEOUT_SECONDS = 30
_CORE, _GLOBAL = "api/v1", True
_KINDS = {
    "configmap": (_CORE, "configmaps"),
    "crd": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", _GLOBAL),
    "deployment": ("apis/apps/v1", "deployments"),
    "event": (_CORE, "events"),
    "job": ("apis/batch/v1", "jobs"),
    "lease": ("apis/coordination.k8s.io/v1", "leases"),
    "mosaic": (f"apis/{API_VERSION}", "mosaicrequests"),
    "namespace": (_CORE, "namespaces", _GLOBAL),
    "networkpolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "node": (_CORE, "nodes", _GLOBAL),
    "pod": (_CORE, "pods"),
    "pv": (_CORE, "persistentvolumes", _GLOBAL),
    "pvc": (_CORE, "persistentvolumeclaims"),
    "resourcequota": (_CORE, "resourcequotas"),
    "secret": (_CORE, "secrets"),
    "service": (_CORE, "services"),
    "workload": ("apis/kueue.x-k8s.io/v1beta2", "workloads"),
}
"""By short name: the API, the name in paths, and whether the objects have no namespace."""
_local = threading.local()


def read(kind: str, *arguments: str) -> Document:
    """Return an object or a list of them, as `kubectl get KIND [NAME] --output json` does.

    Args:
        kind: singular or plural.
        arguments: a name, `--selector=…`, `--field-selector=…`, `--namespace NAME`, `--all-namespaces`.

    Raises:
        AssertionError: the API server refused or did not answer.
    """
    api, plural, *is_global = _KINDS[kind.removesuffix("s")]
    rest, query, namespace, path = list(arguments), [], "default", f"/{api}"
    names = []
    while rest:
        flag, _, value = rest.pop(0).partition("=")
        if flag == "--namespace":
            namespace = value or rest.pop(0)
        elif flag == "--all-namespaces":
            namespace = ""
        elif flag in {"--selector", "--field-selector"}:
            query.append(({"--selector": "labelSelector", "--field-selector": "fieldSelector"}[flag], value))
        elif flag.startswith("-"):
            raise ValueError(f"{flag} is not supported here")
        else:
            names.append(flag)
    path += f"/namespaces/{namespace}" if namespace and not is_global else ""
    path = "/".join([path, plural, *names])
    client = _client()
    try:
        prepared = client.param_serialize(
            "GET", path, query_params=query, header_params={"Accept": "application/json"}, auth_settings=["BearerToken"]
        )
        answer = client.call_api(*prepared, _request_timeout=TIMEOUT_SECONDS)
        content = answer.read()
    except (HTTPError, OSError) as error:
        raise AssertionError(f"get {kind} {' '.join(arguments)}: {error}") from None
    found: Document = json.loads(content)
    assert answer.status < 300, f"get {kind} {' '.join(arguments)}: {found['message']}"
    return found


def _client() -> ApiClient:
    """The client of this thread for the cluster that KUBECONFIG names now."""
    where = os.environ.get("KUBECONFIG")
    if getattr(_local, "where", None) != where or not hasattr(_local, "client"):
        _local.client, _local.where = config.new_client_from_config(where), where
    return _local.client
