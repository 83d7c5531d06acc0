"""What tests do to a cluster, with kubectl and helm, as users do."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from mosaic_crds.names import API_VERSION

from support.cluster.reads import read

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "mosaic-operator"
LAB = ROOT / "tests/cluster/lab/lab"
POLL_SECONDS = 0.25
READY = "MOSAIC_TEST_LAB_IS_READY"
"""Set for the processes of a parallel test run, so that the lab is started once."""
Document = dict[str, Any]
Found = TypeVar("Found")


def until(found: Callable[[], Found | None], what: str, seconds: float = 120) -> Found:
    """Poll until there is a result; return it.

    Raises:
        AssertionError: There was no result before the deadline.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes.

    Attributes:
        host: Address at which pods reach this machine.
        registry: Prefix of the names of this project's images.
        tag: Tag of these images.
        lab: Whether it is this project's lab, whose components a test may kill.
    """

    host: str
    registry: str
    tag: str
    lab: bool

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """Run kubectl; return its output."""
        done = subprocess.run(["kubectl", *arguments], input=given, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else done.stderr

    def get(self, *what: str) -> Document:
        """An object, or a list of them."""
        return read(*what)

    def apply(self, document: Document, *arguments: str) -> None:
        """Apply an object."""
        self.kubectl("apply", "--filename", "-", *arguments, given=json.dumps(document))

    def lab_command(self, *arguments: str) -> None:
        """Run a command of the lab."""
        done = subprocess.run([LAB, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"lab {' '.join(arguments)}: {done.stderr.strip()}"


@dataclass(frozen=True)
class Release:
    """The chart, installed in its own namespace.

    Attributes:
        cluster: Cluster of the release.
        namespace: Namespace of the release, its requests and its store.
        scenes: Address of the scenes.
    """

    cluster: Cluster
    namespace: str
    scenes: str
    name: str = "mosaic-operator"

    def install(
        self,
        values: Mapping[str, Any] | None = None,
        chart: Path = CHART,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Install the chart and Secrets, and a pod that shows the files of a store that is a claim."""
        claim = "uri" not in (values or {}).get("store", {})
        if claim and self.cluster.lab:
            self.cluster.lab_command("volume", self.namespace)
        self.create_namespace()
        for name, content in (secrets or {}).items():
            self.keep_secret(name, content)
        self._helm("install", values, chart)
        if claim:
            self.create_reader()  # starts while the operator starts
        until(lambda: all(map(is_ready, self.get("deployments")["items"])), "the release is ready")
        if claim:
            self.wait_for_reader()

    def keep_secret(self, name: str, content: Mapping[str, str]) -> None:
        """Create or change a Secret."""
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(content)}
        self.cluster.apply(document, "--namespace", self.namespace)

    def create_namespace(self) -> None:
        """Create the namespace, which enforces the restricted Pod Security Standard."""
        metadata = {"name": self.namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def upgrade(self, values: Mapping[str, Any] | None = None, chart: Path = CHART, command: str = "upgrade") -> None:
        """Install or upgrade the chart; Helm waits until it is ready."""
        self._helm(command, values, chart, "--wait")

    def _helm(self, command: str, values: Mapping[str, Any] | None, chart: Path, *flags: str) -> None:
        base = {
            "image": {"repository": f"{self.cluster.registry}mosaic-operator", "tag": self.cluster.tag},
            "worker": {
                "rangeSeconds": 0,  # so that small scenes have many ranges
                "inlineSeconds": 0,  # and each step has its pods
                "image": {"repository": f"{self.cluster.registry}mosaic-worker", "tag": self.cluster.tag},
                "resources": {
                    "plan": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                    "tiles": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
                    "finalize": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
                },
            },
            "allowedHosts": [self.scenes],
            "crd": {"install": False},
            "userRoles": {"create": False},
            "sweep": {"interval": "1h", "age": "1s"},
            "networkPolicy": {"egressCIDRs": [f"{self.scenes.partition(':')[0]}/32"]},
        }
        given = yaml.safe_dump(merged(base, values or {}))
        arguments = ["helm", command, self.name, chart, "--namespace", self.namespace, "--values", "-", *flags]
        done = subprocess.run(arguments, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def uninstall(self) -> None:
        """Uninstall the chart."""
        arguments = ["helm", "uninstall", self.name, "--namespace", self.namespace, "--wait"]
        subprocess.run(arguments, check=True, capture_output=True)

    def kubectl(self, *arguments: str, given: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, given=given, check=check)

    def get(self, *what: str) -> Document:
        """An object of the namespace, or a list of them."""
        return self.cluster.get(*what, "--namespace", self.namespace)

    # -- requests

    def submit(self, name: str, spec: Document) -> str:
        """Apply a request; return its uid."""
        request = {"apiVersion": API_VERSION, "kind": "MosaicRequest", "metadata": {"name": name}}
        self.cluster.apply(request | {"spec": spec}, "--namespace", self.namespace)
        return str(self.get("mosaic", name)["metadata"]["uid"])

    def submit_all(self, names: Iterable[str], spec: Document) -> None:
        """Apply the same request under several names at once."""
        request = {"apiVersion": API_VERSION, "kind": "MosaicRequest", "spec": spec}
        items = [request | {"metadata": {"name": name}} for name in names]
        self.cluster.apply({"apiVersion": "v1", "kind": "List", "items": items}, "--namespace", self.namespace)

    def execute(self, name: str, **execution: Any) -> None:
        """Change how a request is executed."""
        self.kubectl(
            "patch", "mosaic", name, "--type=merge", f"--patch={json.dumps({'spec': {'execution': execution}})}"
        )

    def status(self, name: str) -> Document:
        """The status of a request."""
        return dict(self.get("mosaic", name).get("status", {}))

    def wait_for(self, name: str, *phases: str, seconds: float = 180) -> Document:
        """Wait until a request is in one of some phases; return its status."""
        last: Document = {}

        def there() -> Document | None:
            nonlocal last
            last = self.status(name)
            return last if last.get("phase") in phases else None

        try:
            return until(there, f"{name} is {' or '.join(phases)}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last.get('phase')}: {last.get('message')}") from None

    def delete(self, name: str) -> None:
        """Delete a request, and wait until its Jobs and pods are gone."""
        self.kubectl("delete", "mosaic", name, "--timeout=60s")
        until(lambda: not self.jobs(name) and not self.pods(name), f"nothing is left of {name}")

    def jobs(self, name: str) -> dict[str, Document]:
        """The Jobs of a request by step."""
        found = self.get("jobs", f"--selector=mosaics.arbutus.dev/request={name}")["items"]
        return {job["metadata"]["labels"]["mosaics.arbutus.dev/step"]: job for job in found}

    def pods(self, name: str, step: str = "", index: int | None = None) -> list[Document]:
        """The pods of a request, of a step, of a range."""
        selector = f"mosaics.arbutus.dev/request={name}" + (f",mosaics.arbutus.dev/step={step}" if step else "")
        if index is not None:
            selector += f",batch.kubernetes.io/job-completion-index={index}"
        return list(self.get("pods", f"--selector={selector}")["items"])

    # -- the operator

    def scale(self, replicas: int) -> None:
        """Start or stop the operator, and wait for that."""
        self.kubectl("scale", "deployment", self.name, f"--replicas={replicas}")
        self.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=120s")
        if replicas == 0:
            until(lambda: not self.operator_pods(), "the operator has gone")

    def operator_pods(self) -> list[str]:
        """The operator's pods."""
        found = self.get("pods", "--selector=app.kubernetes.io/component=operator")["items"]
        return [pod["metadata"]["name"] for pod in found]

    def kill_operator(self) -> None:
        """Delete the operator's pods without a grace period; the Deployment starts another."""
        for pod in self.operator_pods():
            self.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    # -- the store

    def files(self, *folders: str) -> dict[str, str]:
        """The files below folders of the store, and the SHA-256 of each.

        They are computed there: `kubectl exec` may lose the end of a large output.
        """
        script = f"cd /store && find {' '.join(folders)} -type f -exec sha256sum {{}} + 2>/dev/null || true"
        lines = self.kubectl("exec", "reader", "--", "sh", "-c", script).splitlines()
        return {path: checksum for checksum, path in map(str.split, lines)}

    def read(self, uri: str) -> bytes:
        """A small file of the store."""
        path = uri.removeprefix("file://")
        command = ["kubectl", "exec", "reader", "--namespace", self.namespace, "--", "cat", path]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def sweep(self) -> None:
        """Run the operator's sweep now: its Job of this hour once more, with the requests that exist now."""
        self.scale(0)
        for job in self.get("jobs", "--selector=mosaics.arbutus.dev/step=sweep")["items"]:
            self.kubectl("delete", "job", job["metadata"]["name"])
        self.scale(1)
        until(
            lambda: any(
                job.get("status", {}).get("succeeded")
                for job in self.get("jobs", "--selector=mosaics.arbutus.dev/step=sweep")["items"]
            ),
            "the sweep is done",
        )

    def start_reader(self) -> None:
        """Start a pod that shows the files of the store, and wait until it runs."""
        self.create_reader()
        self.wait_for_reader()

    def wait_for_reader(self) -> None:
        """Wait until the pod that shows the files of the store runs."""
        until(lambda: self.get("pod", "reader")["status"]["phase"] == "Running", "the reader runs")

    def create_reader(self) -> None:
        """Create a pod that shows the files of the store."""
        claim = self.get("pvc")["items"][0]["metadata"]["name"]
        image = f"{self.cluster.registry}mosaic-worker:{self.cluster.tag}"
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "reader"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "reader", "image": image, "command": ["sleep", "86400"], "securityContext": security,
                        "volumeMounts": [{"name": "store", "mountPath": "/store"}],
                    }
                ],
                "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": claim}}],
            },
        }  # fmt: skip
        self.cluster.apply(pod, "--namespace", self.namespace)


