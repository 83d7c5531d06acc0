"""Serves scenes to pods. A test can make readers of a file wait, so that a worker stays in the middle of its work."""

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
    """Which files are held, from which readers, and how many readers wait for each.

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
        """Make the readers of these numbers wait for a path until it is released."""
        with self._changed:
            self._held[path] = range(first, last + 1)

    def release(self, path: str) -> None:
        """Let the readers of a path continue."""
        with self._changed:
            self._held.pop(path, None)
            self._changed.notify_all()

    def release_all(self) -> None:
        """Let all readers continue."""
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def wait_for_reader(self, path: str, readers: int = 1, seconds: float = 120) -> None:
        """Wait until this many pods have requested a path and one of them waits for it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._waiting[path] or len(self._readers.get(path, ())) < readers:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no reader of {path} within {seconds} s")


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
        """Log nothing: tests kill readers on purpose."""


@contextmanager
def serving(folder: Path, host: str, gate: Gate) -> Iterator[str]:
    """Serve a folder; yield the address, host:port."""
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
