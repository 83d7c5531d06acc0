"""Serves scenes to pods, and holds a file back when a test wants a worker to stand in the middle of its work."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread

from support.servers.range_server import RangeHandler


class Gate:
    """Which files are held back, from whom, and how many readers wait for each.

    Readers are pods, counted by their addresses in the order in which they first ask for a file: 0 is the plan's.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._held: dict[str, range] = {}
        self._readers: dict[str, list[str]] = {}
        self._waiting: Counter[str] = Counter()

    def pass_through(self, path: str, reader: str) -> None:
        """Wait while a path is held from a reader."""
        with self._changed:
            readers = self._readers.setdefault(path, [])
            if reader not in readers:
                readers.append(reader)
            number = readers.index(reader)
            self._waiting[path] += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: number not in self._held.get(path, ()))
            self._waiting[path] -= 1

    def hold(self, path: str, first: int = 1, last: int = 1000) -> None:
        """Keep a path from the readers of these numbers until it is released."""
        with self._changed:
            self._held[path] = range(first, last + 1)

    def release(self, path: str) -> None:
        """Let readers go on."""
        with self._changed:
            self._held.pop(path, None)
            self._changed.notify_all()

    def release_all(self) -> None:
        """Let all readers go on."""
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def wait_for_reader(self, path: str, readers: int = 1, seconds: float = 120) -> None:
        """Wait until so many pods have asked for a path, and one stands before it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._waiting[path] or len(self._readers.get(path, ())) < readers:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"nobody read {path} within {seconds} s")


class _GatedHandler(RangeHandler):
    def __init__(self, *arguments: object, gate: Gate, **named: object) -> None:
        self._gate = gate
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        self._gate.pass_through(self.path, self.client_address[0])
        super().do_GET()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: that readers are killed is what the tests do."""


@contextmanager
def serving(folder: Path, host: str, gate: Gate) -> Iterator[str]:
    """The address, host:port, at which a folder is served meanwhile."""
    server = _Server((host, 0), partial(_GatedHandler, directory=str(folder), gate=gate))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        gate.release_all()
        server.shutdown()
        thread.join()
        server.server_close()
