"""Stands between pods and the service of their store: knows what they wrote, and holds a write back for a test."""

from threading import Event, Lock
from typing import NamedTuple
from urllib.parse import urlsplit

from support.servers.forwarding import Answer, Forwarder, Request


class Write(NamedTuple):
    """A PUT that came: of which object, what it held, and what the service answered."""

    path: str
    content: bytes
    status: int


class HeldWrite:
    """A PUT that the service never hears of: it stands here until it is dropped."""

    def __init__(self) -> None:
        self.arrived = Event()
        self.dropped = Event()

    def wait(self, seconds: float = 120) -> None:
        """Wait until it stands here."""
        assert self.arrived.wait(seconds), f"nobody wrote it within {seconds} s"


class StoreFront(Forwarder):
    """Sends every request on, untouched, so that the service itself verifies the signature."""

    def __init__(self, upstream: str, host: str) -> None:
        super().__init__(upstream, host)
        self._lock = Lock()
        self._writes: list[Write] = []
        self._held: dict[str, HeldWrite] = {}

    def hold_next(self, key: str) -> HeldWrite:
        """Hold back the next write of an object of this key, whatever the store's folder is; those after it pass."""
        held = HeldWrite()
        with self._lock:
            self._held[key] = held
        return held

    def writes(self, folder: str = "") -> list[Write]:
        """Those that were answered, of objects below a folder."""
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
