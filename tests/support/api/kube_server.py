"""A real API server and its etcd, without nodes: enough for clients that only use MosaicRequests."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes.client import Configuration
from mosaic_crds.names import API_VERSION, GROUP, KIND, PLURAL

from support.ports import free_port

ROOT = Path(__file__).parents[3]
CRD = yaml.safe_load((ROOT / "crds/mosaicrequest.yaml").read_text())
CRD_NAME = f"{PLURAL}.{GROUP}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
START_SECONDS = 90
BUILT = Path(os.environ.get("MOSAIC_CLUSTER_CACHE") or "~/.cache/mosaic-operator/cluster").expanduser() / "bin"


def missing_programs() -> str:
    """The missing programs; empty if all are installed."""
    return ", ".join(name for name in ("etcd", "kube-apiserver") if _program(name) is None)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{BUILT}:{os.environ['PATH']}")


def until(found: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Poll until a function returns something true; return it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class KubeServer:
    """An API server that can be killed and restarted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd, self._peer, self._port = free_port(), free_port(), free_port()
        self._token = uuid.uuid4().hex
        (folder / "tokens.csv").write_text(f"{self._token},admin,admin,system:masters\n")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (folder / "accounts.key").write_bytes(pem)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self._token}"
        self._session.trust_env = False  # no proxy, and only the certificate
        self._session.verify = str(folder / "apiserver.crt")  # that the server makes

    @property
    def configuration(self) -> Configuration:
        """The configuration for a Kubernetes client."""
        found = Configuration(host=f"https://127.0.0.1:{self._port}")
        found.ssl_ca_cert = str(self._folder / "apiserver.crt")
        found.retries = False
        found.api_key = {"BearerToken": f"Bearer {self._token}"}
        return found

    def start(self) -> None:
        """Start the programs that do not run, and wait until they are ready."""
        client, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peer}"
        self._run(
            "etcd", _program("etcd"), "--data-dir", self._folder / "etcd", "--unsafe-no-fsync",
            "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        )  # fmt: skip
        self._run(
            "api", _program("kube-apiserver"), f"--etcd-servers={client}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self._port}", f"--cert-dir={self._folder}",
            "--service-cluster-ip-range=10.0.0.0/24", f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._folder / 'accounts.key'}", "--disable-admission-plugins=ServiceAccount",
            f"--service-account-signing-key-file={self._folder / 'accounts.key'}",
        )  # fmt: skip
        until(self._ready, f"the API server is ready; see {self._folder / 'api.log'}", START_SECONDS)

    def kill(self) -> None:
        """Kill the API server; etcd keeps its data."""
        self._end("api")

    def stop(self) -> None:
        """Stop all programs."""
        for name in list(self._processes):
            self._end(name)

    def call(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """Call the API server as administrator; return None if the object does not exist, or is not served yet."""
        answer = self._session.request(
            method, f"https://127.0.0.1:{self._port}{path}", json=body, headers={"Content-Type": content}, timeout=20
        )
        if answer.status_code in {404, 429}:
            return None
        assert answer.ok, answer.text
        return answer.json()

    # -- the CRD

    def install(self) -> None:
        """Install the CRD, and wait until MosaicRequests are served."""
        self.call("POST", CRDS, CRD)
        until(lambda: self.call("GET", f"/apis/{API_VERSION}/{PLURAL}"), "MosaicRequests are served")

    def uninstall(self) -> None:
        """Delete the CRD, and with it all requests."""
        self.call("DELETE", f"{CRDS}/{CRD_NAME}")
        until(lambda: self.call("GET", f"{CRDS}/{CRD_NAME}") is None, "the definition is gone")

    # -- requests, as kubectl and the operator change them

    def add_namespace(self, name: str) -> None:
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def _path(self, namespace: str, name: str = "") -> str:
        return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}" + (f"/{name}" if name else "")

    def requests(self, namespace: str) -> dict[str, Any]:
        """All requests in a namespace, by name."""
        found = self.call("GET", self._path(namespace))
        return {each["metadata"]["name"]: each for each in found["items"]} if found else {}

    def request(self, namespace: str, name: str) -> Any:
        return self.call("GET", self._path(namespace, name))

    def apply(self, namespace: str, name: str, spec: dict[str, Any], **metadata: Any) -> Any:
        """Create a request, as kubectl does."""
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name} | metadata, "spec": spec}
        return self.call("POST", self._path(namespace), body)

    def refusal(self, request: dict[str, Any]) -> str:
        """Why the API server refuses a request, as kubectl prints it; empty if it accepts it. Nothing is created."""
        path = f"{self._path('default')}?dryRun=All&fieldValidation=Strict"
        answer = self._session.post(f"https://127.0.0.1:{self._port}{path}", json=request, timeout=20)
        return "" if answer.ok else str(answer.json()["message"])

    def apply_deep(self, namespace: str, name: str, spec: dict[str, Any], levels: int) -> None:
        """Create a request whose query is nested too deeply for Python's encoder."""
        stac = {"url": "earth-search", "collection": "c", "datetime": "2024-06-01", "query": {"a": "DEEP"}}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
        text = json.dumps(body | {"spec": spec | {"source": {"stac": stac}}})
        answer = self._session.post(
            f"https://127.0.0.1:{self._port}{self._path(namespace)}",
            data=text.replace('"DEEP"', "[" * levels + "]" * levels),
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert answer.ok, answer.text

    def patch(self, namespace: str, name: str, **execution: Any) -> None:
        body = {"spec": {"execution": execution}}
        self.call("PATCH", self._path(namespace, name), body, "application/merge-patch+json")

    def set_status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Write a status, as the operator does."""
        path = self._path(namespace, name) + "/status"
        self.call("PATCH", path, {"status": status}, "application/merge-patch+json")

    def delete(self, namespace: str, name: str) -> None:
        self.call("DELETE", self._path(namespace, name))

    # -- processes

    def _ready(self) -> bool:
        assert all(process.poll() is None for process in self._processes.values()), self._folder
        try:
            return self._session.get(f"https://127.0.0.1:{self._port}/readyz", timeout=5).ok
        except OSError:  # also raised before the server writes its certificate
            return False

    def _run(self, name: str, *command: object) -> None:
        if name in self._processes:
            return
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(part) for part in command], stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()
