"""The REST API of a release, called as users call it."""

import re
import subprocess
from collections.abc import Callable
from typing import Any

import requests

from support.cluster.cluster import Document, Release, until

SERVICE = "service/mosaic-operator-api"
POD_PORT = 8080


class Api:
    """The REST API, reached through `kubectl port-forward` or at an address."""

    def __init__(self, release: Release, token: str, at: str = SERVICE) -> None:
        """Set up a client; it connects with its first call.

        Args:
            release: Release of the API.
            token: Token of the user.
            at: A Service, a pod, or an address that is reached without kubectl.
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
        """One call. It is repeated while one pod replaces another."""
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

    def submit(self, name: str, spec: Document) -> str:
        """Create a request; return its id."""
        answer = self.call("POST", "/requests", json={"name": name, "spec": spec})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, request_id: str) -> Document:
        """A request."""
        answer = self.call("GET", f"/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def all(self, name: str) -> list[Document]:
        """The requests of a name."""
        found = self.call("GET", "/requests", params={"text": name}).json()["requests"]
        return [each for each in found if each["name"] == name]

    def named(self, name: str) -> Document:
        """Wait for a request of a name; return it."""
        (found,) = until(lambda: self.all(name), f"{name} appears")
        return found

    def wait_for(self, request_id: str, what: Callable[[Document], Any], seconds: float = 180) -> Document:
        """Wait until a request meets a condition; return it."""
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
        """Wait until a request is in a phase; return it."""
        return self.wait_for(request_id, lambda found_request: found_request["phase"] == phase)

    def published(self, request_id: str) -> Document:
        """Wait until a request has succeeded and has its Item; return it."""
        found = self.wait_for(request_id, lambda found_request: found_request["terminal"])
        assert found["phase"] == "Succeeded", found["status"].get("message")
        return self.wait_for(request_id, lambda found_request: found_request["item"])

    # -- pods

    def pods(self) -> list[str]:
        """The names of the API's pods."""
        found = self.release.get("pods", "--selector=app.kubernetes.io/component=api")["items"]
        return [pod["metadata"]["name"] for pod in found]

    def leads(self, pod: str) -> bool:
        """Whether this pod synchronizes the database with the cluster."""
        path = f"/api/v1/namespaces/{self.release.namespace}/pods/{pod}:{POD_PORT}/proxy/metrics"
        found_request = re.search(
            r"^mosaic_sync_leading (\S+)$", self.release.cluster.kubectl("get", "--raw", path), re.MULTILINE
        )
        assert found_request
        return float(found_request.group(1)) == 1
