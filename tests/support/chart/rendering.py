"""Render the chart with Helm."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[3] / "charts/mosaic-operator"
KUBERNETES = "1.29"
"""The oldest version that the chart supports; a helm built without version information reports 1.20."""
NAMESPACE = "mosaics"

API: dict[str, Any] = {"enabled": True, "publicUrl": "https://mosaics.example.org", "secretName": "mosaic-api"}
CLAIM_EVERYWHERE = {"existingClaim": "shared", "claimInEveryNamespace": True}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
AUTHORITIES = {"name": "authorities", "configMap": {"name": "authorities"}}
AUTHORITIES_MOUNT = {"name": "authorities", "mountPath": "/authorities", "readOnly": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "another namespace": {"namespaces": ["forest"]},
    "namespaces": {"namespaces": ["forest", "snow"], "store": CLAIM_EVERYWHERE},
    "all namespaces": {"allNamespaces": True, "store": CLAIM_EVERYWHERE},
    "two replicas": {"replicas": 2},
    "existing claim": {"store": {"existingClaim": "mine"}},
    "data lake": {
        "store": {"uri": "abfss://maps@arbutus.dfs.core.windows.net/mosaics", "secretName": "store"},
        "worker": {
            "labels": {"azure.workload.identity/use": "true"},
            "serviceAccountAnnotations": {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000000"},
        },
    },
    "blobs": {"store": {"uri": "az://maps"}, "namespaces": ["forest", "snow"]},
    "s3": {
        "store": {"uri": "s3://maps/a folder/", "secretName": "store", "endpoint": "https://rgw.example.org:8443"},
        "allNamespaces": True,
    },
    "monitored": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "no network policies": {"networkPolicy": {"enabled": False}},
    "nothing of the cluster's": {"crd": {"install": False}, "userRoles": {"create": False}},
    "api": {"api": API},
    "api elsewhere": {"api": API, "namespaces": ["forest", "snow"], "store": {"uri": "az://maps"}},
    "api in all namespaces": {"api": API, "allNamespaces": True, "store": CLAIM_EVERYWHERE},
    "api with everything set": {
        "api": API
        | {
            "databasePort": 6432,
            "oidc": {
                "issuer": "https://login.example.org:8443/realms/mosaics",
                "clientId": "mosaics",
                "scopes": "openid profile groups",
                "nameClaim": "name",
                "roleClaim": "roles",
                "roles": {"mosaic-admins": "admin", "the staff": "editor"},
                "defaultRole": "none",
            },
            "centralUrl": "https://central.example.org",
            "basemap": {"url": "https://tiles.example.org/{z}/{x}/{y}.png", "attribution": "the makers"},
            "limits": {
                "maxUploadBytes": 5_000_000_000,
                "maxStoredBytes": 900_000_000_000,
                "maxDisplayBytes": 40_000_000_000,
                "maxOpenRequests": 7,
                "maxCallsPerMinute": 8,
                "maxFailedLoginsPerMinute": 9,
                "restoreDays": 30,
            },
            "replicas": 3,
            "image": {"repository": "localhost/mosaic-api", "tag": "dev", "pullPolicy": "Never"},
            "resources": {"limits": {"memory": "8Gi"}},
            "scratch": "50Gi",
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "0"},
                "tlsSecretName": "certificate",
            },
            "trustedProxies": ["10.0.0.0/8", "::1"],
            "env": [{"name": "MOSAIC_STORE_PATIENCE", "value": "300"}],
            "extraVolumes": [AUTHORITIES],
            "extraVolumeMounts": [AUTHORITIES_MOUNT],
            "logLevel": "debug",
            "serviceAccountAnnotations": {"identity": "x"},
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"pool": "small"},
            "tolerations": [{"key": "quiet", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "podLabels": {"team": "snow"},
            "podAnnotations": {"note": "x"},
        },
        "store": {"uri": "s3://maps", "secretName": "store", "endpoint": "https://rgw.example.org"},
        "earthDaily": {"secretName": "earth-daily"},
        "sourceBuckets": {"secretName": "buckets"},
        "imagePullSecrets": [{"name": "registry"}],
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "everything set": {
        "image": {"repository": "localhost/mosaic-operator", "tag": "dev", "pullPolicy": "Never"},
        "imagePullSecrets": [{"name": "registry"}],
        "allowedHosts": ["data.example.org", "10.0.0.7:9000", "*.example.net"],
        "store": {"size": "2Ti", "storageClassName": "nfs", "accessMode": "ReadWriteMany"},
        "limits": {
            "maxPixels": 40_000_000_000,
            "maxParallelism": 500,
            "sharedBytes": 50_000_000_000,
            "maxRunning": 9,
            "maxRunningPerNamespace": 3,
            "maxRunningPerOwner": 2,
        },
        "requests": {"priorityClasses": ["low", "batch"], "queues": ["research"], "ttlAfterFinished": "90d"},
        "deadlines": {"plan": "5m", "finalize": "1d12h"},
        "sweep": {"interval": "10m", "age": "2h", "keepFailed": "90s"},
        "logLevel": "debug",
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "quiet", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}},
        "podLabels": {"team": "snow"},
        "podAnnotations": {"note": "a: b"},
        "worker": {
            "image": {"repository": "localhost/mosaic-worker", "tag": "dev", "pullPolicy": "Never"},
            "resources": {"tiles": {"limits": {"memory": "3Gi"}}},
            "env": [{"name": "GDAL_HTTP_USERAGENT", "value": 'a "quoted" $(POD_NAME) <text>'}],
            "nodeSelector": {"pool": "big"},
            "tolerations": [{"key": "spot", "operator": "Exists", "tolerationSeconds": 300}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
            "topologySpreadConstraints": [SPREAD],
            "extraVolumes": [AUTHORITIES],
            "extraVolumeMounts": [AUTHORITIES_MOUNT],
            "labels": {"team": "snow"},
            "annotations": {"note": "x"},
        },
        "networkPolicy": {"egressCIDRs": ["10.0.0.7/32", "2001:db8::/32"]},
    },
}


class RefusedError(Exception):
    """Helm refused the values; the text is its message."""


def find_helm() -> str | None:
    """The helm in PATH, otherwise the one that the cluster lab builds."""
    lab = Path(os.environ.get("MOSAIC_CLUSTER_CACHE") or "~/.cache/mosaic-operator/cluster").expanduser() / "bin"
    return shutil.which("helm") or shutil.which("helm", path=lab)


def helm(*arguments: str | Path, values: dict[str, Any] | None = None) -> str:
    """The output of a helm command.

    Raises:
        RefusedError: The command failed.
    """
    program = find_helm()
    assert program is not None
    command = [program, *map(str, arguments)]
    if values is not None:
        command += ["--values", "-"]
    done = subprocess.run(command, input=json.dumps(values or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr + done.stdout)
    return done.stdout


@functools.cache
def _rendered(values: str, release: str, chart: Path, kubernetes: str) -> str:
    arguments = ("template", release, chart, "--namespace", NAMESPACE, "--kube-version", kubernetes)
    return helm(*arguments, values=json.loads(values))


class Objects(list[dict[str, Any]]):
    """Rendered objects."""

    def of(self, kind: str, name: str | None = None) -> "Objects":
        """The objects of a kind, and of a name if it is given."""
        return Objects(o for o in self if o["kind"] == kind and name in {None, o["metadata"]["name"]})

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only object of a kind, or of a name."""
        (found,) = self.of(kind, name)
        return found


