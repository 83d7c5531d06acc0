"""An API server, etcd and the Job controller without nodes, from the programs that the lab builds."""

import base64
import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from support.ports import free_port

CACHE = Path(os.environ.get("MOSAIC_CLUSTER_CACHE", Path.home() / ".cache/mosaic-operator/cluster"))
BATCH = 100
"""Objects of a transaction of etcd, which allows 128."""
START_SECONDS = 60


class ControlPlane:
    """The running control plane; everything is in a folder.

    Attributes:
        kubeconfig: of an administrator.
        server: the URL of the API server.
        authority: the certificate that signs its own.
        token: of the administrator.
        processes: by name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._etcd = f"http://127.0.0.1:{free_port()}"
        self._port = free_port()
        self.kubeconfig = folder / "kubeconfig"
        self.server = f"https://127.0.0.1:{self._port}"
        self.authority = str(folder / "apiserver.crt")
        self.token = secrets.token_urlsafe()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        peer, key = f"http://127.0.0.1:{free_port()}", self._folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        (self._folder / "tokens").write_text(f"{self.token},admin,1,system:masters\n")
        self._write_kubeconfig()
        self.start(
            "etcd", CACHE / "bin" / "etcd", "--data-dir", self._folder / "etcd", "--unsafe-no-fsync",
            "--quota-backend-bytes=8000000000",
            "--listen-client-urls", self._etcd, "--advertise-client-urls", self._etcd, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}", "--log-level=error",
        )  # fmt: skip
        self.start(
            "kube-apiserver", CACHE / "bin" / "kube-apiserver", f"--etcd-servers={self._etcd}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--cert-dir={self._folder}", f"--token-auth-file={self._folder / 'tokens'}", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://bench",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--disable-admission-plugins=ServiceAccount", "--max-requests-inflight=0",
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while self.kubectl("get", "--raw", "/readyz", check=False).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError((self._folder / "kube-apiserver.log").read_text()[-2000:])
            time.sleep(0.2)
        self.start(
            "kube-controller-manager", CACHE / "bin" / "kube-controller-manager", f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false", "--controllers=job-controller", "--secure-port=0", "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
            process.wait()

    def start(self, name: str, *command: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process, whose output is in a file."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | environment, cwd=self._folder
            )
        return self.processes[name]

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self._folder / f"{name}.log").read_text()

    def kubectl(self, *arguments: str | Path, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        command = [CACHE / "bin" / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=check)

    def clone(self, key: str, count: int) -> None:
        """Copy a stored object under other names and uids, directly in etcd.

        Args:
            key: its key below /registry/; its last piece is its name.
            count: the number of copies.
        """
        (found,) = self._ask("range", {"key": _coded(f"/registry/{key}")})["kvs"]
        document = json.loads(base64.b64decode(found["value"]))
        folder, _, name = key.rpartition("/")

        def puts() -> Iterator[dict[str, Any]]:
            for number in range(count):
                document["metadata"] |= {"name": f"{name}-{number:07}", "uid": f"00000000-0000-4000-8000-{number:012}"}
                place = f"/registry/{folder}/{document['metadata']['name']}"
                yield {"requestPut": {"key": _coded(place), "value": _coded(json.dumps(document))}}

        for batch in _batches(puts()):
            self._ask("txn", {"success": batch})

    def _ask(self, call: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self._etcd}/v3/kv/{call}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def _write_kubeconfig(self) -> None:
        cluster = {"server": self.server, "certificate-authority": self.authority}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bench", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "admin", "namespace": "default"}}],
            "current-context": "bench",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))
        self.kubeconfig.chmod(0o600)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _batches(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