def in_store(uri: str) -> str:
    """The path of a file below the folder of a store that is a claim."""
    return uri.removeprefix("file:///store/")


def is_ready(deployment: Document) -> bool:
    """Whether a Deployment has all its pods, and all are ready."""
    status = deployment["status"]
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas"))
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return current and set(counts) == {deployment["spec"]["replicas"]}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """Values as Helm merges them."""
    found = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if nested else value
    return found


def the_cluster() -> Cluster | str:
    """The cluster to test on, or why there is none.

    MOSAIC_TEST_KUBECONFIG names one that is there already (with the images loaded under MOSAIC_TEST_IMAGES, and this
    machine reachable from pods at MOSAIC_TEST_HOST); else the lab is started.
    """
    given = os.environ.get("MOSAIC_TEST_KUBECONFIG")
    if given:
        os.environ["KUBECONFIG"] = given
        for program in ("kubectl", "helm"):
            if shutil.which(program) is None:
                return f"{program} is not in PATH"
        host = os.environ.get("MOSAIC_TEST_HOST", "")
        registry, _, tag = os.environ.get("MOSAIC_TEST_IMAGES", "mosaic-*:dev").partition("mosaic-*:")
        return Cluster(host, registry, tag, lab=False) if host else "MOSAIC_TEST_HOST is not set"
    able = subprocess.run([LAB, "check"], capture_output=True, text=True, check=False)
    if able.returncode:
        return (able.stdout + able.stderr).strip()
    if not os.environ.get(READY):
        start_lab()
    for line in subprocess.run([LAB, "env"], check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        os.environ[name] = value.replace("$PATH", os.environ["PATH"])
    return Cluster("10.244.0.1", "localhost/", "dev", lab=True)


def start_lab() -> None:
    """Start the lab with this project's images, unless it is up; several processes may ask."""
    for command in ("up", "project"):
        done = subprocess.run([LAB, command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"lab {command} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    os.environ[READY] = "yes"
