"""The containers of compose.yaml, and scenes that its workers can read."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock
from typing import Any

import httpx

from support.servers.range_server import RangeHandler

REPOSITORY = Path(__file__).parents[3]
HOST = "172.17.0.1"
"""The engine's default bridge, at whose address containers reach this machine."""
ADDRESS = "http://127.0.0.1:8080"
WORKERS = 4
SECONDS = 180


class Meeting:
    """Delays the first reader of each of several files until all of them have arrived, which proves that they run in
    parallel.
    """

    def __init__(self, paths: set[str]) -> None:
        self._awaited, self._lock = set(paths), Lock()
        self._barrier = Barrier(len(paths))
        self.readers: dict[str, str] = {}

    def pass_through(self, path: str, reader: str) -> None:
        with self._lock:
            first = path in self._awaited
            self._awaited.discard(path)
            if first:
                self.readers[path] = reader
        if first:
            self._barrier.wait(SECONDS)

    @property
    def took_place(self) -> bool:
        return not self._awaited and not self._barrier.broken


class SceneHandler(RangeHandler):
    """Serves scenes, and lets their readers meet."""

    def __init__(self, *arguments: object, scenes: "Scenes", **named: object) -> None:
        self._scenes = scenes
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        try:
            if self._scenes.meeting is not None:
                self._scenes.meeting.pass_through(self.path, self.client_address[0])
        except BrokenBarrierError:
            self.answer(404)
            return
        super().do_GET()


@dataclass
class Scenes:
    """Files over HTTP.

    Attributes:
        folder: Folder of the files.
        address: Address of the server, host:port.
        meeting: Meeting of the readers of some files.
    """

    folder: Path
    address: str = ""
    meeting: Meeting | None = None

    def spec(self, path: str) -> dict[str, Any]:
        """A request for the NDSI of the scene under a path."""
        link = self.folder / path.removeprefix("/")
        if not link.exists():
            link.symlink_to(self.folder / "scene.tif")
        bands = {
            band: {"href": f"http://{self.address}{path}", "band": number, "nodata": 0}
            for number, band in enumerate(("green", "swir16"), 1)
        }
        return {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}}


@dataclass
class Stack:
    """The containers of compose.yaml.

    Attributes:
        environment: Environment of `docker compose`.
        secret: An administrator's token.
    """

    environment: dict[str, str] = field(repr=False)
    secret: str = field(default="", repr=False)

    def compose(self, *arguments: str) -> str:
        """The output of `docker compose`."""
        return run(
            "docker", "compose", "--project-directory", str(REPOSITORY), *arguments, environment=self.environment
        )

    def up(self) -> None:
        self.compose("up", "--no-build", "--detach", "--wait", "--scale", f"worker={WORKERS}")

    def containers(self) -> dict[str, dict[str, Any]]:
        """Descriptions of the containers by `docker inspect`, by name."""
        names = self.compose("ps", "--all", "--quiet").split()
        return {each["Name"].lstrip("/"): each for each in json.loads(run("docker", "inspect", *names))}

    def client(self) -> httpx.Client:
        """A client with an administrator's token."""
        return httpx.Client(base_url=ADDRESS, headers={"Authorization": f"Bearer {self.secret}"}, timeout=30)


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (environment or {}), check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def until(found: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Poll until a function returns something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s")
