"""The API of a release, asked as its users ask it."""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import requests

from support.cluster.cluster import Document, Release, until

SERVICE = "service/mosaic-operator-api"
POD_PORT = 8080


class Api:
    """The REST API, reached as `kubectl port-forward` lets people reach it, or at an address."""

    def __init__(self, release: Release, token: str, at: str = SERVICE) -> None:
        """Nothing is asked yet.

        Args:
            release: whose API it is.
            token: of who asks.
            at: what the connections lead to: a Service, a pod, or an address that is reached without kubectl.
        """
        self.release, self.token = release, token
        self._at = at
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._forwarding: subprocess.Popen[str] | None = None
        self._address = ""

    def close(self) -> None:
        self._session.close()
        self._stop_forwarding()

    # -- calls

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One call, which is tried again while a pod goes and another comes."""
        return until(lambda: self._answer(method, path, more), f"{method} {path} is answered")[0]

    def _answer(self, method: str, path: str, more: dict[str, Any]) -> tuple[requests.Response] | None:
        try:
            answer = self._session.request(method, f"{self._reach()}/api/v1{path}", timeout=30, **more)
        except (requests.RequestException, ConnectionError):
            self._stop_forwarding()
            return None
        return None if answer.status_code == 503 else (answer,)

    def _reach(self) -> str:
        if "://" in self._at:
            return self._at
        if self._forwarding is None or self._forwarding.poll() is not None:
            self._stop_forwarding()
            self._address = self._forward()
        return self._address

    def _forward(self) -> str:
        command = ["kubectl", "port-forward", "--namespace", self.release.namespace, self._at, f":{POD_PORT}"]
        self._forwarding = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._forwarding.stdout is not None
        line = self._forwarding.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if not found:
            raise ConnectionError(line)
        return f"http://{found.group()}"

    def _stop_forwarding(self) -> None:
        if self._forwarding is not None:
            self._forwarding.terminate()
            self._forwarding.communicate()
            self._forwarding = None

    # -- requests

    def ask(self, name: str, spec: Document) -> str:
        """Ask for a mosaic; give its id."""
        answer = self.call("POST", "/requests", json={"name": name, "spec": spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, request_id: str) -> Document:
        """What is told of a mosaic."""
        answer = self.call("GET", f"/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def all(self, name: str) -> list[Document]:
        """What is told of those of a name."""
        found = self.call("GET", "/requests", params={"text": name}).json()["requests"]
        return [each for each in found if each["name"] == name]

    def named(self, name: str) -> Document:
        """What is told of the only one of a name, once it is there."""
        (found,) = until(lambda: self.all(name), f"{name} appears")
        return found

    def wait_for(self, request_id: str, what: Callable[[Document], Any], seconds: float = 180) -> Document:
        """A mosaic when it is as it should be."""
        last: Document = {}

        def there() -> Document | None:
            nonlocal last
            last = self.get(request_id)
            return last if what(last) else None

        try:
            return until(there, "the request is as it should be", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last['phase']}: {last['status'].get('message')}") from None

    def wait_for_phase(self, request_id: str, phase: str) -> Document:
        """A mosaic when it has come to a phase."""
        return self.wait_for(request_id, lambda told: told["phase"] == phase)

    def published(self, request_id: str) -> Document:
        """A mosaic when it is there, with its Item."""
        found = self.wait_for(request_id, lambda told: told["terminal"])
        assert found["phase"] == "Succeeded", found["status"].get("message")
        return self.wait_for(request_id, lambda told: told["item"])

    # -- pods

    def pods(self) -> list[str]:
        """Those that answer."""
        found = self.release.get("pods", "--selector=app.kubernetes.io/component=api")["items"]
        return [pod["metadata"]["name"] for pod in found]

    def leads(self, pod: str) -> bool:
        """Whether it is this pod that keeps the database and the cluster in step."""
        path = f"/api/v1/namespaces/{self.release.namespace}/pods/{pod}:{POD_PORT}/proxy/metrics"
        told = re.search(
            r"^mosaic_sync_leading (\S+)$", self.release.cluster.kubectl("get", "--raw", path), re.MULTILINE
        )
        assert told
        return float(told.group(1)) == 1