def render(
    values: dict[str, Any] | None = None,
    release: str = "mosaic-operator",
    chart: Path = CHART,
    kubernetes: str = KUBERNETES,
) -> Objects:
    """The objects of a release."""
    text = _rendered(json.dumps(values or {}), release, chart, kubernetes)
    return Objects(
        document for document in yaml.load_all(text, yaml.CSafeLoader) if document
    )  # six times as fast as the pure Python loader


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    """The pod specs of the operator, of the test, and of the API."""
    for found in objects.of("Deployment") + objects.of("Job"):
        yield found["spec"]["template"]["spec"]
    for found in objects.of("Pod"):
        yield found["spec"]


def deployment(objects: Objects, component: str = "operator") -> dict[str, Any]:
    """The Deployment of the operator, or of the API."""
    (found,) = (
        each
        for each in objects.of("Deployment")
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )
    return found


def environment(objects: Objects, component: str = "operator") -> dict[str, str]:
    """The environment variables of the operator's process, or of the API's, that the chart sets."""
    (container,) = deployment(objects, component)["spec"]["template"]["spec"]["containers"]
    found = {"POD_NAME": "mosaic-operator-0", "POD_NAMESPACE": NAMESPACE}
    for variable in container["env"]:
        if "value" in variable:
            assert isinstance(variable["value"], str)
            found[variable["name"]] = variable["value"].replace("$$", "$")
    return found


def assert_restricted(pod: dict[str, Any]) -> None:
    """Check the Pod Security Standard `restricted`, a read-only root file system, and a group other than root."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert min(security["runAsUser"], security["runAsGroup"]) > 0
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    kinds = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert all(kinds & volume.keys() for volume in pod["volumes"])
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
