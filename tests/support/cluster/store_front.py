"""A proxy between pods and their store. It records writes, and can hold one for a test."""

from threading import Event, Lock
from typing import NamedTuple
from urllib.parse import urlsplit

from support.servers.forwarding import Answer, Forwarder, Request


class Write(NamedTuple):
    """A PUT: path of the object, content, and status of the response."""

    path: str
    content: bytes
    status: int


class HeldWrite:
    """A PUT that is not forwarded. It waits here until it is dropped."""

    def __init__(self) -> None:
        self.arrived = Event()
        self.dropped = Event()

    def wait(self, seconds: float = 120) -> None:
        """Wait until it arrives."""
        assert self.arrived.wait(seconds), f"no write within {seconds} s"


class StoreFront(Forwarder):
    """Forwards every request unchanged, so that the service verifies the signature."""

    def __init__(self, upstream: str, host: str) -> None:
        super().__init__(upstream, host)
        self._lock = Lock()
        self._writes: list[Write] = []
        self._held: dict[str, HeldWrite] = {}

    def hold_next(self, key: str) -> HeldWrite:
        """Hold the next write of an object with this key, in any folder of the store; later ones pass."""
        held = HeldWrite()
        with self._lock:
            self._held[key] = held
        return held

    def writes(self, folder: str = "") -> list[Write]:
        """The writes of objects below a folder that have a response."""
        with self._lock:
            return [write for write in self._writes if folder in write.path]

    def answer(self, request: Request) -> Answer | None:
        if request.method != "PUT":
            return self.forward(request)
        path = urlsplit(request.target).path
        with self._lock:
            held = next((self._held.pop(key) for key in self._held if path.endswith(f"/{key}")), None)
        if held is not None:
            held.arrived.set()
            held.dropped.wait()
            return None
        answer = self.forward(request)
        with self._lock:
            self._writes.append(Write(path, request.body, answer.status))
        return answer
