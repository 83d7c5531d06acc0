"""Plays the kubelets of a control plane without nodes: pods that succeed as soon as they exist."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import requests
from mosaic_crds.names import LABEL_STEP
from mosaic_crds.worker_pod import Step

from support.cluster.control_plane import ControlPlane

PATCHES_AT_ONCE = 8
Answers = Callable[[Step, dict[str, Any]], dict[str, Any]]
"""The termination message of the pod of a step, from its metadata."""


class PlayedNodes:
    """Lets the pods of a namespace succeed, until the control plane ends."""

    def __init__(self, plane: ControlPlane, namespace: str, answers: Answers) -> None:
        self._plane, self._pods, self._answers = plane, f"/api/v1/namespaces/{namespace}/pods", answers
        self._threads = ThreadPoolExecutor(PATCHES_AT_ONCE)
        self._seen: set[str] = set()
        self.failure: BaseException | None = None
        self._sessions = threading.local()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        session = plain_session(self._plane)
        while True:  # the API server ends the watch of a slow reader; each watch begins with all pods
            try:
                events = session.get(
                    f"{self._plane.server}{self._pods}", params={"watch": "1"}, stream=True, timeout=(10, None)
                )
                for line in events.iter_lines(chunk_size=None):
                    event = json.loads(line)
                    pod = event["object"]
                    if event["type"] in {"ADDED", "MODIFIED"} and pod["metadata"]["uid"] not in self._seen:
                        self._seen.add(pod["metadata"]["uid"])
                        self._threads.submit(self._end, pod).add_done_callback(self._note)
            except requests.exceptions.ChunkedEncodingError:
                continue
            except requests.ConnectionError:
                return  # the API server has ended

    def _end(self, pod: dict[str, Any]) -> None:
        if not hasattr(self._sessions, "mine"):
            self._sessions.mine = plain_session(self._plane)
        name, step = pod["metadata"]["name"], Step(pod["metadata"]["labels"][LABEL_STEP])
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        message = json.dumps(self._answers(step, pod["metadata"]))
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now, "message": message}
        (container,) = pod["spec"]["containers"]
        status = {
            "name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0,
            "state": {"terminated": ended},
        }  # fmt: skip
        self._sessions.mine.patch(
            f"{self._plane.server}{self._pods}/{name}/status",
            json.dumps({"status": {"phase": "Succeeded", "startTime": now, "containerStatuses": [status]}}),
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()

    def _note(self, future: Any) -> None:
        self.failure = self.failure or future.exception()


def plain_session(plane: ControlPlane) -> requests.Session:
    """A session of the administrator, which keeps its connection."""
    session = requests.Session()
    session.trust_env = False
    session.verify = plane.authority
    session.headers["Authorization"] = f"Bearer {plane.token}"
    return session
